"""Settings of the installation that an administrator changes while it runs."""

from django.db import models

from registry.models.principals import Principal


class WorkspaceSetting(models.Model):
    """One setting that is not at its default. What the keys mean stands in `services.workspace_settings`."""

    key = models.CharField(max_length=100, primary_key=True)
    value = models.CharField(max_length=255)
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")

    def __str__(self) -> str:
        return f"{self.key}={self.value}"
