"""Aliases that come with imported versions. One that is here already stays where it is: it may be in use."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from django.conf import settings

from registry.errors import AccessDenied, NotFound
from registry.models import ModelAlias
from registry.names import lookup_key
from registry.privileges import Action
from registry.services.actors import Actor
from registry.services.aliases import set_alias
from registry.services.audit import audited_read
from registry.services.import_mapping import Notes
from registry.services.import_reports import ModelReport, Outcome
from registry.services.model_lookup import find_model, find_model_for

Effect = Callable[[], AbstractContextManager[object]]


def import_aliases(
    *, actor: Actor, wanted: Mapping[str, int], report: ModelReport, notes: Notes, effect: Effect | None
) -> None:
    """Set the aliases that are free, each in a transaction that `effect` opens; None tells what that would do.

    `wanted` names versions by their numbers over there. What cannot be set is noted, and no error.
    """
    numbers = {v.source_version: v.version for v in report.versions if v.outcome != Outcome.FAILED}
    there = _aliases_of(report.name)
    for alias, source_version in wanted.items():
        number, now = numbers.get(source_version), there.get(lookup_key(alias))
        if number is None:
            notes.add(f"Alias '{alias}' was left out: version {source_version} is not here.")
        elif now is None:
            refusal = _set(actor, alias, number, report, effect, has=len(there))
            if refusal:
                notes.add(f"Alias '{alias}' was left out: {refusal}")
            else:
                there[lookup_key(alias)] = report.aliases[alias] = number
        elif now != number:
            notes.add(f"Alias '{alias}' stays at version {now}; the source has it at what is version {number} here.")
        else:
            report.aliases[alias] = number


def _aliases_of(name: str) -> dict[str, int]:
    try:
        model = find_model(name)
    except NotFound:
        return {}
    return dict(ModelAlias.objects.filter(model=model).values_list("key", "version__version"))


def _set(actor: Actor, alias: str, number: int, report: ModelReport, effect: Effect | None, *, has: int) -> str:
    """Why the alias cannot be set; empty when it is, or would be."""
    if has >= settings.MAX_ALIASES_PER_MODEL:
        return f"a model has at most {settings.MAX_ALIASES_PER_MODEL}."
    try:
        if effect is not None:
            with effect():
                set_alias(actor=actor, name=report.name, alias=alias, version=number)
        elif not report.is_new:
            _may_set(actor=actor, name=report.name)
    except AccessDenied as error:
        return error.message
    return ""


@audited_read
def _may_set(*, actor: Actor, name: str) -> None:
    find_model_for(actor=actor, name=name, action=Action.SET_ALIAS)
