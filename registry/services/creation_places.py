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


def places_to_create(*, actor: Actor, type_: SecurableType, text: str = "", limit: int = MOST) -> list[Securable]:
    """Securables of a type in which the actor may make the next thing, best match first.

    Each dotted part of `text` is part of the name at its level, the last one of the row's own. At most two queries.
    """
    rows = actionable_by(actor, _MAKING[type_], type_)
    parts = [lookup_key(part.strip()) for part in text.split(".")]
    paths = ("parent__parent__key", "parent__key", "key")[-len(parts) :]
    if len(parts) > len(paths):
        return []
    condition = Q()
    for path, part in zip(paths, parts, strict=True):
        condition &= Q(**{f"{path}__contains": part}) if part else Q()
    return list(_best_first(rows.filter(condition), parts).select_related("owner", "parent__parent")[:limit])


def _best_first(rows: "QuerySet[Securable]", parts: Sequence[str]) -> "QuerySet[Securable]":
    own = parts[-1]
    rank = Case(
        When(key=own, then=Value(0)), When(key__startswith=own, then=Value(1)), default=Value(2),
        output_field=IntegerField(),
    )  # fmt: skip
    return rows.order_by(rank, Length("key"), "key", "pk")
