"""Who may query what: asked of the rest of the product, and remembered for less than a second."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from serving.gateway import answers
from serving.gateway.answers import Headers, Refusal

FRESH_SECONDS = 0.3
"""An older verdict is still given, and asked again meanwhile."""
LONGEST_SECONDS = 0.8
"""An older verdict is not given any more. A revoked right is refused within one second of the revoke's answer."""
_MOST_KEPT = 4096


@dataclass(frozen=True)
class Verdict:
    """Whether a credential may query an endpoint, and whom it stands for. `refusal` is None when it may."""

    refusal: Refusal | None = None
    requester_id: str = ""
    requester: str = ""
    kind: str = ""
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Caller:
    """What a request says about who sent it: the headers that authentication looks at."""

    headers: Headers
    address: str = ""
    agent: str = ""


AskVerdict = Callable[[Caller, str], Awaitable[Verdict]]
"""Decides for a caller and the name of an endpoint. Raises when that cannot be found out."""


@dataclass
class _Entry:
    verdict: Verdict | None
    asked: float
    asking: "asyncio.Task[Verdict] | None" = None
    asking_since: float = 0.0


class Verdicts:
    """Verdicts by credential and endpoint. Many requests at a time ask once.

    Args:
        ask: finds out; the age of a verdict counts from before it is called.
        clock: seconds, monotonic.
    """

    def __init__(self, ask: AskVerdict, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._entries: OrderedDict[tuple[Headers, str], _Entry] = OrderedDict()

    async def of(self, caller: Caller, endpoint: str) -> Verdict:
        """The verdict, at most `LONGEST_SECONDS` old.

        Raises:
            Refusal: it cannot be found out now.
        """
        key = (caller.headers, endpoint)
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(None, float("-inf"))
            if len(self._entries) > _MOST_KEPT:
                self._entries.popitem(last=False)
        verdict = self._remembered(entry)
        if verdict is not None:
            if self._clock() - entry.asked > FRESH_SECONDS:
                self._start(entry, caller, endpoint)
            return verdict
        try:
            return await asyncio.shield(self._start(entry, caller, endpoint))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            raise answers.undecided() from error

    def _remembered(self, entry: _Entry) -> Verdict | None:
        return entry.verdict if self._clock() - entry.asked <= LONGEST_SECONDS else None

    def _start(self, entry: _Entry, caller: Caller, endpoint: str) -> "asyncio.Task[Verdict]":
        """The question that is under way, if it is recent enough to be believed, or a new one."""
        now = self._clock()
        if entry.asking is None or entry.asking.done() or now - entry.asking_since > FRESH_SECONDS:
            entry.asking_since = now
            entry.asking = asyncio.create_task(self._refresh(entry, caller, endpoint, now))
            entry.asking.add_done_callback(_noticed)
        return entry.asking

    async def _refresh(self, entry: _Entry, caller: Caller, endpoint: str, asked: float) -> Verdict:
        verdict = await self._ask(caller, endpoint)
        if asked >= entry.asked:
            entry.verdict, entry.asked = verdict, asked
        return verdict


def _noticed(task: "asyncio.Task[Verdict]") -> None:
    """A background question may fail: the verdict then grows old, and whoever asks next is told."""
    if not task.cancelled():
        task.exception()
