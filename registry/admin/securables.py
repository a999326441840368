"""Catalogs, schemas, models and tables as securables; their tags and grants."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from registry.admin.base import ReadOnlyAdmin, ServiceAdmin, ServiceForm
from registry.models import Grant, Securable, SecurableTag, Table
from registry.names import split_full_name
from registry.privileges import Privilege, SecurableType
from registry.services import catalogs, registered_models, schemas, tables
from registry.services.actors import Actor
from registry.services.grants import Change, find_principal, update_grants
from registry.services.securables import Changes, find_securable
from registry.services.tags import Tags, tag_securable

_ABOVE = ("parent__parent__parent", "owner")
_MAKEABLE = [
    (t.value, t.value) for t in (SecurableType.CATALOG, SecurableType.SCHEMA, SecurableType.REGISTERED_MODEL)
]
_TYPES = [(t.value, t.value) for t in SecurableType]


class NewSecurableForm(ServiceForm):
    """A catalog, a schema or an empty model."""

    type = forms.ChoiceField(choices=_MAKEABLE)
    full_name = forms.CharField(help_text="catalog, catalog.schema or catalog.schema.model")
    comment = forms.CharField(required=False, widget=forms.Textarea)

    class Meta:
        model = Securable
        fields = ()

    def apply(self) -> Securable:
        """Make it, owned by who is signed in."""
        name, comment = self.cleaned_data["full_name"], self.cleaned_data["comment"]
        match self.cleaned_data["type"]:
            case SecurableType.CATALOG:
                return catalogs.create_catalog(actor=self.actor, name=name, comment=comment)
            case SecurableType.SCHEMA:
                catalog, schema = split_full_name(name, levels=2)
                return schemas.create_schema(actor=self.actor, catalog=catalog, name=schema, comment=comment)
        return registered_models.create_model(actor=self.actor, name=name, comment=comment).securable


class SecurableForm(ServiceForm):
    """Description, name and owner."""

    owner_name = forms.CharField(label="Owner", help_text="Another name transfers the ownership.")

    class Meta:
        model = Securable
        fields = ("name", "comment")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["owner_name"].initial = self.instance.owner.name
        self._full_name = self.instance.full_name

    def apply(self) -> Securable:
        """Change what was edited, each part under its own right."""
        edited = set(self.changed_data)
        changes = Changes(
            new_name=self.cleaned_data["name"] if "name" in edited else None,
            comment=self.cleaned_data["comment"] if "comment" in edited else None,
            owner=self.cleaned_data["owner_name"] if "owner_name" in edited else None,
        )
        return self._update(changes)

    def _update(self, changes: Changes) -> Securable:
        match self.instance.type:
            case SecurableType.CATALOG:
                return catalogs.update_catalog(actor=self.actor, name=self._full_name, changes=changes)
            case SecurableType.SCHEMA:
                return schemas.update_schema(actor=self.actor, full_name=self._full_name, changes=changes)
            case SecurableType.REGISTERED_MODEL:
                model = registered_models.update_model(actor=self.actor, name=self._full_name, changes=changes)
                return model.securable
        return tables.update_table(actor=self.actor, full_name=self._full_name, changes=changes).securable


@admin.register(Securable)
class SecurableAdmin(ServiceAdmin):
    """Everything that rights are held on."""

    list_display = ("full_name", "type", "owner", "updated_at", "updated_by")
    list_select_related = (*_ABOVE, "updated_by")
    list_filter = ("type",)
    search_fields = ("key", "owner__key")
    ordering = ("type", "key")
    add_form, change_form, removable = NewSecurableForm, SecurableForm, True
    shown = ("type", "full_name", "created_at", "created_by", "updated_at", "updated_by")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The metastore itself stays as it is."""
        return super().has_change_permission(request, obj) and not _is_metastore(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The metastore itself stays."""
        return super().has_delete_permission(request, obj) and not _is_metastore(obj)

    def remove(self, actor: Actor, obj: Securable) -> None:
        """Delete it: a container only when it is empty."""
        match obj.type:
            case SecurableType.CATALOG:
                catalogs.delete_catalog(actor=actor, name=obj.full_name)
            case SecurableType.SCHEMA:
                schemas.delete_schema(actor=actor, full_name=obj.full_name)
            case SecurableType.REGISTERED_MODEL:
                registered_models.delete_model(actor=actor, name=obj.full_name)
            case _:
                tables.delete_table(actor=actor, full_name=obj.full_name)


def _is_metastore(obj: Securable | None) -> bool:
    return obj is not None and obj.type == SecurableType.METASTORE


@admin.register(Table)
class TableAdmin(ReadOnlyAdmin):
    """Where tables lie and what columns they have."""

    list_display = ("securable", "table_type", "data_source_format", "storage_location")
    list_select_related = ("securable__parent__parent",)
    list_filter = ("table_type", "data_source_format")
    search_fields = ("securable__key", "storage_location")
    ordering = ("securable__key",)


class NewSecurableTagForm(ServiceForm):
    """A tag on a securable, named by type and full name."""

    type = forms.ChoiceField(choices=_TYPES[1:])
    full_name = forms.CharField()
    key = forms.CharField(max_length=255)
    value = forms.CharField(max_length=1000, required=False)

    class Meta:
        model = SecurableTag
        fields = ()

    def apply(self) -> SecurableTag:
        """Set it."""
        given = self.cleaned_data
        return _set_tag(self.actor, SecurableType(given["type"]), given["full_name"], given["key"], given["value"])


def _set_tag(actor: Actor, type_: SecurableType, full_name: str, key: str, value: str) -> SecurableTag:
    securable = tag_securable(actor=actor, type_=type_, full_name=full_name, change=Tags(set={key: value}))
    return securable.tags.get(key=key)


class SecurableTagForm(ServiceForm):
    """Another value."""

    class Meta:
        model = SecurableTag
        fields = ("value",)

    def apply(self) -> SecurableTag:
        """Set it."""
        target = self.instance.securable
        type_ = SecurableType(target.type)
        return _set_tag(self.actor, type_, target.full_name, self.instance.key, self.cleaned_data["value"])


@admin.register(SecurableTag)
class SecurableTagAdmin(ServiceAdmin):
    """Tags of catalogs, schemas, models and tables."""

    list_display = ("key", "value", "securable", "updated_at", "updated_by")
    list_select_related = ("securable__parent__parent", "updated_by")
    search_fields = ("key", "value", "securable__key")
    add_form, change_form, removable = NewSecurableTagForm, SecurableTagForm, True
    shown = ("securable", "key", "updated_at", "updated_by")

    def remove(self, actor: Actor, obj: SecurableTag) -> None:
        """Take it off."""
        target = obj.securable
        change = Tags(remove=(obj.key,))
        tag_securable(actor=actor, type_=SecurableType(target.type), full_name=target.full_name, change=change)


class NewGrantForm(ServiceForm):
    """A privilege for a principal on a securable."""

    type = forms.ChoiceField(choices=_TYPES)
    full_name = forms.CharField(help_text="On the metastore, write metastore.")
    principal_name = forms.CharField(label="Principal")
    privilege_name = forms.ChoiceField(label="Privilege", choices=[(p.value, p.value) for p in Privilege])

    class Meta:
        model = Grant
        fields = ()

    def apply(self) -> Grant:
        """Give it."""
        given = self.cleaned_data
        type_, name = SecurableType(given["type"]), given["full_name"]
        privilege = Privilege(given["privilege_name"])
        change = Change(given["principal_name"], add=(privilege,))
        update_grants(actor=self.actor, type_=type_, full_name=name, changes=[change])
        principal = find_principal(given["principal_name"])
        return Grant.objects.get(securable=find_securable(type_, name), principal=principal, privilege=privilege)


@admin.register(Grant)
class GrantAdmin(ServiceAdmin):
    """Who holds what on what; deleting one revokes it."""

    list_display = ("privilege", "securable", "principal", "granted_at", "granted_by")
    list_select_related = ("securable__parent__parent", "principal", "granted_by")
    list_filter = ("securable__type",)
    search_fields = ("principal__key", "securable__key", "privilege")
    add_form, removable = NewGrantForm, True
    shown = ("securable", "principal", "privilege", "granted_at", "granted_by")

    def remove(self, actor: Actor, obj: Grant) -> None:
        """Revoke it."""
        target = obj.securable
        change = Change(obj.principal.name, remove=(Privilege(obj.privilege),))
        update_grants(actor=actor, type_=SecurableType(target.type), full_name=target.full_name, changes=[change])
