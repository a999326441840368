"""Search over models and versions by name, tag, run and time: only what the actor may see, decided in SQL."""

import functools
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.db.models import Q, QuerySet

from registry.errors import InvalidParameter
from registry.models import ModelVersion, ModelVersionTag, RegisteredModel, Securable, SecurableTag
from registry.names import check_version_number
from registry.privileges import SecurableType
from registry.services.access import sees_everything, visible_to
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.model_rows import models_with_ids, newest_versions, versions_with_ids
from registry.services.name_search import Named, full_name_is, full_name_key, full_names_like, like_regex
from registry.services.paging import Page, fetch_page, page_size
from registry.services.search_filters import Condition, parse_filter, parse_order

_MODEL_ORDER = {
    "name": "full_name_key",
    "timestamp": "updated_at",
    "last_updated_timestamp": "updated_at",
    "creation_timestamp": "created_at",
}
_VERSION_ORDER = {
    "name": "full_name_key",
    "version_number": "version",
    "version": "version",
    "creation_timestamp": "created_at",
    "last_updated_timestamp": "updated_at",
}
_VERSION_TEXT = {"run_id": "run_id", "source": "source", "source_path": "source"}

MOST_MODELS = 100

Names = Callable[[str], str]
"""How a name in a filter becomes a full name."""


def _same(name: str) -> str:
    return name


@audited_read
def search_models(
    *,
    actor: Actor,
    filter_text: str = "",
    order_by: Sequence[str] = (),
    max_results: int | None = None,
    page_token: str = "",
    full_name: Names = _same,
) -> Page[RegisteredModel]:
    """The models that the actor may see and the filter lets through, by their own names unless asked otherwise.

    At most eight queries, however many rows. An order by full name sorts all that match.

    Raises:
        InvalidParameter: a filter or order that is not known, or a token of another search.
    """
    order = parse_order(order_by, _MODEL_ORDER, default=("key", "pk"))
    conditions = parse_filter(filter_text)
    rows = _visible_models(actor, conditions, full_name)
    for condition in conditions:
        if condition.field != "name":
            rows = rows.filter(_model_condition(condition))
    page = fetch_page(
        _with_full_name(rows.only("pk", "key", "created_at", "updated_at"), order, "parent__"),
        order=order,
        size=page_size(max_results),
        token=page_token,
        scope=f"model search:{filter_text}:{','.join(order_by)}",
    )
    return Page(models_with_ids([row.pk for row in page.items]), page.next_page_token)


def _visible_models(actor: Actor, conditions: Iterable[Condition], full_name: Names) -> "QuerySet[Securable]":
    """What the actor may see of the models that the conditions on names let through."""
    named = [_named(condition, full_name) for condition in conditions if condition.field == "name"]
    rows = Securable.objects.filter(*(each.condition for each in named), type=SecurableType.REGISTERED_MODEL)
    schemas = [each.schemas for each in named if each.schemas is not None]
    within = frozenset.intersection(*schemas) if schemas else None
    return visible_to(actor, rows, SecurableType.REGISTERED_MODEL, within=within)


def _with_full_name(rows: "QuerySet[Any]", order: Sequence[str], parent: str) -> "QuerySet[Any]":
    """Adds the name that the rows are ordered by; without need it would only cost joins."""
    if any(key.lstrip("-") == "full_name_key" for key in order):
        rows = rows.annotate(full_name_key=full_name_key(parent))
    return rows


def _model_condition(condition: Condition) -> Q:
    match condition.field:
        case "tag":
            return _tag_condition(condition, SecurableTag.objects.all(), "securable_id")
        case _:
            raise _unknown(condition, "name and tags.<key>")


def _named(condition: Condition, full_name: Names) -> Named:
    """Names differ by more than their case, so every comparison leaves the case out."""
    match condition.comparator:
        case "=" | "IN":
            found = (full_name_is(full_name(name)) for name in condition.values)
            return Named(functools.reduce(operator.or_, found))
        case "!=":
            return Named(~full_name_is(full_name(condition.value)))
        case "LIKE" | "ILIKE":
            return full_names_like(condition.value)
        case _:
            raise _unknown(condition, "name with =, !=, IN, LIKE or ILIKE")


def _tag_condition(condition: Condition, tags: QuerySet[SecurableTag] | QuerySet[ModelVersionTag], owner: str) -> Q:
    found = tags.filter(key=condition.key)
    match condition.comparator:
        case "=":
            return Q(pk__in=found.filter(value=condition.value).values(owner))
        case "!=":
            return ~Q(pk__in=found.filter(value=condition.value).values(owner))
        case "LIKE":
            return Q(pk__in=found.filter(value__regex=like_regex(condition.value)).values(owner))
        case "ILIKE":
            return Q(pk__in=found.filter(value__iregex=like_regex(condition.value)).values(owner))
        case _:
            raise _unknown(condition, "tags with =, !=, LIKE or ILIKE")


@audited_read
def search_versions(
    *,
    actor: Actor,
    filter_text: str = "",
    order_by: Sequence[str] = (),
    max_results: int | None = None,
    page_token: str = "",
    full_name: Names = _same,
) -> Page[ModelVersion]:
    """The versions of models that the actor may see and the filter lets through, changed last first.

    At most nine queries, however many rows.

    Raises:
        InvalidParameter: a filter or order that is not known, or a token of another search.
    """
    order = parse_order(order_by, _VERSION_ORDER, default=("-updated_at", "-version", "pk"))
    conditions = parse_filter(filter_text)
    rows = ModelVersion.objects.all()
    if not sees_everything(actor) or any(condition.field == "name" for condition in conditions):
        rows = rows.filter(model_id__in=_models_to_search(actor, conditions, full_name))
    for condition in conditions:
        if condition.field != "name":
            rows = rows.filter(_version_condition(condition))
    page = fetch_page(
        _with_full_name(rows.only("pk", "version", "created_at", "updated_at"), order, "model__securable__parent__"),
        order=order,
        size=page_size(max_results),
        token=page_token,
        scope=f"version search:{filter_text}:{','.join(order_by)}",
    )
    return Page(versions_with_ids([row.pk for row in page.items]), page.next_page_token)


def _models_to_search(actor: Actor, conditions: Iterable[Condition], full_name: Names) -> Any:
    """The ids of the models whose versions are searched, or a query for them when they are many."""
    models = _visible_models(actor, conditions, full_name)
    ids = list(models.values_list("pk", flat=True)[: MOST_MODELS + 1])
    # With the ids in hand the database sees that an index on a model's versions gives the order.
    return ids if len(ids) <= MOST_MODELS else models.values("pk")


def _version_condition(condition: Condition) -> Q:
    if condition.field == "tag":
        return _tag_condition(condition, ModelVersionTag.objects.all(), "version_id")
    if condition.field in {"version_number", "version"} and condition.comparator in _NUMBERS:
        number = check_version_number(condition.value, field=condition.field)
        return _NUMBERS[condition.comparator]("version", number)
    if condition.field in _VERSION_TEXT and condition.comparator in {"=", "IN"}:
        return Q(**{f"{_VERSION_TEXT[condition.field]}__in": condition.values})
    raise _unknown(condition, "name, run_id, source_path, version_number and tags.<key>")


_NUMBERS: Mapping[str, Callable[[str, int], Q]] = {
    "=": lambda field, number: Q(**{field: number}),
    "!=": lambda field, number: ~Q(**{field: number}),
    "<": lambda field, number: Q(**{f"{field}__lt": number}),
    "<=": lambda field, number: Q(**{f"{field}__lte": number}),
    ">": lambda field, number: Q(**{f"{field}__gt": number}),
    ">=": lambda field, number: Q(**{f"{field}__gte": number}),
}


def _unknown(condition: Condition, known: str) -> InvalidParameter:
    return InvalidParameter(
        f"'filter' compares '{condition.field}' with {condition.comparator}: this search knows {known}.",
        field="filter",
    )


def latest_versions(models: Sequence[RegisteredModel]) -> dict[Any, ModelVersion]:
    """The newest version of each of these models, which the caller has found to be visible. Two queries."""
    return newest_versions(models)
