"""Tags of models and of versions: added, changed and removed one at a time."""

from django import forms
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from registry.models import TagPolicy
from registry.privileges import SecurableType
from registry.services.actors import Actor
from registry.services.model_versions import get_version
from registry.services.registered_models import get_model
from registry.services.tag_policies import list_policies
from registry.services.tags import Tags, tag_securable, tag_version
from registry.web.actions import name_of, told_in_a_toast
from registry.web.dialogs import Form, dialog, done, posted, refusals_on
from registry.web.session import signed_in
from registry.web.toasts import Undo


class TagForm(Form):
    """A key and a value."""

    key = forms.CharField(label="Key", max_length=255, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    value = forms.CharField(
        label="Value", required=False, max_length=1000, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )

    def govern(self, policies: list[TagPolicy], key: str) -> None:
        """Offer the governed keys, and for one of them the values that it may have."""
        self.keys = [policy.key for policy in policies]
        self.fields["key"].widget.attrs["list"] = "tag-keys"
        policy = next((policy for policy in policies if policy.key == key), None)
        if policy is None:
            return
        self.fields["key"].help_text = policy.description or "This tag is governed."
        if policy.values:
            choices = [(value, value) for value in policy.values]
            self.fields["value"] = forms.ChoiceField(label="Value", choices=choices)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def tag(
    request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str, version: int | None = None
) -> HttpResponseBase:
    """The dialog that adds a tag, or with `key` in the address changes its value."""
    name = name_of(catalog, schema, model)
    tags = _tags(actor, name, version)
    key = request.POST.get("key") or request.GET.get("key", "")
    form = TagForm(posted(request), initial={"key": key, "value": tags.get(key, "")})
    form.govern(list_policies(actor=actor).items, key)
    if form.is_valid():
        with refusals_on(form):
            _change(actor, name, version, Tags(set={key: form.cleaned_data["value"]}))
            return _changed(request, name, version, toast=f"Tag '{key}' set.")
    title = f"Change tag {key}" if key in tags else "Add a tag"
    return dialog(request, "dialogs/tag.html", title=title, form=form)


@require_POST
@signed_in
@told_in_a_toast
def untag(
    request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str, version: int | None = None
) -> HttpResponseBase:
    """Remove a tag; the toast offers to set it again."""
    name, key = name_of(catalog, schema, model), request.POST.get("key", "")
    before = _tags(actor, name, version)
    _change(actor, name, version, Tags(remove=(key,)))
    undo = Undo(_url("tag", name, version), {"key": key, "value": before[key]}) if key in before else None
    return _changed(request, name, version, toast=f"Tag '{key}' removed.", undo=undo)


def _tags(actor: Actor, name: str, version: int | None) -> dict[str, str]:
    if version is None:
        return {tag.key: tag.value for tag in get_model(actor=actor, name=name).securable.tags.all()}
    return {tag.key: tag.value for tag in get_version(actor=actor, name=name, version=version).tags.all()}


def _change(actor: Actor, name: str, version: int | None, change: Tags) -> None:
    if version is None:
        tag_securable(actor=actor, type_=SecurableType.REGISTERED_MODEL, full_name=name, change=change)
    else:
        tag_version(actor=actor, name=name, version=version, change=change)


def _url(kind: str, name: str, version: int | None) -> str:
    of = "model" if version is None else "version"
    return reverse(f"{of}-{kind}", args=_place(name, version))


def _place(name: str, version: int | None) -> list[str | int]:
    return [*name.split("."), *([] if version is None else [version])]


def _changed(
    request: HttpRequest, name: str, version: int | None, *, toast: str, undo: Undo | None = None
) -> HttpResponseBase:
    page = reverse("model" if version is None else "version", args=_place(name, version))
    return done(request, to="" if getattr(request, "htmx", False) else page, toast=toast, undo=undo)
