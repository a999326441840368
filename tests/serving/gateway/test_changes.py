"""Replicas die, drain and are replaced under load: nobody notices what need not be noticed."""

import asyncio

from serving.gateway.connection import ReplicaConnection
from tests.serving.gateway.plane import endpoint, entity, loaded, opened_plane
from tests.serving.replicas import body


def test_updates_under_load_lose_no_request(start_replica, obedient, tmp_path):
    """Promise 5 at the level of frames: every replica is replaced, by name and by id, while clients go on."""

    async def drain(running):
        connection = ReplicaConnection()
        await connection.connect(running.address)
        await connection.drain()
        connection.close()

    async def walk():
        first = [start_replica(obedient, "--concurrency", "4") for _ in range(2)]
        await loaded(*first)
        async with opened_plane(tmp_path) as plane:
            await plane.publish(endpoint(entity("v1", *first)))
            statuses, going = [], True

            async def client():
                while going:
                    statuses.append((await plane.post(body("sleep", 0.005))).status_code)

            clients = [asyncio.ensure_future(client()) for _ in range(12)]
            current = first
            for number in range(2, 5):
                after = [start_replica(obedient, "--concurrency", "4") for _ in range(2)]
                await loaded(*after)
                # The second change keeps the entity and replaces its replicas only.
                name = "v2" if number in (2, 3) else f"v{number}"
                route = endpoint(entity(name, *after))
                if number == 4:
                    # Draining overtakes the news: refused requests go where the news says.
                    drains = [asyncio.ensure_future(drain(one)) for one in current]
                    await asyncio.sleep(0.02)
                    await plane.publish(route)
                else:
                    await plane.publish(route)
                    drains = [asyncio.ensure_future(drain(one)) for one in current]
                await asyncio.gather(*drains)
                assert [one.exit_code() for one in current] == [0, 0]
                current = after
            going = False
            await asyncio.gather(*clients)
            return statuses

    statuses = asyncio.run(walk())
    assert set(statuses) == {200}
    assert len(statuses) > 50


def test_a_request_survives_the_death_of_one_replica_and_not_of_two(start_replica, obedient, tmp_path):
    async def walk():
        running = [start_replica(obedient) for _ in range(3)]
        await loaded(*running)
        async with opened_plane(tmp_path) as plane:
            await plane.publish(endpoint(entity("a", *running[:2]), timeout_seconds=20))
            slow = asyncio.ensure_future(plane.post(body("sleep", 0.4)))
            await asyncio.sleep(0.1)
            busy = [handle for handle in plane.gateway._pools["id-a"]._replicas.values() if handle.outstanding]
            victim = next(one for one in running if str(one.pid) == busy[0].id)
            victim.end()
            assert (await slow).status_code == 200, "asked again elsewhere"
            killed = asyncio.ensure_future(plane.post(body("exit")))
            await asyncio.sleep(0.1)
            assert not killed.done(), "one death is forgiven, it waits for the replacement"
            await plane.publish(endpoint(entity("a", running[2]), timeout_seconds=20))
            return await killed

    answer = asyncio.run(walk())
    assert (answer.status_code, answer.json()["error_code"]) == (502, "INTERNAL_ERROR")


def test_an_endpoint_stopped_while_requests_wait_tells_them(start_replica, obedient, tmp_path):
    async def walk():
        running = start_replica(obedient)
        await loaded(running)
        async with opened_plane(tmp_path) as plane:
            await plane.publish(endpoint(entity("a", running, concurrency=1)))
            taken = asyncio.ensure_future(plane.post(body("sleep", 0.3)))
            await asyncio.sleep(0.1)
            waiting = asyncio.ensure_future(plane.post(body()))
            await asyncio.sleep(0.05)
            await plane.publish()
            return (await waiting).status_code, (await taken).status_code

    assert asyncio.run(walk()) == (400, 200)


def test_what_a_hostile_replica_sends_ends_its_connection_only(start_replica, obedient, tmp_path):
    async def walk():
        address = str(tmp_path / "h.sock")
        hostile = []

        async def lie(reader, writer):
            hostile.append(writer)
            await reader.read(10)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n" * 3)

        server = await asyncio.start_unix_server(lie, address)
        honest = start_replica(obedient)
        await loaded(honest)
        async with opened_plane(tmp_path) as plane:
            liar = type(honest)(address, 1, honest.control, honest.log)
            await plane.publish(endpoint(entity("a", liar, honest, concurrency=4)))
            statuses = [(await plane.post(body())).status_code for _ in range(6)]
        server.close()
        for writer in hostile:
            writer.close()
        return statuses

    assert asyncio.run(walk()) == [200] * 6
