"""The ASGI side of the gateway: `/serving-endpoints/{name}/invocations` and its spelling for one served entity."""

import asyncio
import contextlib
import uuid
from urllib.parse import unquote

from serving.gateway import answers
from serving.gateway.answers import JSON_HEADER, Headers, Receive, Refusal, Scope, Send
from serving.gateway.bodies import Disconnected, read_body
from serving.gateway.capture import Exchange
from serving.gateway.connection import Answer, ReplicaLost
from serving.gateway.gateway import JSON_TYPE, Gateway, answer_within
from serving.gateway.patience import Gone, Patience, TimeOver
from serving.gateway.verdicts import Caller
from serving.routing.spool import MAX_CAPTURED_BYTES

PREFIX = "/serving-endpoints/"
_ENTITY_WORDS = frozenset({"served-models", "served-entities"})
_WITH_TOKEN = frozenset({b"authorization"})
_WITH_SESSION = frozenset({b"cookie", b"origin", b"sec-fetch-site", b"host"})


class GatewayApplication:
    """Answers everything below `/serving-endpoints/`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request of HTTP."""
        self._gateway.start()
        always: Headers = ((b"x-databricks-org-id", self._gateway.settings.workspace_id.encode()),)
        try:
            await self._answer(scope, receive, send, always)
        except Refusal as refusal:
            ids = (b"x-request-id", uuid.uuid4().hex.encode())
            await _send(send, refusal.status, (JSON_HEADER, *refusal.headers, ids, *always), refusal.body)
        except (Disconnected, Gone):
            return

    async def _answer(self, scope: Scope, receive: Receive, send: Send, always: Headers) -> None:
        name, entity_name = _target(scope["path"])
        headers = dict(scope["headers"])
        if scope["method"] != "POST":
            raise answers.wrong_method(scope["method"])
        verdict = await self._gateway.verdicts.of(_caller(scope, headers), name)
        if verdict.refusal is not None:
            with contextlib.suppress(Refusal):
                # A client that is still sending would see a broken connection instead of the answer.
                await read_body(receive, headers, limit=self._gateway.settings.max_body_bytes)
            raise verdict.refusal.again()
        exchange = self._gateway.admit(name, entity_name, verdict)
        patience: Patience | None = None
        try:
            exchange.request = await read_body(receive, headers, limit=self._gateway.settings.max_body_bytes)
            exchange.content_type = _content_type(headers)
            patience = Patience(answer_within(exchange.endpoint.timeout_seconds), receive)
            if not entity_name:
                self._gateway.shadow(exchange)
            answer = await self._gateway.predict(exchange, patience)
            if answer.stream is not None:
                await self._send_stream(send, answer, exchange, always, patience)
                return
            self._gateway.finish(exchange, answer.status, answer.body)
            content_type = JSON_HEADER if answer.content_type == JSON_TYPE else _typed(answer.content_type)
            await _send(send, answer.status, (content_type, *_ids(exchange), *always), answer.body)
        except Refusal as refusal:
            self._gateway.finish(exchange, refusal.status, refusal.body)
            await _send(send, refusal.status, (JSON_HEADER, *refusal.headers, *_ids(exchange), *always), refusal.body)
        except (Gone, Disconnected):
            self._gateway.finish(exchange, 499, b"")
        finally:
            if patience is not None:
                patience.end()

    async def _send_stream(
        self, send: Send, answer: Answer, exchange: Exchange, always: Headers, patience: Patience
    ) -> None:
        """Pass the parts on as they come. What breaks off after the first says so in a last part."""
        stream = answer.stream
        if stream is None:
            raise TypeError("not a stream")
        kept, kept_bytes = [], 0
        headers = [_typed(answer.content_type), *_ids(exchange), *always]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        failure: Refusal | None = None
        try:
            while True:
                try:
                    chunk = await patience.wait(asyncio.ensure_future(stream.__anext__()))
                except StopAsyncIteration:
                    break
                except ReplicaLost:
                    failure = answers.replica_died(exchange.endpoint.name)
                    break
                except TimeOver:
                    failure = answers.too_slow(exchange.endpoint.name, exchange.endpoint.timeout_seconds)
                    break
                kept_bytes += len(chunk)
                if kept_bytes <= MAX_CAPTURED_BYTES + len(chunk):
                    kept.append(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        finally:
            stream.close()
        exchange.model_ms = stream.model_ms
        last = b'data: {"error": %s}\n\n' % failure.body if failure is not None else b""
        self._gateway.finish(exchange, failure.status if failure else answer.status, b"".join([*kept, last]))
        await send({"type": "http.response.body", "body": last})


def _target(path: str) -> tuple[str, str]:
    """Names of the endpoint and of the served entity; the latter is empty for the traffic split."""
    parts = path.removeprefix(PREFIX).removesuffix("/").split("/")
    match parts:
        case [name, "invocations"] if name:
            return unquote(name), ""
        case [name, word, entity, "invocations"] if name and entity and word in _ENTITY_WORDS:
            return unquote(name), unquote(entity)
        case _:
            raise answers.no_such_path()


def _caller(scope: Scope, headers: dict[bytes, bytes]) -> Caller:
    wanted = _WITH_TOKEN if b"authorization" in headers else _WITH_SESSION
    client = scope.get("client") or ("", 0)
    return Caller(
        tuple((name, value) for name, value in headers.items() if name in wanted),
        str(client[0]),
        headers.get(b"user-agent", b"").decode("latin-1")[:500],
    )


def _content_type(headers: dict[bytes, bytes]) -> str:
    """As the client wrote it. Without one it is JSON: MLflow's server fails there."""
    return headers.get(b"content-type", b"").decode("latin-1") or JSON_TYPE


def _ids(exchange: Exchange) -> Headers:
    request_id = exchange.request_id.encode()
    served = ((b"served-model-name", exchange.entity.name.encode()),) if exchange.entity else ()
    return ((b"x-request-id", request_id), (b"x-databricks-request-id", request_id), *served)


def _typed(content_type: str) -> tuple[bytes, bytes]:
    return b"content-type", content_type.encode("latin-1", "replace")


async def _send(send: Send, status: int, headers: Headers, body: bytes) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, (b"content-length", str(len(body)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": body})
