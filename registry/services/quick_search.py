"""Jumping to anything by a part of its name: catalogs, schemas, models, tables, versions by number or alias."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.db.models.functions import Length

from registry.models import ModelVersion, Securable
from registry.names import lookup_key
from registry.privileges import SecurableType
from registry.services.access import visible_to
from registry.services.actors import Actor
from registry.services.name_search import names_containing

EACH = 6
"""How many of a kind are shown."""
_KINDS = (SecurableType.REGISTERED_MODEL, SecurableType.SCHEMA, SecurableType.CATALOG, SecurableType.TABLE)
_SPLIT = re.compile(r"[\s./]+")
_MAX_WORDS = 6


@dataclass(frozen=True)
class QuickHits:
    """What was found: securables of every kind, best first within each, and versions."""

    securables: list[Securable] = field(default_factory=list)
    versions: list[ModelVersion] = field(default_factory=list)


def quick_search(*, actor: Actor, text: str) -> QuickHits:
    """What the actor may see that matches: `del`, `prod delay`, `prod.flights.delay`, `delay 3`, `delay@champion`.

    The last word is part of the thing's own name, the words before it of its name or of its containers' names.
    At most five queries for each kind, however many rows.
    """
    head, at, alias = text.partition("@")
    words = [lookup_key(word) for word in _SPLIT.split(head.removeprefix("models:")) if word][:_MAX_WORDS]
    if not words:
        return QuickHits()
    if at:
        return QuickHits(versions=_versions(actor, words, Q(aliases__key__startswith=lookup_key(alias))))
    found = QuickHits(securables=[row for kind in _KINDS for row in _securables(actor, kind, words)])
    number = words[-1].removeprefix("v")
    if len(words) > 1 and number.isdecimal() and len(number) < 10:
        return QuickHits(found.securables, _versions(actor, words[:-1], Q(version=int(number))))
    return found


def _securables(actor: Actor, kind: SecurableType, words: Sequence[str]) -> list[Securable]:
    rows = _best_first(_matching(kind, words), words[-1])
    return list(visible_to(actor, rows, kind).select_related("parent__parent", "owner")[:EACH])


def _matching(kind: SecurableType, words: Sequence[str]) -> "QuerySet[Securable]":
    *around, own = words
    named = names_containing(own) if kind == SecurableType.REGISTERED_MODEL else Q(key__contains=own)
    rows = Securable.objects.filter(named, type=kind)
    for word in around:
        rows = rows.filter(
            Q(key__contains=word) | Q(parent__key__contains=word) | Q(parent__parent__key__contains=word)
        )
    return rows


def _best_first(rows: "QuerySet[Securable]", own: str) -> "QuerySet[Securable]":
    rank = Case(
        When(key=own, then=Value(0)), When(key__startswith=own, then=Value(1)), default=Value(2),
        output_field=IntegerField(),
    )  # fmt: skip
    return rows.order_by(rank, Length("key"), "key", "pk")


def _versions(actor: Actor, words: Sequence[str], wanted: Q) -> list[ModelVersion]:
    models = visible_to(actor, _matching(SecurableType.REGISTERED_MODEL, words), SecurableType.REGISTERED_MODEL)
    rows = ModelVersion.objects.filter(wanted, model__in=models.values("pk"))
    return list(
        rows.select_related("model__securable__parent__parent")
        .prefetch_related("aliases")
        .order_by("model__securable__key", "-version")
        .distinct()[:EACH]
    )
