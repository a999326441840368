"""Secrets for served models: sealed at rest, written once, never shown again."""

from typing import ClassVar

from django.db import models

from registry.models import Principal


class SecretScope(models.Model):
    """A folder of secrets with its own access list."""

    name = models.CharField(max_length=128, unique=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Secret(models.Model):
    """One sealed value."""

    scope = models.ForeignKey(SecretScope, models.CASCADE, related_name="secrets")
    key = models.CharField(max_length=128)
    sealed_value = models.TextField(editable=False)
    updated_at = models.DateTimeField()
    updated_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ("key",)
        constraints: ClassVar = [models.UniqueConstraint(fields=["scope", "key"], name="secret_once")]

    def __str__(self) -> str:
        return f"{self.scope}/{self.key}"


class SecretLevel(models.TextChoices):
    """What somebody may do with a scope; each level holds the ones before it."""

    READ = "READ"
    WRITE = "WRITE"
    MANAGE = "MANAGE"


class SecretGrant(models.Model):
    """A level that somebody, or a group, has on a scope."""

    scope = models.ForeignKey(SecretScope, models.CASCADE, related_name="grants")
    principal = models.ForeignKey(Principal, models.CASCADE, related_name="+")
    level = models.CharField(max_length=8, choices=SecretLevel.choices)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["scope", "principal"], name="secret_grant_once")]

    def __str__(self) -> str:
        return f"{self.principal}: {self.level}"
