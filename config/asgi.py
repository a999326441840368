"""The one server entry: discovery is answered here, everything else runs as synchronous Django in threads.

Threads keep their database connection, stream request bodies without spooling them, and stream answers chunk by
chunk; Django's own ASGI handler does none of the three for synchronous views.
"""

import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

from a2wsgi import WSGIMiddleware

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from config.wsgi import application as django_application
from registry.api.discovery import discovery_document

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

THREADS = int(os.environ.get("MODELKEEP_WEB_THREADS", "32"))
# The adapter and Django describe the same protocols with different types.
_adapter: Any = WSGIMiddleware(cast("Any", django_application), workers=THREADS)
_django: Callable[[Scope, Receive, Send], Awaitable[None]] = _adapter


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer discovery at once (clients ask before every call), hand the rest to Django."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif scope["path"] == "/.well-known/databricks-config" and scope["method"] in {"GET", "HEAD"}:
        await _discovery(scope, send)
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
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _discovery(scope: Scope, send: Send) -> None:
    host = next((value.decode() for key, value in scope["headers"] if key == b"host"), "127.0.0.1")
    body = json.dumps(discovery_document(scheme=scope.get("scheme", "http"), host=host)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
