"""Governed tags: keys whose values, and whose use, are laid down."""

import uuid
from typing import ClassVar

from django.db import models

from registry.models.principals import Principal


class TagRole(models.TextChoices):
    """What a principal may do with a governed tag. Who manages it also assigns it."""

    ASSIGNER = "ASSIGNER", "Assigns it to objects and takes it off"
    MANAGER = "MANAGER", "Changes and deletes the policy, and says who assigns the tag"


class TagPolicy(models.Model):
    """The rules of one tag key."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.CharField(max_length=255, unique=True)
    description = models.TextField(blank=True)
    values = models.JSONField(default=list, blank=True, help_text="The values allowed; none: any value is.")
    revision = models.PositiveIntegerField(
        default=1, editable=False, help_text="Counts changes of who has which role."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("key",)
        verbose_name_plural = "tag policies"

    def __str__(self) -> str:
        return self.key


class TagPolicyRole(models.Model):
    """`principal` has a role on a governed tag."""

    policy = models.ForeignKey(TagPolicy, models.CASCADE, related_name="roles")
    principal = models.ForeignKey(Principal, models.CASCADE, related_name="tag_roles")
    role = models.CharField(max_length=10, choices=TagRole.choices)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["policy", "principal", "role"], name="tag_policy_role_once"),
        ]

    def __str__(self) -> str:
        return f"{self.principal}: {self.role} of {self.policy}"
