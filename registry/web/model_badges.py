"""Badges of models in lists: in a word what the apps above know of each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from registry.models import RegisteredModel
from registry.services.actors import Actor


@dataclass(frozen=True)
class Badge:
    """A count with its icon, on the way to the `tab` of the model's page that tells more. `words` say it in full."""

    icon: str
    count: int
    words: str
    tab: str
    is_bad: bool = False


Source = Callable[[Actor, Sequence[RegisteredModel]], Mapping[UUID, Badge]]
_sources: list[Source] = []


def add_badges(source: Source) -> None:
    """Let an app tell of models, in a fixed number of queries for all of them. Call when it loads.

    It must count only what the actor may see; the models are visible to the actor.
    """
    if source not in _sources:
        _sources.append(source)


def badges_of(actor: Actor, models: Sequence[RegisteredModel]) -> dict[UUID, list[Badge]]:
    """The badges of some models that the actor may see, by the id of each."""
    found: dict[UUID, list[Badge]] = {}
    for source in _sources if models else []:
        for key, badge in source(actor, models).items():
            found.setdefault(key, []).append(badge)
    return found
