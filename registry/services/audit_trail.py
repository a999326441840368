"""The audit trail as people read it: scoped to what they administer, filtered, exported, and compared.

Who sees an event: metastore admins all; everybody else what they did themselves, and what happened to securables that
they administer. An event on something that is deleted is seen by metastore admins and by whoever did it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from registry.errors import InvalidParameter, NotFound
from registry.models import AuditEvent, Securable
from registry.privileges import Action
from registry.services.access import administered_securables, require
from registry.services.actors import Actor
from registry.services.audit import audited, audited_read, record
from registry.services.paging import Page, fetch_page, open_token, page_size, token_behind

DECISIONS = ("ALLOW", "DENY")
_CHUNK = 1000
_MOST_IDS = 5000


@dataclass(frozen=True)
class EventFilter:
    """Which events are wanted; what is empty filters nothing.

    `name` is the full name that an object had then, and finds what lay below it too. `since` is inclusive, `until` is
    not.
    """

    actor: str = ""
    action: str = ""
    type: str = ""
    name: str = ""
    decision: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """Whether everything is wanted."""
        return self == EventFilter()

    def as_params(self) -> dict[str, str]:
        """What is filtered by, for the trail itself and for the name of a list."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: str(value) for name, value in values.items() if value}


def _matching(wanted: EventFilter) -> "QuerySet[AuditEvent]":
    if wanted.decision and wanted.decision not in DECISIONS:
        raise InvalidParameter(
            f"'decision' is {wanted.decision!r}: it must be one of {', '.join(DECISIONS)}.", field="decision"
        )
    rows = AuditEvent.objects.all()
    if wanted.actor:
        rows = rows.filter(actor=wanted.actor)
    if wanted.action:
        rows = rows.filter(action=wanted.action)
    if wanted.type:
        rows = rows.filter(securable_type=wanted.type)
    if wanted.name:
        rows = rows.filter(Q(securable_name=wanted.name) | Q(securable_name__startswith=f"{wanted.name}."))
    if wanted.decision:
        rows = rows.filter(decision=wanted.decision)
    if wanted.since:
        rows = rows.filter(at__gte=wanted.since)
    if wanted.until:
        rows = rows.filter(at__lt=wanted.until)
    return rows


def _scopes(actor: Actor) -> list[Q]:
    """Conditions that no event meets two of, and that together hold what the actor may see.

    Each of them reads one index from its new end. One condition with OR between them would walk the whole trail.
    """
    if actor.is_metastore_admin:
        return [Q()]
    own = Q(actor_id=actor.principal.pk)
    administered = (
        administered_securables(actor).annotate(text=Cast("pk", TextField())).values_list("text", flat=True)
    )
    ids = list(administered[: _MOST_IDS + 1])
    if not ids:
        return [own]
    # An actor is missing from no event that people cause; NULL would drop the row from the negation.
    others = ~own | Q(actor_id__isnull=True)
    return [own, others & Q(securable_id__in=ids if len(ids) <= _MOST_IDS else administered)]


def _newest(scopes: list[Q], rows: "QuerySet[AuditEvent]", *, before: int | None, most: int) -> list[AuditEvent]:
    """The newest events below an id, over all scopes. One query a scope, two at most."""
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = [rows.filter(scope).order_by("-pk")[:most] for scope in scopes]
    return list(islice(merge(*found, key=lambda event: -event.pk), most))


def list_events(
    *, actor: Actor, wanted: EventFilter, max_results: int | None = None, page_token: str = ""
) -> Page[AuditEvent]:
    """The events that the actor may see, newest first. One query for metastore admins, three for others.

    Raises:
        InvalidParameter: no such decision, or a token of another list.
    """
    size, scope = page_size(max_results), f"audit:{wanted.as_params()}"
    before = open_token(page_token, scope=scope) if page_token else None
    events = _newest(_scopes(actor), _matching(wanted), before=before, most=size + 1)
    more = len(events) > size
    return Page(events[:size], token_behind(events[size - 1].pk, scope=scope) if more else "")


@audited_read
def get_event(*, actor: Actor, event_id: UUID) -> AuditEvent:
    """One event. Three queries at most.

    Raises:
        NotFound: there is none, or the actor may not see it.
    """
    rows = AuditEvent.objects.filter(event_id=event_id)
    event = next((found for scope in _scopes(actor) for found in rows.filter(scope)[:1]), None)
    if event is None:
        raise NotFound(f"Event '{event_id}' does not exist.")
    return event


@audited
def export_events(*, actor: Actor, wanted: EventFilter, format_: str) -> Iterator[AuditEvent]:
    """All events that `list_events` would page through, newest first, up to now. Memory does not grow with them.

    That they were taken out is an event itself; that it cannot be told is an error before the first row.

    Raises:
        InvalidParameter: no such decision.
    """
    rows = _matching(wanted)
    scopes = _scopes(actor)
    record(
        actor=actor,
        action="exportAuditEvents",
        service_name="audit",
        subject=("AUDIT", "", ""),
        params={"format": format_, "filter": wanted.as_params()},
    )
    return _walk(scopes, rows)


def visible_events(*, actor: Actor, since: datetime | None, until: datetime | None) -> Iterator[AuditEvent]:
    """All events of a stretch of time that the actor may see, newest first. Memory does not grow with them."""
    return _walk(_scopes(actor), _matching(EventFilter(since=since, until=until)))


def _walk(scopes: list[Q], rows: "QuerySet[AuditEvent]") -> Iterator[AuditEvent]:
    before: int | None = None
    while True:
        # Pages rather than a cursor: no transaction stays open as long as a slow client reads.
        events = _newest(scopes, rows, before=before, most=_CHUNK)
        yield from events
        if len(events) < _CHUNK:
            return
        before = events[-1].pk


@audited_read
def list_activity(
    *,
    actor: Actor,
    securable: Securable,
    version: int | None = None,
    max_results: int | None = None,
    page_token: str = "",
) -> Page[AuditEvent]:
    """The events of a securable, or of one version of a model, newest first; for who administers it. Two queries.

    Raises:
        NotFound, AccessDenied.
        InvalidParameter: a token of another list.
    """
    require(actor=actor, action=Action.READ_GRANTS, securable=securable)
    rows = AuditEvent.objects.filter(securable_id=str(securable.pk))
    if version is not None:
        # Most actions on a version name it in their parameters; moves of aliases in what is so afterwards.
        rows = rows.filter(Q(params__version=version) | Q(after__version=version))
    scope = f"activity:{securable.pk}:{version}"
    return fetch_page(rows, order=["-id"], size=page_size(max_results), token=page_token, scope=scope)


@dataclass(frozen=True)
class Difference:
    """One value that an event changed; None where there was or is none."""

    path: str
    before: Any
    after: Any

    @property
    def kind(self) -> str:
        """`added`, `removed` or `changed`."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"


def differences(event: AuditEvent) -> list[Difference]:
    """What an event changed, value by value. No query."""
    before, after = dict(_leaves(event.before)), dict(_leaves(event.after))
    paths = dict.fromkeys([*before, *after])
    return [
        Difference(path, before.get(path), after.get(path)) for path in paths if before.get(path) != after.get(path)
    ]


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    match value:
        case None:
            return
        case dict():
            for name, inner in value.items():
                yield from _leaves(inner, f"{path}.{name}" if path else str(name))
        case list() if all(not isinstance(one, dict | list) for one in value):
            # A list of words is a set to people: each one came or went.
            yield from ((f"{path}: {one}" if path else str(one), one) for one in value)
        case list():
            for number, inner in enumerate(value):
                yield from _leaves(inner, f"{path}[{number}]")
        case _:
            yield path or "value", value
