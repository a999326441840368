"""Verdicts are remembered for less than a second, asked once for many, and never guessed."""

import asyncio

import pytest

from serving.gateway.answers import Refusal, refusal
from serving.gateway.verdicts import FRESH_SECONDS, LONGEST_SECONDS, Caller, Verdict, Verdicts

ANN = Caller(((b"authorization", b"Bearer t"),))
YES, NO = Verdict(requester="ann"), Verdict(refusal=refusal(403, "PERMISSION_DENIED", "no"))


class Source:
    """Decides as it is told, and counts."""

    def __init__(self) -> None:
        self.verdict = YES
        self.asked = 0
        self.now = 100.0
        self.gate: asyncio.Event | None = None
        self.failing = False

    async def ask(self, caller: Caller, endpoint: str) -> Verdict:
        self.asked += 1
        verdict = self.verdict
        if self.gate is not None:
            await self.gate.wait()
        if self.failing:
            raise OSError
        return verdict

    def verdicts(self) -> Verdicts:
        return Verdicts(self.ask, clock=lambda: self.now)


def test_many_callers_ask_once_and_a_fresh_answer_is_kept():
    async def walk():
        source = Source()
        verdicts = source.verdicts()
        assert set(await asyncio.gather(*(verdicts.of(ANN, "e") for _ in range(50)))) == {YES}
        source.now += FRESH_SECONDS
        await verdicts.of(ANN, "e")
        assert source.asked == 1
        await verdicts.of(ANN, "other")
        await verdicts.of(Caller(((b"authorization", b"Bearer u"),)), "e")
        assert source.asked == 3, "another endpoint, another token"

    asyncio.run(walk())


def test_a_change_shows_within_the_second_in_both_directions():
    async def walk():
        source = Source()
        verdicts = source.verdicts()
        for before, after in ((YES, NO), (NO, YES)):
            source.verdict = before
            source.now += 10
            assert await verdicts.of(ANN, "e") is before
            source.verdict = after
            source.now += FRESH_SECONDS + 0.1
            assert await verdicts.of(ANN, "e") is before, "and asked again in the background"
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert await verdicts.of(ANN, "e") is after
        source.verdict = NO
        source.now += LONGEST_SECONDS + 0.01
        assert await verdicts.of(ANN, "e") is NO, "too old to be given at all"

    asyncio.run(walk())


def test_a_slow_question_is_as_old_as_its_asking():
    async def walk():
        source = Source()
        verdicts = source.verdicts()
        source.gate = asyncio.Event()
        first = asyncio.ensure_future(verdicts.of(ANN, "e"))
        await asyncio.sleep(0)
        source.now += LONGEST_SECONDS + 0.2
        source.verdict = NO
        second = asyncio.ensure_future(verdicts.of(ANN, "e"))
        await asyncio.sleep(0)
        source.gate.set()
        await first
        assert await second is NO, "who comes after a revoke is not answered by a question from before it"
        assert source.asked == 2

    asyncio.run(walk())


def test_what_cannot_be_found_out_lets_nobody_in():
    async def walk():
        source = Source()
        verdicts = source.verdicts()
        await verdicts.of(ANN, "e")
        source.failing = True
        source.now += LONGEST_SECONDS + 0.01
        with pytest.raises(Refusal) as raised:
            await verdicts.of(ANN, "e")
        assert raised.value.status == 503
        source.failing = False
        assert await verdicts.of(ANN, "e") is YES

    asyncio.run(walk())


def test_memory_is_bounded():
    async def walk():
        source = Source()
        verdicts = source.verdicts()
        for number in range(5000):
            await verdicts.of(Caller(((b"authorization", str(number).encode()),)), "e")
        assert len(verdicts._entries) <= 4096

    asyncio.run(walk())
