"""Rate limits: calls within a sliding window, counted in the memory of each gateway process.

With one web process they are exact. With several, each allows the full number: set them accordingly.
"""

import time
from collections import deque
from collections.abc import Callable

from serving.gateway import answers
from serving.gateway.verdicts import Verdict
from serving.routing.routes import EndpointRoute, RateLimit

ENDPOINT, USER, GROUP, SERVICE_PRINCIPAL = "endpoint", "user", "user_group", "service_principal"
_OWN_KEY = {"USER": USER, "SERVICE_PRINCIPAL": SERVICE_PRINCIPAL}
_FORGET_AT = 10_000


class RateLimits:
    """Counts the calls of endpoints, people and groups.

    - `endpoint` limits hold for everybody together.
    - A `user` limit without a principal holds for each caller; one that names the caller holds instead of it.
    - A group's limit is shared by its members; who is in several is refused only when all of them are reached.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._calls: dict[tuple[str, str, str], deque[float]] = {}

    def take(self, endpoint: EndpointRoute, caller: Verdict) -> None:
        """Count a call.

        Raises:
            Refusal: 429; the call is not counted anywhere.
        """
        if not endpoint.rate_limits:
            return
        now = self._clock()
        counted = []
        for alternatives in _applying(endpoint.rate_limits, caller):
            windows = [(limit, self._window(endpoint.id, limit, caller, now)) for limit in alternatives]
            free = [(limit, window) for limit, window in windows if len(window) < limit.calls]
            if not free:
                limit, window = min(windows, key=lambda found: _wait(found[0], found[1], now))
                raise answers.limited(
                    endpoint.name, _whose(limit), limit.calls, limit.seconds, _wait(limit, window, now)
                )
            counted += [window for _, window in free]
        for window in counted:
            window.append(now)

    def _window(self, endpoint: str, limit: RateLimit, caller: Verdict, now: float) -> "deque[float]":
        whose = "" if limit.key == ENDPOINT else limit.principal or caller.requester
        if len(self._calls) > _FORGET_AT:
            self._calls = {key: calls for key, calls in self._calls.items() if calls and calls[-1] > now - 3600}
        window = self._calls.setdefault((endpoint, limit.key, whose), deque())
        while window and window[0] <= now - limit.seconds:
            window.popleft()
        return window


def _applying(limits: tuple[RateLimit, ...], caller: Verdict) -> list[list[RateLimit]]:
    """The limits that hold for a caller; of each inner list one with calls left is enough."""
    own_key = _OWN_KEY.get(caller.kind, USER)
    whole = [[limit] for limit in limits if limit.key == ENDPOINT]
    named = [limit for limit in limits if limit.key == own_key and limit.principal == caller.requester]
    everyone = [limit for limit in limits if limit.key == USER and not limit.principal]
    groups = [limit for limit in limits if limit.key == GROUP and limit.principal in caller.groups]
    return [*whole, *([limit] for limit in (named or everyone)), *([groups] if groups and not named else [])]


def _wait(limit: RateLimit, window: "deque[float]", now: float) -> float:
    return window[0] + limit.seconds - now if window else limit.seconds


def _whose(limit: RateLimit) -> str:
    if limit.key == ENDPOINT:
        return "in all"
    return f"from the group '{limit.principal}'" if limit.key == GROUP else "from you"
