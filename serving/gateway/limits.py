"""Rate limits: calls within a sliding window, counted for all gateway processes of the machine together."""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from serving.gateway import answers
from serving.gateway.verdicts import Verdict
from serving.gateway.windows import CallWindows, Window
from serving.routing.routes import EndpointRoute, RateLimit

ENDPOINT, USER, GROUP, SERVICE_PRINCIPAL = "endpoint", "user", "user_group", "service_principal"
_OWN_KEY = {"USER": USER, "SERVICE_PRINCIPAL": SERVICE_PRINCIPAL}
_COMPLAIN_SECONDS = 60.0

logger = logging.getLogger(__name__)


class RateLimits:
    """Counts the calls of endpoints, people and groups.

    - `endpoint` limits hold for everybody together.
    - A `user` limit without a principal holds for each caller; one that names the caller holds instead of it.
    - A group's limit is shared by its members; who is in several is refused only when all of them are reached.

    Where calls cannot be counted, on a full disk for one, they are let through: limits keep endpoints answering, so
    losing count must not be what stops them.

    Args:
        folder: shared by all gateway processes of the machine.
        clock: seconds, monotonic and the same for all of them.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows = CallWindows(folder)
        self._complained = float("-inf")

    def take(self, endpoint: EndpointRoute, caller: Verdict) -> None:
        """Count a call.

        Raises:
            Refusal: 429; the call is not counted anywhere.
        """
        if not endpoint.rate_limits:
            return
        try:
            with self._windows.held():
                self._count(endpoint, caller, self._clock())
        except OSError:
            if self._clock() - self._complained > _COMPLAIN_SECONDS:
                self._complained = self._clock()
                logger.exception("calls of %s cannot be counted: they are let through", endpoint.name)

    def close(self) -> None:
        """Let go of the folder."""
        self._windows.close()

    def _count(self, endpoint: EndpointRoute, caller: Verdict, now: float) -> None:
        counted = []
        for alternatives in _applying(endpoint.rate_limits, caller):
            windows = [(limit, _window(endpoint.id, limit, caller)) for limit in alternatives]
            waits = [self._windows.wait(window, now) for _, window in windows]
            if all(waits):
                wait, (limit, _) = min(zip(waits, windows, strict=True), key=lambda found: found[0])
                raise answers.limited(endpoint.name, _whose(limit), limit.calls, limit.seconds, wait)
            counted += [window for (_, window), wait in zip(windows, waits, strict=True) if not wait]
        for window in counted:
            self._windows.add(window, now)


def _window(endpoint: str, limit: RateLimit, caller: Verdict) -> Window:
    whose = "" if limit.key == ENDPOINT else limit.principal or caller.requester
    return Window((endpoint, limit.key, whose), limit.calls, limit.seconds)


def _applying(limits: tuple[RateLimit, ...], caller: Verdict) -> list[list[RateLimit]]:
    """The limits that hold for a caller; of each inner list one with calls left is enough."""
    own_key = _OWN_KEY.get(caller.kind, USER)
    whole = [[limit] for limit in limits if limit.key == ENDPOINT]
    named = [limit for limit in limits if limit.key == own_key and limit.principal == caller.requester]
    everyone = [limit for limit in limits if limit.key == USER and not limit.principal]
    groups = [limit for limit in limits if limit.key == GROUP and limit.principal in caller.groups]
    return [*whole, *([limit] for limit in (named or everyone)), *([groups] if groups and not named else [])]


def _whose(limit: RateLimit) -> str:
    if limit.key == ENDPOINT:
        return "in all"
    return f"from the group '{limit.principal}'" if limit.key == GROUP else "from you"
