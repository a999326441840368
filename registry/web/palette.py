"""Ctrl-K: everything that can be gone to or begun, found by a few letters."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from registry.models import ModelVersion, Securable
from registry.privileges import SecurableType
from registry.services.actors import Actor
from registry.services.quick_search import quick_search
from registry.web.context import shown_tabs
from registry.web.session import signed_in
from registry.web.template_tags import object_url, version_url

MAX_TEXT = 200
_KINDS = {
    SecurableType.CATALOG: ("Catalog", "circle-stack"),
    SecurableType.SCHEMA: ("Schema", "folder"),
    SecurableType.REGISTERED_MODEL: ("Model", "cube"),
    SecurableType.TABLE: ("Table", "table-cells"),
}


@dataclass(frozen=True)
class Entry:
    """A row of the palette. With `is_dialog`, its address is laid over the page rather than gone to."""

    title: str
    url: str
    icon: str
    kind: str
    detail: str = ""
    is_dialog: bool = False


@dataclass(frozen=True)
class Command:
    """Something to begin, offered while the words of its title are typed."""

    title: str
    url_name: str
    icon: str
    is_dialog: bool = True
    admins_only: bool = False
    offered: Callable[[Actor], bool] | None = None
    """Whether it would not be refused; asked when the words of the title are typed."""


Source = Callable[[Actor, str], Iterable[Entry]]
_sources: list[Source] = []
_commands: list[Command] = []


def add_source(source: Source) -> None:
    """Let the palette find further nouns; apps call this when they load. The source scopes by the actor."""
    if source not in _sources:
        _sources.append(source)


def add_command(command: Command) -> None:
    """Offer a command in the palette; apps call this when they load."""
    if command not in _commands:
        _commands.append(command)


@require_safe
@signed_in
def results(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The rows for what was typed."""
    text = request.GET.get("q", "").strip()[:MAX_TEXT]
    groups = [("Go to", _places(actor, text)), ("Do", _matching_commands(actor, text))]
    if text:
        groups.insert(
            0, ("Found", [*_found(actor, text), *(entry for source in _sources for entry in source(actor, text))])
        )
    context = {"groups": [(title, entries) for title, entries in groups if entries], "text": text}
    return render(request, "palette/_results.html", context)


def _found(actor: Actor, text: str) -> Iterable[Entry]:
    hits = quick_search(actor=actor, text=text)
    yield from (_version_entry(version) for version in hits.versions)
    yield from (_securable_entry(securable) for securable in hits.securables)


def _securable_entry(securable: Securable) -> Entry:
    kind, icon = _KINDS[SecurableType(securable.type)]
    place = securable.parent.full_name if securable.parent and securable.parent.parent_id else ""
    return Entry(securable.name, object_url(securable), icon, kind, place)


def _version_entry(version: ModelVersion) -> Entry:
    securable = version.model.securable
    aliases = " ".join(f"@{alias.name}" for alias in version.aliases.all())
    return Entry(
        f"{securable.name} version {version.version} {aliases}".strip(),
        version_url(version.model, version.version),
        "square-3-stack-3d",
        "Version",
        securable.parent.full_name if securable.parent else "",
    )


def _places(actor: Actor, text: str) -> list[Entry]:
    return [Entry(tab.title, tab.url, tab.icon, "Page") for tab in shown_tabs(actor) if _says(tab.title, text)]


def _matching_commands(actor: Actor, text: str) -> list[Entry]:
    return [
        Entry(command.title, reverse(command.url_name), command.icon, "Action", is_dialog=command.is_dialog)
        for command in _commands
        if _says(command.title, text)
        and (actor.is_metastore_admin or not command.admins_only)
        and (command.offered is None or command.offered(actor))
    ]


def _says(title: str, text: str) -> bool:
    return all(word in title.lower() for word in text.lower().split())
