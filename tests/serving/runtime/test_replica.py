"""A replica over its socket: answers, refusals, health while busy, drain, streams, and how it ends."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import threading

import pytest

from serving.gateway.connection import ReplicaConnection, ReplicaLost, ReplicaRefused
from serving.runtime import frames
from serving.runtime.units import Inventory
from tests.serving.replicas import RUNTIME, body

OPENED: list[ReplicaConnection] = []


def run(walk):
    """What the walk gives; the connections that it opened are closed."""

    async def closing():
        try:
            return await walk
        finally:
            while OPENED:
                OPENED.pop().close()
            await asyncio.sleep(0)

    return asyncio.run(closing())


async def connected(address: str) -> ReplicaConnection:
    for _ in range(600):
        connection = ReplicaConnection()
        OPENED.append(connection)
        try:
            await connection.connect(address)
            break
        except ReplicaLost:
            await asyncio.sleep(0.05)
    while not (await connection.health())["loaded"]:
        await asyncio.sleep(0.05)
    return connection


@pytest.fixture
def replica(start_replica, obedient):
    return start_replica(obedient, "--concurrency", "4", "--timeout", "0.3")


def test_answers_errors_and_health(replica):
    async def walk():
        connection = await connected(replica.address)
        assert await connection.prove() == ""
        answer = await connection.request({"id": "r-1"}, body("echo", 1.0, 2.5))
        assert (answer.status, answer.body) == (200, b'{"predictions": [1.0, 2.5]}')
        failed = await connection.request({"id": "r-2"}, body("raise"))
        assert failed.status == 400
        assert json.loads(failed.body)["error_code"] == "BAD_REQUEST"
        assert b"told to" not in failed.body, "what the model's code says belongs into its log"
        left = await connection.request({"id": "r-3"}, body("leave"))
        assert (left.status, json.loads(left.body)["error_code"]) == (400, "BAD_REQUEST"), "sys.exit ends no replica"
        unanswerable = await connection.request({"id": "r-4"}, body("set"))
        assert (unanswerable.status, json.loads(unanswerable.body)["error_code"]) == (400, "BAD_REQUEST")
        csv = await connection.request({"type": "text/csv"}, b"order,value\necho,4.0\n")
        assert (csv.status, csv.body) == (200, b'{"predictions": [4.0]}')
        wrong = await connection.request({"type": "image/png"}, b"x")
        assert (wrong.status, wrong.content_type) == (415, "text/plain; charset=utf-8")
        return await connection.health()

    health = run(walk())
    assert (health["busy"], health["queued"], health["stuck"], health["failed"]) == (0, 0, False, 4)
    assert "Request r-2 failed" in replica.log.read_text()
    assert "ValueError: told to" in replica.log.read_text()


def test_busy_threads_hold_up_neither_health_nor_each_other(replica):
    async def walk():
        connection = await connected(replica.address)
        slow = [asyncio.ensure_future(connection.request({}, body("sleep", 0.6))) for _ in range(3)]
        quick = await connection.request({}, body())
        assert quick.status == 200
        for _ in range(200):
            health = await connection.health()
            if health["stuck"]:
                break
            await asyncio.sleep(0.02)
        assert (health["stuck"], health["busy"]) == (True, 3), "it says itself that a prediction takes too long"
        assert {(await answer).status for answer in slow} == {200}
        health = await connection.health()
        assert not health["stuck"]

    run(walk())


def test_what_is_given_up_while_it_waits_is_never_computed(replica):
    async def walk():
        connection = await connected(replica.address)
        settled = []
        busy = [asyncio.ensure_future(connection.request({}, body("sleep", 0.3))) for _ in range(4)]
        while (await connection.health())["busy"] < 4:
            await asyncio.sleep(0.01)
        waiting = connection.start(frames.PREDICT, b"", body("exit"), on_settled=lambda: settled.append(True))
        waiting.answer.cancel()
        assert {(await answer).status for answer in busy} == {200}
        while not settled:
            await asyncio.sleep(0.01)
        assert (await connection.health())["loaded"], "the request that would end it was dropped"
        assert connection.outstanding == 0

    run(walk())


def test_drain_answers_what_it_has_and_refuses_the_rest(replica):
    async def walk():
        connection, other = await connected(replica.address), await connected(replica.address)
        taken = [asyncio.ensure_future(connection.request({}, body("sleep", 0.2))) for _ in range(12)]
        while (await connection.health())["queued"] < 8:
            await asyncio.sleep(0.01)
        drained = asyncio.ensure_future(other.drain())
        while not (await connection.health())["draining"]:
            await asyncio.sleep(0.01)
        with pytest.raises(ReplicaRefused):
            await connection.request({}, body())
        answers = await asyncio.gather(*taken)
        await drained
        return {answer.status for answer in answers}

    assert run(walk()) == {200}
    assert replica.exit_code() == 0


def test_a_request_that_came_too_late_is_refused_not_lost(replica):
    """Between the last answer and the end of the process, requests are still on their way."""

    async def walk():
        connection = await connected(replica.address)
        reader, writer = await asyncio.open_unix_connection(replica.address)
        decoder = frames.FrameDecoder()

        async def received():
            found = []
            while not found:
                data = await reader.read(4096)
                assert data, "it hung up without a word"
                found = decoder.feed(data)
            return [(frame.kind, frame.call) for frame in found]

        await connection.drain()
        assert await received() == [(frames.CLOSING, 0)]
        writer.write(frames.encode(frames.PREDICT, 7, body=body()))
        assert await received() == [(frames.REFUSED, 7)]
        writer.close()
        await writer.wait_closed()

    run(walk())
    assert replica.exit_code() == 0


def test_what_a_closing_replica_has_not_answered_was_never_taken(tmp_path):
    ended = asyncio.Event()

    async def closing(reader, writer):
        await reader.readexactly(frames.HEADER_BYTES)
        writer.write(frames.encode(frames.CLOSING, 0))
        await reader.read()
        writer.close()
        ended.set()

    async def walk():
        address = str(tmp_path / "s")
        async with await asyncio.start_unix_server(closing, address):
            connection = ReplicaConnection()
            await connection.connect(address)
            with pytest.raises(ReplicaRefused):
                await connection.request({}, body())
            assert not connection.is_open
            await ended.wait()

    run(walk())


def test_streams_fail_before_and_after_they_begin(replica):
    def streamed(order, count):
        record = {"dataframe_records": [{"order": order, "value": count}], "stream": True}
        return json.dumps(record).encode()

    async def parts(connection, wanted):
        answer = await connection.request({}, wanted)
        return answer, b"".join([chunk async for chunk in answer.stream]) if answer.stream else answer.body

    async def walk():
        connection = await connected(replica.address)
        answer, text = await parts(connection, streamed("echo", 3.0))
        assert answer.content_type == "text/event-stream"
        lines = [line for line in text.decode().split("\n\n") if line]
        assert lines == ['data: {"number": 0}', 'data: {"number": 1}', 'data: {"number": 2}', "data: [DONE]"]
        _, text = await parts(connection, streamed("fail", 5.0))
        assert text.count(b'data: {"number"') == 2
        assert b'data: {"error": {"error_code": "BAD_REQUEST"' in text
        answer, text = await parts(connection, b'{"dataframe_records": [{"order": "x"}], "stream": true}')
        assert answer.status == 400
        long = await connection.request({}, streamed("echo", 10**7))
        await long.stream.__anext__()
        long.stream.close()
        while connection.outstanding:
            await asyncio.sleep(0.01)

    run(walk())


def test_a_model_that_ends_the_process_takes_its_calls_with_it(replica):
    async def walk():
        connection = await connected(replica.address)
        with pytest.raises(ReplicaLost):
            await connection.request({}, body("exit"))
        assert not connection.is_open

    run(walk())
    assert replica.exit_code() == 3


def test_each_request_has_a_process_and_the_replica_ends_with_any_of_them(replica):
    async def walk():
        connection = await connected(replica.address)
        assert "4 processes" in (await connection.health())["remarks"]
        answers = await asyncio.gather(*(connection.request({}, body("unit")) for _ in range(8)))
        units = {int(json.loads(answer.body)["predictions"][0]) for answer in answers}
        assert len(units) == 4
        assert replica.pid not in units
        os.kill(units.pop(), signal.SIGKILL)

    run(walk())
    assert replica.exit_code() == 128 + signal.SIGKILL
    assert replica.log.read_text().endswith("A process of the model ended with code 137.\n")


def test_a_model_that_keeps_what_forks_would_share_is_not_forked(tmp_path, monkeypatch):
    before = Inventory(str(tmp_path / "s"))
    assert before.why_not_fork() == ""
    with (tmp_path / "lookup").open("w"):
        assert "lookup" in before.why_not_fork()
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    assert before.why_not_fork() == "the model keeps threads of its own"
    done.set()
    thread.join()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert before.why_not_fork() == "it may use a GPU"


def test_a_model_that_cannot_be_loaded_says_why_in_the_last_line(start_replica, tmp_path):
    running = start_replica(tmp_path)
    assert running.exit_code() == 1
    last = running.log.read_text().strip().splitlines()[-1]
    assert last.startswith("Cannot load the model: ")
    assert "MLmodel" in last


def test_modules_of_the_runtime_never_hide_those_of_a_model(tmp_path, obedient):
    shutil.copytree(obedient, tmp_path / "model")
    code = tmp_path / "model" / "obedient.py"
    probe = "import importlib.util\nassert all(importlib.util.find_spec(n) is None for n in ('frames', 'batching'))\n"
    code.write_text(probe + code.read_text())
    address = str(tmp_path / "s")
    command = [sys.executable, "-I", str(RUNTIME), "--model", str(tmp_path / "model"), "--socket", address]

    async def walk():
        connection = await connected(address)
        assert (await connection.request({}, body())).status == 200
        await connection.drain()

    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        run(walk())
        assert process.wait(30) == 0
