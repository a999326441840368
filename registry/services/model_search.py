"""Search over models and versions by name, tag, run and time: only what the actor may see, decided in SQL."""

import functools
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from registry.errors import InvalidParameter
from registry.models import ModelVersion, ModelVersionTag, RegisteredModel, Securable, SecurableTag
from registry.privileges import SecurableType
from registry.services.access import sees_everything, visible_to
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.model_rows import models_with_ids, newest_versions, versions_with_ids
from registry.services.name_search import Named, find_schema, full_name_is, like_regex, names_like, shown_name
from registry.services.paging import Page, fetch_page, page_size
from registry.services.search_filters import Condition, parse_filter, parse_order

_NAME = "shown_name"
_MODEL_ORDER = {
    "name": _NAME,
    "timestamp": "updated_at",
    "last_updated_timestamp": "updated_at",
    "creation_timestamp": "created_at",
}
_VERSION_ORDER = {
    "name": _NAME,
    "version_number": "version",
    "version": "version",
    "creation_timestamp": "created_at",
    "last_updated_timestamp": "updated_at",
}
_VERSION_TEXT = {"run_id": "run_id", "source": "source", "source_path": "source"}

MOST_MODELS = 100

_PROMPT = "mlflow.prompt.is_prompt"
"""The tag by which MLflow tells prompts from models. A model without it is none."""


@audited_read
def search_models(
    *,
    actor: Actor,
    filter_text: str = "",
    order_by: Sequence[str] = (),
    max_results: int | None = None,
    page_token: str = "",
    flat_schema: str = "",
) -> Page[RegisteredModel]:
    """The models that the actor may see and the filter lets through, by their own names unless asked otherwise.

    In filter and order, models of `flat_schema` go by their own names, all others by their full ones. `=` and `IN`
    leave the case of names out, as every look-up does; `LIKE` keeps it.

    At most nine queries, however many rows. An order by name sorts all that match.

    Raises:
        InvalidParameter: a filter or order that is not known, or a token of another search.
    """
    order = parse_order(order_by, _MODEL_ORDER, default=("key", "pk"))
    conditions = parse_filter(filter_text)
    flat = _flat_schema(flat_schema, conditions, order)
    rows = _visible_models(actor, conditions, flat)
    for condition in conditions:
        if condition.field != "name":
            rows = rows.filter(_model_condition(condition))
    page = fetch_page(
        _with_shown_name(rows.only("pk", "key", "created_at", "updated_at"), order, "parent__", flat),
        order=order,
        size=page_size(max_results),
        token=page_token,
        scope=f"model search:{filter_text}:{','.join(order_by)}",
    )
    return Page(models_with_ids([row.pk for row in page.items]), page.next_page_token)


@dataclass(frozen=True)
class _FlatSchema:
    """The schema whose models are known by their own names, if there is one; its id is looked up only at need."""

    name: str = ""
    id: UUID | None = None

    def full_name(self, name: str) -> str:
        return f"{self.name}.{name}" if self.name and "." not in name else name


def _flat_schema(name: str, conditions: Iterable[Condition], order: Sequence[str]) -> _FlatSchema:
    needed = _orders_by_name(order) or any(
        condition.field == "name" and condition.comparator.endswith("LIKE") for condition in conditions
    )
    return _FlatSchema(name, find_schema(name) if name and needed else None)


def _visible_models(actor: Actor, conditions: Iterable[Condition], flat: _FlatSchema) -> "QuerySet[Securable]":
    """What the actor may see of the models that the conditions on names let through."""
    named = [_named(condition, flat) for condition in conditions if condition.field == "name"]
    rows = Securable.objects.filter(*(each.condition for each in named), type=SecurableType.REGISTERED_MODEL)
    schemas = [each.schemas for each in named if each.schemas is not None]
    within = frozenset.intersection(*schemas) if schemas else None
    return visible_to(actor, rows, SecurableType.REGISTERED_MODEL, within=within)


def _orders_by_name(order: Sequence[str]) -> bool:
    return any(key.lstrip("-") == _NAME for key in order)


def _with_shown_name(rows: "QuerySet[Any]", order: Sequence[str], parent: str, flat: _FlatSchema) -> "QuerySet[Any]":
    """Adds the name that the rows are ordered by; without need it would only cost joins."""
    return rows.annotate(**{_NAME: shown_name("key", parent, flat.id)}) if _orders_by_name(order) else rows


def _model_condition(condition: Condition) -> Q:
    match condition.field:
        case "tag":
            return _tag_condition(condition, SecurableTag.objects.all(), "securable_id")
        case _:
            raise _unknown(condition, "name and tags.<key>")


def _named(condition: Condition, flat: _FlatSchema) -> Named:
    match condition.comparator:
        case "=" | "IN":
            return Named(_is_one_of(condition.values, flat))
        case "!=" | "NOT IN":
            return Named(~_is_one_of(condition.values, flat))
        case "LIKE" | "ILIKE":
            return names_like(condition.value, exact_case=condition.comparator == "LIKE", flat_schema=flat.id)
        case _:
            raise _unknown(condition, "name with =, !=, IN, NOT IN, LIKE or ILIKE")


def _is_one_of(names: Iterable[str], flat: _FlatSchema) -> Q:
    return functools.reduce(operator.or_, (full_name_is(flat.full_name(name)) for name in names))


def _tag_condition(condition: Condition, tags: QuerySet[SecurableTag] | QuerySet[ModelVersionTag], owner: str) -> Q:
    """What has the tag with such a value. Without the tag nothing matches, as in MLflow, `!=` included."""
    found = tags.filter(key=condition.key)
    is_equality = condition.comparator in {"=", "!="}
    if condition.key == _PROMPT and is_equality and (condition.comparator == "!=") == (condition.value == "true"):
        # MLflow's clients so ask for all that is no prompt, tagged or not.
        return ~Q(pk__in=found.filter(value="true").values(owner))
    return Q(pk__in=found.filter(_text_condition(condition, "value", "tags")).values(owner))


def _text_condition(condition: Condition, field: str, called: str) -> Q:
    match condition.comparator:
        case "=":
            return Q(**{field: condition.value})
        case "!=":
            return ~Q(**{field: condition.value})
        case "LIKE":
            return Q(**{f"{field}__regex": like_regex(condition.value)})
        case "ILIKE":
            return Q(**{f"{field}__iregex": like_regex(condition.value)})
        case _:
            raise _unknown(condition, f"{called} with =, !=, LIKE or ILIKE")


@audited_read
def search_versions(
    *,
    actor: Actor,
    filter_text: str = "",
    order_by: Sequence[str] = (),
    max_results: int | None = None,
    page_token: str = "",
    flat_schema: str = "",
) -> Page[ModelVersion]:
    """The versions of models that the actor may see and the filter lets through, changed last first.

    Names as in `search_models`. What an order leaves open is by name, newest version first. At most ten queries,
    however many rows.

    Raises:
        InvalidParameter: a filter or order that is not known, or a token of another search.
    """
    # In the order of changes hardly two are alike: the index that has it needs no name.
    rest = (_NAME, "-version", "pk") if order_by else ("-updated_at", "-version", "pk")
    order = parse_order(order_by, _VERSION_ORDER, default=rest)
    conditions = parse_filter(filter_text)
    flat = _flat_schema(flat_schema, conditions, order)
    rows = ModelVersion.objects.all()
    if not sees_everything(actor) or any(condition.field == "name" for condition in conditions):
        rows = rows.filter(model_id__in=_models_to_search(actor, conditions, flat))
    for condition in conditions:
        if condition.field != "name":
            rows = rows.filter(_version_condition(condition))
    rows = rows.only("pk", "version", "created_at", "updated_at")
    page = fetch_page(
        _with_shown_name(rows, order, "model__securable__parent__", flat),
        order=order,
        size=page_size(max_results),
        token=page_token,
        scope=f"version search:{filter_text}:{','.join(order_by)}",
    )
    return Page(versions_with_ids([row.pk for row in page.items]), page.next_page_token)


def _models_to_search(actor: Actor, conditions: Iterable[Condition], flat: _FlatSchema) -> Any:
    """The ids of the models whose versions are searched, or a query for them when they are many."""
    models = _visible_models(actor, conditions, flat)
    ids = list(models.values_list("pk", flat=True)[: MOST_MODELS + 1])
    # With the ids in hand the database sees that an index on a model's versions gives the order.
    return ids if len(ids) <= MOST_MODELS else models.values("pk")


def _version_condition(condition: Condition) -> Q:
    if condition.field == "tag":
        return _tag_condition(condition, ModelVersionTag.objects.all(), "version_id")
    if condition.field in {"version_number", "version"} and condition.comparator in _NUMBERS:
        return _NUMBERS[condition.comparator]("version", _number(condition))
    if condition.field == "run_id" and condition.comparator in {"IN", "NOT IN"}:
        found = Q(run_id__in=condition.values)
        return found if condition.comparator == "IN" else ~found
    if condition.field in _VERSION_TEXT:
        return _text_condition(condition, _VERSION_TEXT[condition.field], condition.field)
    raise _unknown(condition, "name, run_id, source_path, version_number and tags.<key>")


def _number(condition: Condition) -> int:
    try:
        return int(condition.value)
    except ValueError as error:
        raise InvalidParameter(
            f"'filter' compares '{condition.field}' with {condition.value!r}: versions are whole numbers.",
            field="filter",
        ) from error


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
