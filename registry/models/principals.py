"""Principals: users, service principals and groups, and who belongs to which group."""

import uuid
from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models

ACCOUNT_USERS = "account users"
"""The built-in group of every active user and service principal. Membership is implied, never stored."""
ADMINS = "admins"
"""The built-in group that owns the metastore on a new installation."""


class PrincipalKind(models.TextChoices):
    """What a principal is."""

    USER = "USER", "User"
    SERVICE_PRINCIPAL = "SERVICE_PRINCIPAL", "Service principal"
    GROUP = "GROUP", "Group"


class PrincipalManager(BaseUserManager["Principal"]):
    """Finds principals by the name that grants and owners are written with."""

    def get_by_natural_key(self, username: str | None) -> "Principal":
        """The principal of that name, however it is capitalised."""
        return self.get(key=(username or "").strip().lower())


class Principal(AbstractBaseUser):
    """A user (named by e-mail), a service principal (by application id) or a group (by display name).

    One table, so that owners and grants point at one thing. `key` is the lower-case name: unique over all kinds.
    """

    kind = models.CharField(max_length=20, choices=PrincipalKind.choices)
    name = models.CharField(max_length=255, help_text="E-mail, application id or group name: what grants name.")
    key = models.CharField(max_length=255, unique=True, editable=False)
    display_name = models.CharField(max_length=255, blank=True)
    external_id = models.CharField(max_length=255, blank=True)
    is_active = models.BooleanField(default=True)
    is_builtin = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    password_change_required = models.BooleanField(default=False)
    groups_of = models.ManyToManyField("self", through="Membership", symmetrical=False, related_name="members_of")

    objects = PrincipalManager()

    USERNAME_FIELD = "key"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ("key",)

    def __str__(self) -> str:
        return self.name

    @property
    def label(self) -> str:
        """What a person reads: the display name where there is one."""
        return self.display_name or self.name


class Membership(models.Model):
    """`member` belongs to `group`. Groups may belong to groups."""

    group = models.ForeignKey(Principal, models.CASCADE, related_name="member_links")
    member = models.ForeignKey(Principal, models.CASCADE, related_name="group_links")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["group", "member"], name="membership_once"),
            models.CheckConstraint(condition=~models.Q(group=models.F("member")), name="membership_not_of_itself"),
        ]

    def __str__(self) -> str:
        return f"{self.member} in {self.group}"


class ServicePrincipalSecret(models.Model):
    """What a service principal signs in with. Only its SHA-256 is kept; the value is shown once, when it is made."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    principal = models.ForeignKey(Principal, models.CASCADE, related_name="secrets")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    prefix = models.CharField(max_length=12, editable=False, help_text="First characters, to recognise it by.")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("-created_at", "id")

    def __str__(self) -> str:
        return f"{self.prefix}… of {self.principal}"


class ApiToken(models.Model):
    """A personal access token, or what a secret was exchanged for. Its SHA-256 is kept; the value is shown once."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    principal = models.ForeignKey(Principal, models.CASCADE, related_name="tokens")
    secret = models.ForeignKey(
        ServicePrincipalSecret,
        models.CASCADE,
        null=True,
        blank=True,
        editable=False,
        related_name="tokens",
        help_text="The secret it was given for, and dies with. Empty: a personal access token.",
    )
    digest = models.CharField(max_length=64, unique=True, editable=False)
    prefix = models.CharField(max_length=12, editable=False, help_text="First characters, to recognise it by.")
    comment = models.CharField(max_length=255, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: never.")
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.prefix}… of {self.principal}"
