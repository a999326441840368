"""Invocations through the gateway to real replicas: answers, errors, routing, capture, figures."""

import asyncio
import gzip
import json
from dataclasses import replace

import pytest

from serving.routing.routes import NOT_READY, SHADOW, STOPPED, CaptureRoute, RateLimit
from serving.routing.spool import closed_segments, read_rows
from serving.routing.stats import read_stats
from tests.serving.gateway.plane import PATH, endpoint, entity, loaded, opened_plane
from tests.serving.replicas import body


@pytest.fixture(scope="module")
def replicas(forge, obedient):
    running = [forge.start(obedient, "--concurrency", "4") for _ in range(2)]
    asyncio.run(loaded(*running))
    yield running
    for one in running:
        one.end()


def rows_of(root, table="table-e"):
    return [row for segment in closed_segments(root / "spool" / table) for row in read_rows(segment)]


def code(answer):
    return answer.status_code, answer.json()["error_code"]


def test_an_answer_its_headers_its_row_and_its_figures(replicas, tmp_path):
    async def walk():
        async with opened_plane(tmp_path) as plane:
            await plane.publish(endpoint(entity("a", replicas[0])))
            sent = json.loads(body()) | {"client_request_id": "c-1"}
            answer = await plane.post(json.dumps(sent).encode())
            assert (answer.status_code, answer.content) == (200, b'{"predictions": [1.0]}')
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers["served-model-name"] == "a"
            assert answer.headers["x-request-id"] == answer.headers["x-databricks-request-id"]
            failed = await plane.post(b"{}")
            assert code(failed) == (400, "BAD_REQUEST")
            csv = await plane.post(b"order,value\necho,3.0\n", content_type="text/csv")
            assert csv.content == b'{"predictions": [3.0]}'
            packed = await plane.post(gzip.compress(body("echo", 5.0)), content_encoding="gzip")
            assert packed.content == b'{"predictions": [5.0]}'
            return sent, answer.headers["x-request-id"]

    sent, request_id = asyncio.run(walk())
    row, failed, csv, packed = rows_of(tmp_path)
    assert (row["request_id"], row["client_request_id"], row["status_code"]) == (request_id, "c-1", 200)
    assert json.loads(row["request"]) == sent
    assert row["response"] == b'{"predictions": [1.0]}'
    assert (row["entity_id"], row["entity"], row["requester"], row["sampling"]) == ("id-a", "a", "7", 1.0)
    assert (failed["status_code"], failed["request"]) == (400, b"{}")
    assert csv["content_type"] == "text/csv"
    assert packed["request"] == body("echo", 5.0), "as the model read it, not as it was packed"
    stats = read_stats(tmp_path / "gateways")[0].entities["id-a"]
    assert (stats.requests, stats.errors_4xx, stats.errors_5xx, sum(stats.latency_counts)) == (4, 1, 0, 4)
    assert 0 < stats.model_ms < stats.latency_ms
    assert (stats.outstanding, stats.queued) == (0, 0)


def test_what_never_reaches_a_model(replicas, tmp_path):
    async def walk():
        async with opened_plane(tmp_path, max_body_bytes=10_000) as plane:
            await plane.publish(
                endpoint(entity("a", replicas[0])),
                endpoint(entity("a"), name="stopped", state=STOPPED, message="It is stopped."),
                endpoint(entity("a"), name="failed", state=NOT_READY, message="its model cannot be loaded."),
            )
            assert code(await plane.client.post("/serving-endpoints/e/predict")) == (404, "ENDPOINT_NOT_FOUND")
            got = await plane.client.get(PATH)
            assert (got.status_code, got.headers["allow"]) == (405, "POST")
            unknown = await plane.post(body(), "/serving-endpoints/e/served-models/zz/invocations")
            assert code(unknown) == (404, "RESOURCE_DOES_NOT_EXIST")
            assert code(await plane.post(body(), PATH.replace("/e/", "/stopped/"))) == (400, "BAD_REQUEST")
            failed = await plane.post(body(), PATH.replace("/e/", "/failed/"))
            assert code(failed) == (400, "BAD_REQUEST")
            assert "cannot be loaded" in failed.json()["message"]
            assert code(await plane.post(body(), PATH.replace("/e/", "/new/"))) == (400, "BAD_REQUEST")
            large = await plane.post(b"x" * 10_001)
            assert code(large) == (413, "INVALID_PARAMETER_VALUE")
            assert large.headers["x-request-id"]

            async def chunks():
                for _ in range(11):
                    yield b"x" * 1000

            assert (await plane.client.post(PATH, content=chunks())).status_code == 413
            bomb = await plane.post(gzip.compress(bytes(10_000_000)), content_encoding="gzip")
            assert bomb.status_code == 413
            cut = await plane.post(gzip.compress(body())[:-9], content_encoding="gzip")
            assert code(cut) == (400, "BAD_REQUEST")
            assert code(await plane.post(b"no", content_encoding="gzip")) == (400, "BAD_REQUEST")
            assert code(await plane.post(b"no", content_encoding="br")) == (400, "BAD_REQUEST")
            plane.deny()
            plane.gateway.verdicts._entries.clear()
            assert code(await plane.post(body())) == (403, "PERMISSION_DENIED")

    asyncio.run(walk())
    assert 403 not in {row["status_code"] for row in rows_of(tmp_path)}


def test_traffic_is_split_and_entities_answer_by_name(replicas, tmp_path):
    draws = iter([0.05, 0.95, 0.5, 0.899, 0.901])

    async def walk():
        async with opened_plane(tmp_path, chance=lambda: next(draws)) as plane:
            old, new = entity("old", replicas[0], weight=90), entity("new", replicas[1], weight=10)
            silent = entity("silent", replicas[1], weight=0)
            await plane.publish(endpoint(old, new, silent, captures=()))
            names = [(await plane.post(body())).headers["served-model-name"] for _ in range(5)]
            assert names == ["old", "new", "old", "old", "new"]
            for word in ("served-models", "served-entities"):
                answer = await plane.post(body(), f"/serving-endpoints/e/{word}/silent/invocations")
                assert answer.headers["served-model-name"] == "silent"

    asyncio.run(walk())


def test_the_least_busy_replica_is_asked(replicas, tmp_path):
    async def walk():
        async with opened_plane(tmp_path) as plane:
            await plane.publish(endpoint(entity("a", *replicas)))
            pids = [json.loads((await plane.post(body("pid"))).content)["predictions"][0] for _ in range(3)]
            slow = [asyncio.ensure_future(plane.post(body("sleep", 0.2))) for _ in range(4)]
            await asyncio.sleep(0.05)
            pool = plane.gateway._pools["id-a"]
            assert sorted(handle.outstanding for handle in pool._replicas.values()) == [2, 2]
            await asyncio.gather(*slow)
            return set(pids)

    assert asyncio.run(walk()) <= {one.pid for one in replicas}


def test_more_than_the_provisioned_concurrency_waits_and_more_than_may_wait_is_told_so(replicas, tmp_path):
    async def walk():
        async with opened_plane(tmp_path, queue_per_unit=2) as plane:
            await plane.publish(endpoint(entity("a", replicas[0])))
            answers = await asyncio.gather(*(plane.post(body("sleep", 0.15)) for _ in range(16)))
            refused = [answer for answer in answers if answer.status_code == 429]
            assert len(refused) == 4, "4 at work, 8 waiting"
            assert {code(answer) for answer in refused} == {(429, "RESOURCE_EXHAUSTED")}
            assert all(answer.headers["retry-after"] for answer in refused)
            assert {answer.status_code for answer in answers} == {200, 429}
            pool = plane.gateway._pools["id-a"]
            assert (pool.in_flight, pool.queued) == (0, 0)

    asyncio.run(walk())
    waited = read_stats(tmp_path / "gateways")[0].entities["id-a"]
    assert waited.queue_ms > 100


def test_a_slow_model_is_answered_for_in_time_and_keeps_its_unit(replicas, tmp_path):
    async def walk():
        async with opened_plane(tmp_path) as plane:
            await plane.publish(endpoint(entity("a", replicas[0], concurrency=1), timeout_seconds=0.3))
            slow = asyncio.ensure_future(plane.post(body("sleep", 0.8)))
            await asyncio.sleep(0.1)
            waiting = await plane.post(body())
            assert code(await slow) == (504, "DEADLINE_EXCEEDED")
            assert code(waiting) == (504, "DEADLINE_EXCEEDED"), "its unit is still at work"
            pool = plane.gateway._pools["id-a"]
            assert pool.in_flight == 1
            while pool.in_flight:
                await asyncio.sleep(0.01)
            assert (await plane.post(body())).status_code == 200

    asyncio.run(walk())
    assert [row["status_code"] for row in rows_of(tmp_path)] == [504, 504, 200]


def test_a_client_that_leaves_takes_its_request_along(replicas, tmp_path):
    async def walk():
        async with opened_plane(tmp_path) as plane:
            await plane.publish(endpoint(entity("a", replicas[0], concurrency=1)))
            messages: asyncio.Queue[dict] = asyncio.Queue()
            sent = []
            scope = {
                "type": "http",
                "method": "POST",
                "path": PATH,
                "headers": [(b"authorization", b"Bearer t")],
                "client": ("127.0.0.1", 1),
            }

            async def send(message):
                sent.append(message)

            messages.put_nowait({"type": "http.request", "body": body("sleep", 0.3)})
            request = asyncio.ensure_future(plane.app(scope, messages.get, send))
            await asyncio.sleep(0.1)
            messages.put_nowait({"type": "http.disconnect"})
            await request
            assert sent == []
            assert (await plane.post(body())).status_code == 200, "the unit came back"

    asyncio.run(walk())
    assert [row["status_code"] for row in rows_of(tmp_path)] == [499, 200]


def test_a_cold_entity_holds_its_callers_and_asks_once(replicas, tmp_path):
    async def walk():
        async with opened_plane(tmp_path) as plane:
            await plane.publish(endpoint(entity("a"), timeout_seconds=10))
            held = [asyncio.ensure_future(plane.post(body())) for _ in range(20)]
            wake = tmp_path / "wake" / "id-a"
            while not wake.exists():
                await asyncio.sleep(0.01)
            wake.unlink()
            await asyncio.sleep(0.1)
            assert not wake.exists(), "one wake for all of them"
            assert plane.gateway._pools["id-a"].queued == 20
            await plane.publish(endpoint(entity("a", replicas[0]), timeout_seconds=10))
            assert {(await answer).status_code for answer in held} == {200}
            await plane.publish(endpoint(entity("a"), timeout_seconds=0.2))
            assert code(await plane.post(body())) == (504, "DEADLINE_EXCEEDED")

    asyncio.run(walk())


def test_streams_pass_through_and_are_kept(replicas, tmp_path):
    async def walk():
        async with opened_plane(tmp_path) as plane:
            await plane.publish(endpoint(entity("a", replicas[0])))
            record = {"dataframe_records": [{"order": "echo", "value": 3.0}], "stream": True}
            answer = await plane.post(json.dumps(record).encode())
            assert answer.headers["content-type"] == "text/event-stream"
            return answer.text

    text = asyncio.run(walk())
    assert text.endswith("data: [DONE]\n\n")
    assert text.count("data: {") == 3
    (row,) = rows_of(tmp_path)
    assert row["response"].decode() == text


def test_a_shadow_gets_a_copy_and_nobody_waits_for_it(replicas, tmp_path):
    async def walk():
        async with opened_plane(tmp_path) as plane:
            shadow = entity("dark", replicas[1], role=SHADOW, weight=0)
            await plane.publish(endpoint(entity("a", replicas[0]), shadow))
            answer = await plane.post(body("pid"))
            assert answer.json()["predictions"] == [replicas[0].pid]
            while not plane.gateway._pools["id-dark"].is_idle:
                await asyncio.sleep(0.01)
            # A slash at the end changes nothing.
            named = await plane.post(body(), "/serving-endpoints/e/served-models/a/invocations/")
            assert named.status_code == 200
            return answer.headers["x-request-id"]

    request_id = asyncio.run(walk())
    rows = rows_of(tmp_path)
    assert sorted(row["entity"] for row in rows) == ["a", "a", "dark"], "an entity asked by name has no shadow"
    (dark,) = [row for row in rows if row["entity"] == "dark"]
    assert dark["request_id"] == request_id
    assert json.loads(dark["response"])["predictions"] == [replicas[1].pid]


def test_tables_sample(replicas, tmp_path):
    draws = iter([0.1, 0.9, 0.4])

    async def walk():
        async with opened_plane(tmp_path, chance=lambda: next(draws)) as plane:
            tables = (CaptureRoute("all", "LEGACY"), CaptureRoute("half", "AI_GATEWAY", sampling=0.5))
            await plane.publish(endpoint(entity("a", replicas[0]), captures=tables))
            assert await plane.status_of(body(), 1) + await plane.status_of(body(), 1) == [200, 200]
            assert await plane.status_of(body(), 1) == [200]

    asyncio.run(walk())
    assert len(rows_of(tmp_path, "all")) == 3
    assert [row["sampling"] for row in rows_of(tmp_path, "half")] == [0.5, 0.5]


def test_a_full_spool_drops_rows_and_fails_no_answer(replicas, tmp_path):
    async def walk():
        async with opened_plane(tmp_path, spool_bytes=10) as plane:
            await plane.publish(endpoint(entity("a", replicas[0])))
            assert await plane.status_of(body(), 3) == [200, 200, 200]
            assert plane.gateway.capture.dropped_rows == {"table-e": 3}

    asyncio.run(walk())


def test_rate_limits_hold_for_all_for_each_and_for_groups(replicas, tmp_path):
    now = [1000.0]

    async def walk():
        async with opened_plane(tmp_path, clock=lambda: now[0]) as plane:
            served = endpoint(entity("a", replicas[0]))
            await plane.publish(replace(served, rate_limits=(RateLimit(2, 60, "endpoint"),)))
            assert await plane.status_of(body(), 1) + await plane.status_of(body(), 2) == [200, 200, 429]
            limited = await plane.post(body())
            assert code(limited) == (429, "REQUEST_LIMIT_EXCEEDED")
            assert 1 <= int(limited.headers["retry-after"]) <= 61
            now[0] += 61
            assert await plane.status_of(body(), 1) == [200], "the window slides"
            now[0] += 61
            own = (RateLimit(1, 60, "user"), RateLimit(3, 60, "user", "ann@example.com"))
            await plane.publish(replace(served, rate_limits=own))
            assert sorted(await plane.status_of(body(), 4)) == [200, 200, 200, 429], "her own limit, not everyone's"
            now[0] += 61
            groups = (RateLimit(1, 60, "user_group", "data"), RateLimit(0, 60, "user_group", "others"))
            await plane.publish(replace(served, rate_limits=groups))
            assert sorted(await plane.status_of(body(), 2)) == [200, 429]

    asyncio.run(walk())
    assert 429 in {row["status_code"] for row in rows_of(tmp_path)}
