"""How many replicas an entity should have now. Pure: time and traffic come in, a number comes out."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Bounds:
    """What was asked for. `units` is how many requests one replica works on at a time."""

    least: int
    most: int
    units: int
    to_zero: bool


@dataclass(frozen=True)
class Traffic:
    """Of now. `outstanding` requests are with replicas, `queued` wait for one; `last_request` in seconds."""

    outstanding: int = 0
    queued: int = 0
    last_request: float = 0.0


@dataclass(frozen=True)
class Rules:
    """Seconds between two looks whether there are too many, and without traffic until there is none."""

    down_seconds: float
    zero_seconds: float


@dataclass(frozen=True)
class Scale:
    """The decision, with what the next one needs to know: the busiest moment since `window`, and the last need."""

    replicas: int
    window: float
    peak: int = 0
    needed: float = 0.0


def begin(now: float, bounds: Bounds, *, is_idle: bool = False) -> Scale:
    """The first decision. `is_idle`: it was at zero before, and nobody has asked for it since."""
    return Scale(replicas=0 if is_idle and bounds.to_zero else max(1, bounds.least), window=now, needed=now)


def plan(
    now: float, scale: Scale, traffic: Traffic, bounds: Bounds, rules: Rules, *, is_woken: bool = False
) -> Scale:
    """The next decision: up at once when requests wait or everything is busy, down only by what a whole window
    did not need, to zero after a long time without traffic. `is_woken`: somebody waits for it to start."""
    floor = max(1, bounds.least)
    busy = traffic.outstanding + traffic.queued
    needed = max(scale.needed, traffic.last_request, now if is_woken or busy else 0.0)
    scale = replace(scale, peak=max(scale.peak, busy), needed=needed)
    if bounds.to_zero and not busy and not is_woken and now - needed >= rules.zero_seconds:
        return replace(scale, replicas=0, window=now, peak=0)
    if scale.replicas == 0:
        if not is_woken and not busy:
            return replace(scale, window=now)
        scale = replace(scale, replicas=floor, window=now)
    if traffic.queued or traffic.outstanding >= scale.replicas * bounds.units:
        # One more than what is there now, so that the next request finds room too.
        wanted = _replicas(busy + 1, bounds.units)
        return replace(scale, replicas=_between(max(scale.replicas, wanted), floor, bounds.most))
    if now - scale.window >= rules.down_seconds:
        wanted = min(scale.replicas, _replicas(scale.peak, bounds.units))
        return replace(scale, replicas=_between(wanted, floor, bounds.most), window=now, peak=busy)
    return replace(scale, replicas=_between(scale.replicas, floor, bounds.most))


def _replicas(requests: int, units: int) -> int:
    return -(-requests // units)


def _between(number: int, least: int, most: int) -> int:
    return max(least, min(number, max(least, most)))
