"""Principals by conditions on their attributes, in any order, by position: what SCIM asks for."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Coalesce, Lower, NullIf

from registry.errors import InvalidParameter
from registry.models import Principal, PrincipalKind
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.directory import require_administrator

_COLUMNS = {
    "id": "pk",
    "name": "key",
    "display_name": "label_key",
    "external_id": "external_id",
    "active": "is_active",
}
FIELDS = tuple(_COLUMNS)
_ANY_CASE = {"name", "display_name"}
OPERATORS = ("eq", "ne", "co", "sw", "pr")
_LARGEST_POSITION = 2**31
"""Behind every end, and still a number that PostgreSQL counts to."""


@dataclass(frozen=True)
class Condition:
    """One attribute (of FIELDS) compared (by one of OPERATORS) with a value. Names are compared without case."""

    field: str
    operator: str
    value: str = ""


@dataclass(frozen=True)
class Search:
    """Which principals, in which order. `any_of` holds sets of conditions: all of at least one set must be met."""

    kind: PrincipalKind
    any_of: Sequence[Sequence[Condition]] = ()
    order: str = "id"
    descending: bool = False


@audited_read
def search_principals(*, actor: Actor, wanted: Search, start: int, count: int) -> tuple[list[Principal], int]:
    """The principals from a position on (the first is 0), and how many there are in all. Four queries.

    Raises:
        AccessDenied: not a metastore admin.
        InvalidParameter: a comparison that the attribute does not know.
    """
    require_administrator(actor)
    rows = _labelled(wanted.kind)
    matching = Q()
    for conditions in wanted.any_of:
        matching |= _all_of(conditions)
    rows = rows.filter(matching)
    total = rows.count()
    column = F(_COLUMNS[wanted.order])
    ordered = rows.order_by(column.desc() if wanted.descending else column.asc(), "pk")
    first = min(start, _LARGEST_POSITION)
    return list(ordered[first : first + count]), total


def _labelled(kind: PrincipalKind) -> "QuerySet[Principal]":
    label = Lower(Coalesce(NullIf("display_name", Value("")), "name"))
    return Principal.objects.filter(kind=kind).annotate(label_key=label)


def _all_of(conditions: Sequence[Condition]) -> Q:
    found = Q()
    for condition in conditions:
        found &= _matches(condition)
    return found


def _matches(condition: Condition) -> Q:
    column, value = _COLUMNS[condition.field], condition.value
    match condition.field:
        case "active":
            return _exactly(condition, column, _truth(value))
        case "id":
            # Longer numbers are nobody's id.
            number = int(value) if value.isascii() and value.isdigit() and len(value) < 19 else -1
            return _exactly(condition, column, number)
    text = value.lower() if condition.field in _ANY_CASE else value
    match condition.operator:
        case "co":
            return Q(**{f"{column}__contains": text})
        case "sw":
            return Q(**{f"{column}__startswith": text})
        case "pr":
            return ~Q(**{column: ""})
    return _exactly(condition, column, text)


def _exactly(condition: Condition, column: str, value: object) -> Q:
    match condition.operator:
        case "eq":
            return Q(**{column: value})
        case "ne":
            return ~Q(**{column: value})
        case "pr":
            return Q(**{f"{column}__isnull": False})
    raise InvalidParameter(
        f"'filter' cannot use {condition.operator} with {condition.field}: use eq or ne.", field="filter"
    )


def _truth(value: str) -> bool:
    if value.lower() not in {"true", "false"}:
        raise InvalidParameter(f"'filter' compares active with '{value}': use true or false.", field="filter")
    return value.lower() == "true"
