"""Search over models and versions by name, tag, run and time: only what the actor may see, decided in SQL."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Concat

from registry.errors import InvalidParameter
from registry.models import ModelVersion, ModelVersionTag, RegisteredModel, Securable, SecurableTag
from registry.names import check_version_number
from registry.privileges import SecurableType
from registry.services.access import visible_to
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.model_lookup import models_with_everything, versions_with_everything
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
    """The models that the actor may see and the filter lets through. Four queries.

    Raises:
        InvalidParameter: a filter or order that is not known, or a token of another search.
    """
    rows = visible_to(
        actor, Securable.objects.filter(type=SecurableType.REGISTERED_MODEL), SecurableType.REGISTERED_MODEL
    ).annotate(full_name_key=_full_name_key("parent__"))
    for condition in parse_filter(filter_text):
        rows = rows.filter(_model_condition(condition, full_name))
    page = fetch_page(
        rows,
        order=parse_order(order_by, _MODEL_ORDER, default=("full_name_key", "pk")),
        size=page_size(max_results),
        token=page_token,
        scope=f"model search:{filter_text}:{','.join(order_by)}",
    )
    ids = [row.pk for row in page.items]
    models = {model.pk: model for model in models_with_everything(RegisteredModel.objects.filter(pk__in=ids))}
    return Page([models[pk] for pk in ids if pk in models], page.next_page_token)


def _full_name_key(parent: str) -> Concat:
    schema = parent
    catalog = f"{parent}parent__"
    own = parent.removesuffix("parent__")
    return Concat(F(f"{catalog}key"), Value("."), F(f"{schema}key"), Value("."), F(f"{own}key"))


def _model_condition(condition: Condition, full_name: Names) -> Q:
    match condition.field:
        case "name":
            return _name_condition(condition, full_name)
        case "tag":
            return _tag_condition(condition, SecurableTag.objects.all(), "securable_id")
        case _:
            raise _unknown(condition, "name and tags.<key>")


def _name_condition(condition: Condition, full_name: Names) -> Q:
    """Names differ by more than their case, so every comparison leaves the case out."""
    match condition.comparator:
        case "=":
            return Q(full_name_key=full_name(condition.value).lower())
        case "!=":
            return ~Q(full_name_key=full_name(condition.value).lower())
        case "IN":
            return Q(full_name_key__in=[full_name(name).lower() for name in condition.values])
        case "LIKE" | "ILIKE":
            return Q(full_name_key__regex=_like(condition.value.lower()))
        case _:
            raise _unknown(condition, "name with =, !=, IN, LIKE or ILIKE")


def _like(pattern: str) -> str:
    """A regular expression for a LIKE pattern: `%` is any text, `_` any character."""
    return "^" + "".join({"%": ".*", "_": "."}.get(letter, re.escape(letter)) for letter in pattern) + "$"


def _tag_condition(condition: Condition, tags: QuerySet[SecurableTag] | QuerySet[ModelVersionTag], owner: str) -> Q:
    found = tags.filter(key=condition.key)
    match condition.comparator:
        case "=":
            return Q(pk__in=found.filter(value=condition.value).values(owner))
        case "!=":
            return ~Q(pk__in=found.filter(value=condition.value).values(owner))
        case "LIKE":
            return Q(pk__in=found.filter(value__regex=_like(condition.value)).values(owner))
        case "ILIKE":
            return Q(pk__in=found.filter(value__iregex=_like(condition.value)).values(owner))
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
    """The versions of models that the actor may see and the filter lets through, newest first. Four queries.

    Raises:
        InvalidParameter: a filter or order that is not known, or a token of another search.
    """
    visible = visible_to(
        actor, Securable.objects.filter(type=SecurableType.REGISTERED_MODEL), SecurableType.REGISTERED_MODEL
    )
    rows = ModelVersion.objects.filter(model_id__in=visible.values("pk")).annotate(
        full_name_key=_full_name_key("model__securable__parent__")
    )
    for condition in parse_filter(filter_text):
        rows = rows.filter(_version_condition(condition, full_name))
    return fetch_page(
        versions_with_everything(rows),
        order=parse_order(order_by, _VERSION_ORDER, default=("-updated_at", "full_name_key", "-version")),
        size=page_size(max_results),
        token=page_token,
        scope=f"version search:{filter_text}:{','.join(order_by)}",
    )


def _version_condition(condition: Condition, full_name: Names) -> Q:
    if condition.field == "name":
        return _name_condition(condition, full_name)
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


def latest_versions(models: Iterable[RegisteredModel]) -> dict[object, ModelVersion]:
    """The newest version of each of these models, which the caller has found to be visible. Three queries."""
    newest = (
        ModelVersion.objects.filter(model__in=[model.pk for model in models])
        .order_by("model_id", "-version")
        .distinct("model_id")
    )
    rows = versions_with_everything(ModelVersion.objects.filter(pk__in=newest.values("pk")))
    return {version.model_id: version for version in rows}
