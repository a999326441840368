"""The one server entry: discovery and invocations are answered here, all else runs as synchronous Django in threads.

Threads keep their database connection, stream request bodies without spooling them, and stream answers chunk by
chunk; Django's own ASGI handler does none of the three for synchronous views.
"""

import gc
import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

from a2wsgi.wsgi import WSGIResponder

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from config.wsgi import application as django_application  # isort: skip — it readies what the others import
from django.conf import settings

from registry.api.discovery import discovery_document
from serving.api.invocations.verdicts import asker
from serving.gateway.application import PREFIX, GatewayApplication
from serving.gateway.gateway import Gateway, GatewaySettings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

THREADS = int(os.environ.get("MODELKEEP_WEB_THREADS", "32"))
_executor = ThreadPoolExecutor(thread_name_prefix="django", max_workers=THREADS)
_SEND_QUEUE = 10
_VERDICT_THREADS = 4  # As config.stack.services counts them.
gateway = Gateway(
    GatewaySettings(
        root=Path(settings.SERVING_ROOT),
        max_body_bytes=int(settings.SERVING_MAX_BODY_BYTES),
        spool_bytes=int(settings.SERVING_SPOOL_BYTES),
        workspace_id=settings.WORKSPACE_ID,
    ),
    asker(_VERDICT_THREADS),
)
_invocations = GatewayApplication(gateway)
# What start-up made stays: the collector need not look at it again and again.
gc.freeze()


class _Responder(WSGIResponder):
    """Streams an answer chunk by chunk as the adapter does, but hands a whole one over at once.

    The adapter waits for the event loop at every message: for a small answer that takes longer than making it.
    """

    _head: Any

    def start_response(self, status: str, response_headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """Keep the head until the kind of the answer is known."""
        self.exc_info = exc_info
        headers = [
            (name.strip().encode("latin1").lower(), value.strip().encode("latin1"))
            for name, value in response_headers
        ]
        self._head = {"type": "http.response.start", "status": int(status.split(" ", 1)[0]), "headers": headers}

    def wsgi(self, environ: Any, start_response: Any) -> None:
        """Run Django on this thread; the head and a whole body leave without waiting."""
        response = self.app(environ, start_response)
        try:
            if getattr(response, "streaming", True):
                self.send(self._head)
                for chunk in response:
                    self.send({"type": "http.response.body", "body": chunk, "more_body": True})
                self.send({"type": "http.response.body", "body": b""})
            else:
                body = {"type": "http.response.body", "body": b"".join(response)}
                self.loop.call_soon_threadsafe(self._hand_over, self._head, body)
        finally:
            getattr(response, "close", lambda: None)()

    def _hand_over(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            self.send_queue.put_nowait(message)


async def _django(scope: Scope, receive: Receive, send: Send) -> None:
    # The adapter and Django describe the same protocols with different types.
    respond: Any = _Responder(cast("Any", django_application), _executor, _SEND_QUEUE)
    await respond(scope, receive, send)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer discovery at once (clients ask before every call), invocations by the gateway, the rest by Django."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1000})
    elif scope["path"].removesuffix("/") == "/.well-known/databricks-config" and scope["method"] in {"GET", "HEAD"}:
        await _discovery(scope, send)
    elif scope["path"].startswith(PREFIX):
        await _invocations(scope, receive, send)
    else:

        async def received() -> MutableMapping[str, Any]:
            # The server's own `receive` gives an awaitable; the adapter schedules it from a thread as a coroutine.
            message = await receive()
            if message["type"] == "http.disconnect":
                # A body of unknown length that breaks off would otherwise read like one that ended.
                scope["modelkeep.disconnected"] = True
            return message

        await _django(scope, received, send)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            gateway.start()
        else:
            await gateway.stop()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _discovery(scope: Scope, send: Send) -> None:
    host = next((value.decode() for key, value in scope["headers"] if key == b"host"), "127.0.0.1")
    body = json.dumps(discovery_document(scheme=scope.get("scheme", "http"), host=host)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
