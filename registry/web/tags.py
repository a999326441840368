"""Tags of catalogs, schemas, tables, models and versions: set and removed one at a time, each with a way back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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
from registry.web.objects import kind_of
from registry.web.session import signed_in
from registry.web.template_tags import object_url
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


@dataclass(frozen=True)
class _Tagged:
    """Something with tags, as the actor sees it: its page, the addresses of these dialogs, what changes its tags."""

    tags: Mapping[str, str]
    page: str
    tag_url: str
    untag_url: str
    change: Callable[[Tags], object]

    def as_before(self, key: str) -> Undo:
        """What takes a change of that tag back."""
        if key in self.tags:
            return Undo(self.tag_url, {"key": key, "value": self.tags[key]})
        return Undo(self.untag_url, {"key": key})

    def page_after(self, request: HttpRequest) -> str:
        """Where a change ends: on the page below the dialog, or without scripts on the page of the object."""
        return "" if getattr(request, "htmx", False) else self.page


def _object(actor: Actor, kind: str, full_name: str) -> _Tagged:
    services = kind_of(kind)
    found = services.find(actor, full_name)
    return _Tagged(
        tags={tag.key: tag.value for tag in found.tags.all()},
        page=object_url(found),
        tag_url=reverse("tag-object", args=[kind, full_name]),
        untag_url=reverse("untag-object", args=[kind, full_name]),
        change=lambda change: tag_securable(actor=actor, type_=services.type, full_name=full_name, change=change),
    )


def _model(actor: Actor, *place: str) -> _Tagged:
    name, type_ = name_of(*place), SecurableType.REGISTERED_MODEL
    return _Tagged(
        tags={tag.key: tag.value for tag in get_model(actor=actor, name=name).securable.tags.all()},
        page=reverse("model", args=place),
        tag_url=reverse("model-tag", args=place),
        untag_url=reverse("model-untag", args=place),
        change=lambda change: tag_securable(actor=actor, type_=type_, full_name=name, change=change),
    )


def _version(actor: Actor, number: int, *place: str) -> _Tagged:
    name, where = name_of(*place), [*place, number]
    return _Tagged(
        tags={tag.key: tag.value for tag in get_version(actor=actor, name=name, version=number).tags.all()},
        page=reverse("version", args=where),
        tag_url=reverse("version-tag", args=where),
        untag_url=reverse("version-untag", args=where),
        change=lambda change: tag_version(actor=actor, name=name, version=number, change=change),
    )


def _tag(request: HttpRequest, actor: Actor, tagged: _Tagged) -> HttpResponseBase:
    key = request.POST.get("key") or request.GET.get("key", "")
    form = TagForm(posted(request), initial={"key": key, "value": tagged.tags.get(key, "")})
    form.govern(list_policies(actor=actor).items, key)
    if form.is_valid():
        chosen = form.cleaned_data
        with refusals_on(form):
            tagged.change(Tags(set={chosen["key"]: chosen["value"]}))
            toast, undo = f"Tag {chosen['key']} is set.", tagged.as_before(chosen["key"])
            return done(request, to=tagged.page_after(request), toast=toast, undo=undo)
    title = f"Change tag {key}" if key in tagged.tags else "Add a tag"
    return dialog(request, "dialogs/tag.html", title=title, form=form)


def _untag(request: HttpRequest, tagged: _Tagged) -> HttpResponseBase:
    key = request.POST.get("key", "")
    tagged.change(Tags(remove=(key,)))
    undo = tagged.as_before(key) if key in tagged.tags else None
    return done(request, to=tagged.page_after(request), toast=f"Tag {key} is removed.", undo=undo)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def tag_object(request: HttpRequest, actor: Actor, kind: str, full_name: str) -> HttpResponseBase:
    """The dialog that tags a catalog, schema or table; with `key` in the address, the one that changes its value."""
    return _tag(request, actor, _object(actor, kind, full_name))


@require_POST
@signed_in
@told_in_a_toast
def untag_object(request: HttpRequest, actor: Actor, kind: str, full_name: str) -> HttpResponseBase:
    """Take a tag off a catalog, schema or table."""
    return _untag(request, _object(actor, kind, full_name))


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def tag_model(request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str) -> HttpResponseBase:
    """As `tag_object`, for a model."""
    return _tag(request, actor, _model(actor, catalog, schema, model))


@require_POST
@signed_in
@told_in_a_toast
def untag_model(request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str) -> HttpResponseBase:
    """Take a tag off a model."""
    return _untag(request, _model(actor, catalog, schema, model))


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def tag_one(
    request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str, version: int
) -> HttpResponseBase:
    """As `tag_object`, for a version."""
    return _tag(request, actor, _version(actor, version, catalog, schema, model))


@require_POST
@signed_in
@told_in_a_toast
def untag_one(
    request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str, version: int
) -> HttpResponseBase:
    """Take a tag off a version."""
    return _untag(request, _version(actor, version, catalog, schema, model))
