"""Moving aliases: dropped on another row, chosen in a dialog, rolled back to an earlier step, and undone."""

import json
from collections.abc import Mapping

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from registry.errors import InvalidParameter
from registry.models import RegisteredModel, VersionStatus
from registry.names import lookup_key
from registry.services.actors import Actor
from registry.services.aliases import move_aliases
from registry.services.model_versions import get_version, list_versions
from registry.services.registered_models import get_model
from registry.web.actions import name_of, told_in_a_toast
from registry.web.dialogs import Form, dialog, done, posted, refusals_on
from registry.web.session import signed_in
from registry.web.toasts import Undo

Moves = Mapping[str, int | None]
_OFFERED = 20
"""How many of the newest versions the dialog offers; any other is typed."""


@require_POST
@signed_in
@told_in_a_toast
def move(request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str) -> HttpResponseBase:
    """Move aliases as the two JSON objects say: `moves` from alias to version, `expected` as the page showed them."""
    name = name_of(catalog, schema, model)
    moves = _read(request, "moves")
    expected = _read(request, "expected") if "expected" in request.POST else None
    before = move_aliases(actor=actor, name=name, moves=moves, expected=expected)
    return _moved(request, name, before, moves)


def _read(request: HttpRequest, field: str) -> dict[str, int | None]:
    try:
        value = json.loads(request.POST.get(field, ""))
    except ValueError:
        value = None
    if not isinstance(value, dict) or not all(number is None or type(number) is int for number in value.values()):
        raise InvalidParameter(f"'{field}' must be a JSON object from aliases to version numbers.", field=field)
    return value


def _moved(request: HttpRequest, name: str, before: Moves, after: Moves) -> HttpResponseBase:
    """Show the page anew, say what became of the aliases, and offer to take it back."""
    undo = Undo(
        reverse("alias-moves", args=name.split(".")),
        {"moves": json.dumps(dict(before)), "expected": json.dumps(dict(after))},
    )
    page = "" if getattr(request, "htmx", False) else reverse("model", args=name.split("."))
    changed = {alias: version for alias, version in after.items() if version != before[alias]}
    if not changed:
        return done(request, to=page, toast="No alias has changed.")
    return done(request, to=page, toast=_in_words(changed), undo=undo)


def _in_words(moves: Moves) -> str:
    said = [
        f"@{alias} removed" if version is None else f"@{alias} is on version {version}"
        for alias, version in moves.items()
    ]
    return f"{', '.join(said)}."


class MoveForm(Form):
    """Where one alias goes."""

    version = forms.IntegerField(min_value=1, label="To version")

    def offer(self, numbers: list[int]) -> None:
        """Let the browser suggest these."""
        self.fields["version"].widget.attrs |= {"list": "newest-versions", "autocomplete": "off"}
        self.offered = numbers


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def move_one(
    request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str, alias: str
) -> HttpResponseBase:
    """The dialog that moves one alias: what dragging does, for the keyboard."""
    name = name_of(catalog, schema, model)
    found = get_model(actor=actor, name=name)
    now = _now(found).get(lookup_key(alias))
    form = MoveForm(posted(request))
    if form.is_valid():
        moves = {alias: form.cleaned_data["version"]}
        with refusals_on(form):
            before = move_aliases(actor=actor, name=name, moves=moves, expected={alias: now})
            return _moved(request, name, before, moves)
    newest = list_versions(actor=actor, name=name, max_results=_OFFERED).items
    form.offer([row.version for row in newest if row.status != VersionStatus.FAILED_REGISTRATION])
    intro = f"It is on version {now} now." if now else "It is on no version now."
    return dialog(request, "dialogs/alias.html", title=f"Move @{alias}", form=form, submit="Move", intro=intro)


def _now(model: RegisteredModel) -> dict[str, int]:
    return {alias.key: alias.version.version for alias in model.aliases.all()}


class AliasesForm(Form):
    """Which aliases are on one version."""

    chosen = forms.MultipleChoiceField(
        label="Aliases of the model", required=False, widget=forms.CheckboxSelectMultiple
    )
    others = forms.CharField(
        label="New aliases", required=False, help_text="Such as Challenger. Several with commas between."
    )

    def offer(self, model: RegisteredModel, number: int) -> None:
        """The aliases that the model has, those of this version ticked."""
        aliases = list(model.aliases.all())
        field = self.fields["chosen"]
        field.choices = [  # type: ignore[attr-defined]
            (alias.name, f"@{alias.name}" + _elsewhere(alias.version.version, number)) for alias in aliases
        ]
        field.initial = [alias.name for alias in aliases if alias.version.version == number]
        left = settings.MAX_ALIASES_PER_MODEL - len(aliases)
        if not aliases:
            del self.fields["chosen"]
        self.fields["others"].help_text += f" The model has {len(aliases)} of {len(aliases) + left}."

    def moves(self, number: int) -> dict[str, int | None]:
        """What to change so that the version has what is ticked and typed."""
        had = set(self.fields["chosen"].initial or []) if "chosen" in self.fields else set()
        typed = [word.strip().removeprefix("@") for word in self.cleaned_data["others"].split(",")]
        wanted = {*self.cleaned_data.get("chosen", []), *filter(None, typed)}
        return {**dict.fromkeys(had - wanted), **dict.fromkeys(sorted(wanted - had), number)}


def _elsewhere(at: int, number: int) -> str:
    return "" if at == number else f" (now on version {at})"


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def version_aliases(
    request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str, version: int
) -> HttpResponseBase:
    """The dialog with all aliases of a version: several are set, moved here or removed in one step."""
    name = name_of(catalog, schema, model)
    get_version(actor=actor, name=name, version=version)
    found = get_model(actor=actor, name=name)
    form = AliasesForm(posted(request))
    form.offer(found, version)
    if form.is_valid():
        moves = form.moves(version)
        if not moves:
            return _moved(request, name, {}, {})
        with refusals_on(form):
            return _moved(request, name, move_aliases(actor=actor, name=name, moves=moves), moves)
    return dialog(request, title=f"Aliases of version {version}", form=form, submit="Save aliases")
