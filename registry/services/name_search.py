"""Conditions on the names of models, in a form that indexes answer."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Case, F, Func, Q, Value, When
from django.db.models.fields import BooleanField
from django.db.models.functions import Concat
from django.db.models.lookups import Regex

from registry.models import Securable
from registry.privileges import SecurableType

SHORTEST_INDEXED = 3
"""The index knows names by their runs of three characters."""
MOST_RUNS = 3
MOST_MATCHES = 1000
"""With more matches than this, walking the names in order meets a page of them sooner than sorting all."""


def names_containing(text: str) -> Q:
    """Models whose own look-up key contains the text. At most one query, to see whether matches are few."""
    return _own_key_contains([text])


@dataclass(frozen=True)
class Named:
    """Models whose schema is one of `schemas` (None: any), and whose row meets `condition`."""

    condition: Q
    schemas: frozenset[UUID] | None = None


def names_like(pattern: str, *, exact_case: bool, flat_schema: UUID | None = None) -> Named:
    """Models whose name matches a LIKE pattern (`%` any text, `_` any character), with or without regard to case.

    The name is the full one; models of `flat_schema` are known by their own, unless the pattern writes out catalog
    and schema. At most four queries, to narrow the search.
    """
    key_pattern = pattern.lower()
    if pattern.partition("%")[0].count(".") >= 2:
        # A full name has two dots, so these are they: what follows is about the model's own name.
        catalog, schema, own = pattern.split(".", 2)
        found = Securable.objects.filter(
            _like("key", schema.lower()), _like("parent__key", catalog.lower()), type=SecurableType.SCHEMA
        )
        condition = _like("key", own.lower())
        if exact_case:
            found = found.filter(_like("name", schema), _like("parent__name", catalog))
            condition &= _like("name", own)
        return Named(condition, frozenset(found.values_list("pk", flat=True)))
    inner = key_pattern.removeprefix("%").removesuffix("%")
    if key_pattern == f"%{inner}%" and inner and not re.search("[%_.]", inner):
        condition = _own_key_contains([inner]) | Q(parent__in=_schemas_containing(inner, but=flat_schema))
    else:
        runs = sorted(set(re.split("[%_.]", key_pattern)), key=len)[-MOST_RUNS:]
        # A run of plain letters stands in one name whole; where no container has it, it stands in the model's own.
        own_runs = [run for run in runs if run and not _schemas_containing(run, but=flat_schema)]
        shown = shown_name("key", "parent__", flat_schema)
        condition = Q(Regex(shown, like_regex(key_pattern))) & _own_key_contains(own_runs)
    # Only letters have a case.
    if exact_case and re.search(r"[^\W\d_]", pattern):
        condition &= Q(Regex(shown_name("name", "parent__", flat_schema), like_regex(pattern)))
    return Named(condition)


def _like(path: str, pattern: str) -> Q:
    return Q() if pattern == "%" else Q(**{f"{path}__regex": like_regex(pattern)})


def shown_name(field: str, parent: str, flat_schema: UUID | None = None) -> Concat | Case:
    """A model's full name out of its rows' `field` (`name`, or `key` for one that leaves the case out).

    `parent` leads from the row to the model's schema. Models of `flat_schema` have their own name alone.
    """
    own = parent.removesuffix("parent__")
    full = Concat(F(f"{parent}parent__{field}"), Value("."), F(f"{parent}{field}"), Value("."), F(f"{own}{field}"))
    if flat_schema is None:
        return full
    return Case(When(**{parent.removesuffix("__"): flat_schema, "then": F(f"{own}{field}")}), default=full)


def find_schema(full_name: str) -> UUID | None:
    """The id of a schema, whoever asks; None where there is none. One query."""
    catalog, _, schema = full_name.lower().partition(".")
    found = Securable.objects.filter(
        type=SecurableType.SCHEMA, key=schema, parent__type=SecurableType.CATALOG, parent__key=catalog
    )
    return found.values_list("pk", flat=True).first()


def full_name_is(full_name: str) -> Q:
    """The model of that full name."""
    parts = full_name.lower().split(".")
    if len(parts) != 3:
        return Q(pk__in=[])
    return Q(key=parts[2], **_schema_keys(parts[0], parts[1]))


def like_regex(pattern: str) -> str:
    """A regular expression for a LIKE pattern."""
    return "^" + "".join({"%": ".*", "_": "."}.get(letter, re.escape(letter)) for letter in pattern) + "$"


def _schema_keys(catalog: str, schema: str) -> dict[str, str]:
    return {
        "parent__type": SecurableType.SCHEMA,
        "parent__key": schema,
        "parent__parent__type": SecurableType.CATALOG,
        "parent__parent__key": catalog,
    }


def _own_key_contains(texts: Sequence[str]) -> Q:
    """Models whose own look-up key contains all the texts: by their ids when they are few. At most one query."""
    condition = Q()
    for text in texts:
        condition &= Q(key__contains=text)
    indexed = [text for text in texts if len(text) >= SHORTEST_INDEXED]
    if not indexed:
        return condition
    rows = Securable.objects.filter(condition, *map(_has_trigrams, indexed), type=SecurableType.REGISTERED_MODEL)
    ids = list(rows.values_list("pk", flat=True)[: MOST_MATCHES + 1])
    return Q(pk__in=ids) if len(ids) <= MOST_MATCHES else condition


class _Trigrams(Func):
    """Every run of three characters; the expression of an index."""

    function = "registry_trigrams"


class _Contains(Func):
    template = "%(expressions)s"
    arg_joiner = " @> "
    output_field = BooleanField()


def _has_trigrams(text: str) -> _Contains:
    return _Contains(_Trigrams(F("key")), _Trigrams(Value(text)))


def _schemas_containing(text: str, *, but: UUID | None) -> list[UUID]:
    """Schemas whose own or catalog's name contains the text, all `but` one."""
    found = Securable.objects.filter(Q(key__contains=text) | Q(parent__key__contains=text), type=SecurableType.SCHEMA)
    return [pk for pk in found.values_list("pk", flat=True) if pk != but]
