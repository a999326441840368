"""Where an actor may make something: catalogs for a new schema, schemas for a new model, models for a new version."""

from collections.abc import Sequence

from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.db.models.functions import Length

from registry.models import Securable
from registry.names import lookup_key
from registry.privileges import Action, SecurableType
from registry.services.access import actionable_by
from registry.services.actors import Actor

MOST = 12
_MAKING = {
    SecurableType.CATALOG: Action.CREATE_SCHEMA,
    SecurableType.SCHEMA: Action.CREATE_MODEL,
    SecurableType.REGISTERED_MODEL: Action.CREATE_VERSION,
}
_PATHS = {
    SecurableType.CATALOG: ("key",),
    SecurableType.SCHEMA: ("parent__key", "key"),
    SecurableType.REGISTERED_MODEL: ("parent__parent__key", "parent__key", "key"),
}
"""Names from the catalog down to the row's own."""


def places_to_create(
    *, actor: Actor, type_: SecurableType, text: str = "", limit: int = MOST, action: Action | None = None
) -> list[Securable]:
    """Securables of a type in which the actor may make the next thing, best match first.

    In a schema that is a model, unless `action` says what else is made.
    The dotted parts of `text` are parts of names on levels next to each other, wherever they begin: `lab.fl` finds
    the schema `lab.flights` and all models in it. One query.
    """
    parts = [lookup_key(part.strip()) for part in text.split(".")]
    paths = _PATHS[type_]
    condition = Q()
    for first in range(len(paths) - len(parts) + 1):
        condition |= _matching(paths[first:], parts)
    if len(parts) > len(paths):
        return []
    rows = actionable_by(actor, action or _MAKING[type_], type_).filter(condition)
    return list(_best_first(rows, parts).select_related("owner", "parent__parent")[:limit])


def _matching(paths: Sequence[str], parts: Sequence[str]) -> Q:
    condition = Q()
    for path, part in zip(paths, parts, strict=False):
        condition &= Q(**{f"{path}__contains": part}) if part else Q(pk__isnull=False)
    return condition


def _best_first(rows: "QuerySet[Securable]", parts: Sequence[str]) -> "QuerySet[Securable]":
    own = parts[-1]
    rank = Case(
        When(key=own, then=Value(0)), When(key__startswith=own, then=Value(1)), default=Value(2),
        output_field=IntegerField(),
    )  # fmt: skip
    return rows.order_by(rank, Length("key"), "key", "pk")
