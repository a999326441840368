"""Rollouts as they are asked for: the steps in which an entity gets its share, and the limits that turn it back."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from registry.errors import InvalidParameter

MAX_STEPS = 20
_MAX_SECONDS = 7 * 24 * 3600
_LEAST_REQUESTS = 20


@dataclass(frozen=True)
class Step:
    """`percent` of the traffic for `seconds`."""

    percent: int
    seconds: int


@dataclass(frozen=True)
class Rollout:
    """Bring `entity` up to its share in steps. A step is judged by its own requests, once there are `min_requests`.

    None for a limit: it is not looked at. `max_latency_ms` bounds the 95th percentile.
    """

    entity: str
    steps: tuple[Step, ...]
    max_error_percent: float | None
    max_latency_ms: float | None
    min_requests: int

    def as_wire(self) -> dict[str, Any]:
        """As clients write it."""
        return {**asdict(self), "steps": [asdict(step) for step in self.steps]}


def parse_rollout(wire: object, *, live: Mapping[str, int]) -> Rollout | None:
    """A rollout from the wire; None where none is asked for. `live` holds the shares it ends with.

    Raises:
        InvalidParameter.
    """
    if not wire:
        return None
    if not isinstance(wire, Mapping):
        raise _wrong("must be an object with 'entity' and 'steps'.")
    entity = str(wire.get("entity") or "")
    if entity not in live or live[entity] == 0 or len(live) < 2:
        raise _wrong(
            f"'entity' is '{entity}': name a live served entity with a share of the traffic, beside another one that "
            "answers the rest."
        )
    return Rollout(
        entity=entity,
        steps=_steps(wire.get("steps"), most=live[entity]),
        max_error_percent=_limit(wire, "max_error_percent", most=100),
        max_latency_ms=_limit(wire, "max_latency_ms", most=600_000),
        min_requests=int(_limit(wire, "min_requests", most=1_000_000) or _LEAST_REQUESTS),
    )


def _steps(wire: object, *, most: int) -> tuple[Step, ...]:
    if not isinstance(wire, list) or not 0 < len(wire) <= MAX_STEPS:
        raise _wrong(f"'steps' must be a list of 1 to {MAX_STEPS}.")
    steps: list[Step] = []
    for one in wire:
        if not isinstance(one, Mapping):
            raise _wrong("each of 'steps' must be an object with 'percent' and 'seconds'.")
        percent, seconds = one.get("percent"), one.get("seconds")
        if not _whole(percent, 0, most - 1) or not _whole(seconds, 1, _MAX_SECONDS):
            raise _wrong(
                f"a step has a 'percent' from 0 to {most - 1}, below the share that it ends with, and 1 to "
                f"{_MAX_SECONDS} 'seconds'."
            )
        steps.append(Step(percent=int(str(percent)), seconds=int(str(seconds))))
    if any(later.percent <= earlier.percent for earlier, later in pairwise(steps)):
        raise _wrong("each of 'steps' must give more percent than the one before.")
    return tuple(steps)


def _whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _limit(wire: Mapping[str, Any], name: str, *, most: float) -> float | None:
    value = wire.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
        raise _wrong(f"'{name}' must be a number from 0 to {most:g}.")
    return float(value)


def _wrong(problem: str) -> InvalidParameter:
    return InvalidParameter(f"'rollout': {problem}", field="rollout")


def shares_at(*, share: int, entity: str, target: Mapping[str, int], before: Mapping[str, int]) -> dict[str, int]:
    """The traffic while `entity` has `share` percent: the others split the rest.

    They split as they did `before`, or as they will in the end, or evenly; whole numbers that are 100 together.
    """
    others = [name for name in target if name != entity]
    for weights in (before, target, dict.fromkeys(others, 1)):
        total = sum(weights.get(name, 0) for name in others)
        if total:
            break
    rest = 100 - share
    exact = {name: rest * weights.get(name, 0) / total for name in others}
    shares = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(others, key=lambda name: (shares[name] - exact[name], others.index(name)))
    for name in by_remainder[: rest - sum(shares.values())]:
        shares[name] += 1
    return {**shares, entity: share}
