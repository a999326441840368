"""Tabs that the apps above add to the pages of tables, models, versions and endpoints."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from registry.privileges import Action
from registry.services.actors import Actor

TABLE, MODEL, VERSION, ENDPOINT = "table", "model", "version", "endpoint"
"""The pages that take tabs. Theirs is about a Table, a RegisteredModel, a ModelVersion or a watched endpoint."""

Subject = Any


@dataclass(frozen=True)
class ObjectTab:
    """One tab. `context` is asked only when it is open, as (request, actor, subject), for what `template` needs.

    The subject is visible to the actor. The services that `context` calls decide about everything else.
    """

    name: str
    label: str
    template: str
    context: Callable[[HttpRequest, Actor, Subject], Mapping[str, Any]]


_tabs: dict[str, list[ObjectTab]] = {TABLE: [], MODEL: [], VERSION: [], ENDPOINT: []}
_actions: dict[str, list[str]] = {TABLE: [], MODEL: [], VERSION: []}
_items: dict[str, list[tuple[str, Action]]] = {MODEL: [], VERSION: []}


def add_object_action(page: str, template: str) -> None:
    """Add buttons to the head of one kind of page: a template, which decides what it offers. For apps that load."""
    if template not in _actions[page]:
        _actions[page].append(template)


def added_actions(page: str) -> list[str]:
    """The templates of the buttons that were added."""
    return _actions[page]


def add_menu_item(page: str, template: str, action: Action) -> None:
    """Add an item to the menu of one kind of page, for who may do an action. For apps that load."""
    if (template, action) not in _items[page]:
        _items[page].append((template, action))


def menu_items(page: str, may: Collection[Action]) -> list[str]:
    """The templates of the items that were added, for who may do all of that."""
    return [template for template, action in _items[page] if action in may]


def add_object_tab(page: str, tab: ObjectTab) -> None:
    """Add a tab to one kind of page; apps call this when they load.

    One with the name of a tab that the page has takes its place, and may include what that one shows.
    """
    if all(known.name != tab.name for known in _tabs[page]):
        _tabs[page].append(tab)


def added_tabs(page: str, *, beside: Sequence[tuple[str, str]] = ()) -> list[tuple[str, str]]:
    """Names and labels of what was added, without those that take the place of a tab that the page has."""
    known = {name for name, _ in beside}
    return [(tab.name, tab.label) for tab in _tabs[page] if tab.name not in known]


def added_context(
    page: str, request: HttpRequest, actor: Actor, subject: Subject, *, open_tab: str
) -> dict[str, Any]:
    """What the open tab shows, if it is an added one: its template and what that needs."""
    found = next((tab for tab in _tabs[page] if tab.name == open_tab), None)
    if found is None:
        return {}
    return {**found.context(request, actor, subject), "added_template": found.template}
