"""Models, versions, aliases and what hangs on them."""

from django import forms
from django.contrib import admin

from registry.admin.base import ReadOnlyAdmin, ServiceAdmin, ServiceForm
from registry.models import AliasMove, LineageEdge, ModelAlias, ModelVersion, ModelVersionTag, RegisteredModel
from registry.services import aliases, model_versions, registered_models
from registry.services.actors import Actor
from registry.services.model_lookup import find_model
from registry.services.tags import Tags, tag_version

_NAMED = "securable__parent__parent"


@admin.register(RegisteredModel)
class RegisteredModelAdmin(ServiceAdmin):
    """Registered models; name, owner and description are edited on the securable."""

    list_display = ("securable", "last_version", "deployment_job_id")
    list_select_related = (_NAMED,)
    search_fields = ("securable__key",)
    ordering = ("securable__key",)
    removable = True
    shown = ("securable", "last_version", "deployment_job_id")

    def remove(self, actor: Actor, obj: RegisteredModel) -> None:
        """Delete it with all versions."""
        registered_models.delete_model(actor=actor, name=obj.securable.full_name)


class VersionForm(ServiceForm):
    """The description: all else of a version stands."""

    class Meta:
        model = ModelVersion
        fields = ("comment",)

    def apply(self) -> ModelVersion:
        """Describe it."""
        name, number = self.instance.model.securable.full_name, self.instance.version
        comment = self.cleaned_data["comment"]
        return model_versions.update_version(actor=self.actor, name=name, version=number, comment=comment)


@admin.register(ModelVersion)
class ModelVersionAdmin(ServiceAdmin):
    """Versions of models."""

    list_display = ("model", "version", "status", "size_bytes", "file_count", "created_at", "created_by")
    list_select_related = (f"model__{_NAMED}", "created_by")
    list_filter = ("status", "uses_defaults_channel")
    search_fields = ("model__securable__key", "=run_id")
    ordering = ("-created_at",)
    change_form, removable = VersionForm, True
    shown = (
        *("model", "version", "status", "status_message", "source", "run_id", "run_experiment_id"),
        *("logged_model_id", "params", "metrics", "signature", "requirements", "uses_defaults_channel"),
        *("packed_environment_bytes", "size_bytes", "file_count", "copied_from", "created_at", "created_by"),
        *("updated_at", "updated_by", "ready_at"),
    )

    def remove(self, actor: Actor, obj: ModelVersion) -> None:
        """Delete it with the aliases that point at it."""
        model_versions.delete_version(actor=actor, name=obj.model.securable.full_name, version=obj.version)


class NewVersionTagForm(ServiceForm):
    """A tag on a version."""

    model_name = forms.CharField(label="Model", help_text="catalog.schema.model")
    number = forms.IntegerField(label="Version", min_value=1)
    key = forms.CharField(max_length=255)
    value = forms.CharField(max_length=1000, required=False)

    class Meta:
        model = ModelVersionTag
        fields = ()

    def apply(self) -> ModelVersionTag:
        """Set it."""
        given = self.cleaned_data
        return _set_tag(self.actor, given["model_name"], given["number"], given["key"], given["value"])


def _set_tag(actor: Actor, name: str, number: int, key: str, value: str) -> ModelVersionTag:
    tag_version(actor=actor, name=name, version=number, change=Tags(set={key: value}))
    return ModelVersionTag.objects.get(version__model=find_model(name), version__version=number, key=key)


class VersionTagForm(ServiceForm):
    """Another value."""

    class Meta:
        model = ModelVersionTag
        fields = ("value",)

    def apply(self) -> ModelVersionTag:
        """Set it."""
        version = self.instance.version
        name = version.model.securable.full_name
        return _set_tag(self.actor, name, version.version, self.instance.key, self.cleaned_data["value"])


@admin.register(ModelVersionTag)
class ModelVersionTagAdmin(ServiceAdmin):
    """Tags of versions."""

    list_display = ("key", "value", "version", "updated_at", "updated_by")
    list_select_related = (f"version__model__{_NAMED}", "updated_by")
    search_fields = ("key", "value", "version__model__securable__key")
    add_form, change_form, removable = NewVersionTagForm, VersionTagForm, True
    shown = ("version", "key", "updated_at", "updated_by")

    def remove(self, actor: Actor, obj: ModelVersionTag) -> None:
        """Take it off."""
        name, number = obj.version.model.securable.full_name, obj.version.version
        tag_version(actor=actor, name=name, version=number, change=Tags(remove=(obj.key,)))


class NewAliasForm(ServiceForm):
    """An alias for a version."""

    model_name = forms.CharField(label="Model", help_text="catalog.schema.model")
    alias = forms.CharField(max_length=255)
    number = forms.IntegerField(label="Version", min_value=1)

    class Meta:
        model = ModelAlias
        fields = ()

    def apply(self) -> ModelAlias:
        """Set it."""
        given = self.cleaned_data
        return aliases.set_alias(
            actor=self.actor, name=given["model_name"], alias=given["alias"], version=given["number"]
        )


class AliasForm(ServiceForm):
    """Another version."""

    number = forms.IntegerField(label="Version", min_value=1, help_text="Another number moves the alias.")

    class Meta:
        model = ModelAlias
        fields = ()

    def apply(self) -> ModelAlias:
        """Move it."""
        name, number = self.instance.model.securable.full_name, self.cleaned_data["number"]
        return aliases.set_alias(actor=self.actor, name=name, alias=self.instance.name, version=number)


@admin.register(ModelAlias)
class ModelAliasAdmin(ServiceAdmin):
    """Aliases as they stand now."""

    list_display = ("name", "model", "version_number", "set_at", "set_by")
    list_select_related = (f"model__{_NAMED}", "version", "set_by")
    search_fields = ("key", "model__securable__key")
    add_form, change_form, removable = NewAliasForm, AliasForm, True
    shown = ("model", "name", "version_number", "set_at", "set_by")

    @admin.display(description="version")
    def version_number(self, alias: ModelAlias) -> int:
        """The number alone: the version's full name would read the model again."""
        return alias.version.version

    def remove(self, actor: Actor, obj: ModelAlias) -> None:
        """Take it away; the version stays."""
        aliases.delete_alias(actor=actor, name=obj.model.securable.full_name, alias=obj.name)


@admin.register(AliasMove)
class AliasMoveAdmin(ReadOnlyAdmin):
    """Where aliases have been: append-only."""

    list_display = ("moved_at", "name", "model", "from_version", "to_version", "moved_by")
    list_select_related = (f"model__{_NAMED}", "moved_by")
    search_fields = ("key", "model__securable__key")


@admin.register(LineageEdge)
class LineageEdgeAdmin(ReadOnlyAdmin):
    """What versions were made from, and what uses them."""

    list_display = ("version", "direction", "kind", "name", "recorded_at", "recorded_by")
    list_select_related = (f"version__model__{_NAMED}", "recorded_by")
    list_filter = ("direction", "kind")
    search_fields = ("name", "version__model__securable__key")
    ordering = ("-id",)
