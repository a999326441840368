"""The tree of securables: metastore, catalogs, schemas, and what lies in schemas."""

import uuid
from typing import ClassVar

from django.db import models

from registry.models.principals import Principal
from registry.privileges import SecurableType


class Securable(models.Model):
    """Anything that rights are held on. `parent` makes the tree METASTORE > CATALOG > SCHEMA > model or table.

    Names live here once, so renaming a container renames everything below at no cost. `key` is the lower-case name.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    type = models.CharField(max_length=20, choices=[(t.value, t.value) for t in SecurableType])
    parent = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="children")
    name = models.CharField(max_length=255)
    key = models.CharField(max_length=255, editable=False)
    owner = models.ForeignKey(Principal, models.PROTECT, related_name="owned")
    comment = models.TextField(blank=True)
    properties = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")
    updated_at = models.DateTimeField()
    updated_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            # Serves every look-up by name, and the keyset pages of a container's children.
            models.UniqueConstraint(fields=["parent", "type", "key"], name="securable_name_once"),
            models.UniqueConstraint(
                fields=["type"], condition=models.Q(type="METASTORE"), name="securable_one_metastore"
            ),
        ]
        indexes: ClassVar = [
            # Keyset pages over all models or tables that an actor may see.
            models.Index(fields=["type", "key", "id"], name="securable_type_key"),
            models.Index(fields=["type", "-updated_at"], name="securable_recent"),
        ]

    def __str__(self) -> str:
        return self.full_name

    @property
    def full_name(self) -> str:
        """Dotted name from the catalog down. Reads the parents: select them with the row."""
        if self.type in {SecurableType.METASTORE, SecurableType.CATALOG} or self.parent is None:
            return self.name
        return f"{self.parent.full_name}.{self.name}"


class SecurableTag(models.Model):
    """A key and value on a securable."""

    securable = models.ForeignKey(Securable, models.CASCADE, related_name="tags")
    key = models.CharField(max_length=255)
    value = models.CharField(max_length=1000, blank=True)
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ("key",)
        constraints: ClassVar = [models.UniqueConstraint(fields=["securable", "key"], name="securable_tag_once")]

    def __str__(self) -> str:
        return f"{self.key}:{self.value}"


class Grant(models.Model):
    """`principal` holds `privilege` on `securable`, and on everything below it."""

    securable = models.ForeignKey(Securable, models.CASCADE, related_name="grants")
    principal = models.ForeignKey(Principal, models.CASCADE, related_name="grants")
    privilege = models.CharField(max_length=40)
    granted_at = models.DateTimeField(auto_now_add=True)
    granted_by = models.ForeignKey(Principal, models.SET_NULL, null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["securable", "principal", "privilege"], name="grant_once"),
        ]
        indexes: ClassVar = [
            # Lists scoped to an actor ask: on which securables do these principals hold this privilege?
            models.Index(fields=["principal", "privilege", "securable"], name="grant_by_principal"),
        ]

    def __str__(self) -> str:
        return f"{self.privilege} on {self.securable} to {self.principal}"


class Table(models.Model):
    """What a TABLE securable has besides a name: its columns and where its data lies."""

    securable = models.OneToOneField(Securable, models.CASCADE, primary_key=True, related_name="table")
    table_type = models.CharField(max_length=30, default="EXTERNAL")
    data_source_format = models.CharField(max_length=20, default="DELTA")
    storage_location = models.CharField(max_length=2000, blank=True)
    columns = models.JSONField(default=list, blank=True)
    view_definition = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.securable.full_name
