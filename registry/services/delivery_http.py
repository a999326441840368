"""One request to a receiver that somebody named: only to where it may go, and bounded in time and bytes."""

import base64
import contextlib
import hashlib
import hmac
import ipaddress
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from django.conf import settings

from registry.errors import InvalidParameter, ModelkeepError, Unavailable
from registry.services.remote_hosts import AddressRefused, CheckedTransport, IPNetwork, Reach, check_url

KEPT_BYTES = 2048
"""How much of an answer is read and kept."""
GONE = 410
_BUSY = {429, 503}
_REMEDY = "An operator can allow its network with MODELKEEP_WEBHOOK_NETWORKS."


@dataclass(frozen=True)
class Answer:
    """What came of one attempt. `final`: trying again cannot help. `retry_after` is in seconds, 0 for nothing."""

    milliseconds: int
    status_code: int | None = None
    error: str = ""
    text: str = ""
    final: bool = False
    retry_after: int = 0

    @property
    def ok(self) -> bool:
        """Whether the receiver has taken it."""
        return not self.error


def reach_of_deliveries() -> Reach:
    """Where deliveries may go, from the settings.

    Raises:
        ValueError: MODELKEEP_WEBHOOK_NETWORKS names something that is no network.
    """
    networks: list[IPNetwork] = [ipaddress.ip_network(text) for text in settings.WEBHOOK_NETWORKS]
    return Reach(networks=networks, field="url", remedy=_REMEDY)


def check_receiver(url: str) -> str:
    """The address of a receiver, fit to be stored. Names are looked up when something is sent, not here.

    Raises:
        InvalidParameter: no address of http or https, one with a password in it, or an IP address out of reach.
    """
    url = check_url(url, field="url", query=True)
    if len(url) > 2000:
        raise InvalidParameter("'url' is longer than 2000 characters.", field="url")
    host = httpx.URL(url).host
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        if not reach_of_deliveries().allows(host):
            raise AddressRefused(
                f"'{host}' is an address inside this network, which requests may not reach. {_REMEDY}", field="url"
            )
    return url


def signature(secret: str, *, delivery_id: str, timestamp: str, body: str) -> str:
    """The value of X-MLflow-Signature: HMAC-SHA256 over id, time and body, as MLflow's receivers verify it."""
    signed = f"{delivery_id}.{timestamp}.{body}".encode()
    return "v1," + base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


class _Deadline:
    """Cuts the connection when the time is over, however slowly the other side goes on sending."""

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> "_Deadline":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """httpcore tells here of each connection that it has made."""
        if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            with self._lock:
                self._socket = info["return_value"].get_extra_info("socket")
                if self.passed:
                    self._shut()

    def _cut(self) -> None:
        with self._lock:
            self.passed = True
            self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with contextlib.suppress(OSError):
                # Not the method of a TLS socket, which would take that apart under the reader.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def post(
    url: str, *, body: bytes, headers: Mapping[str, str], auth: tuple[str, str] | None = None, seconds: float = 0
) -> Answer:
    """Send one POST and read the beginning of the answer. Anything but a 2xx is an error. Never raises for what the
    other side does.

    `seconds` bounds the whole exchange once the host's name is known; 0 means WEBHOOK_TIMEOUT_SECONDS.
    """
    seconds = seconds or float(settings.WEBHOOK_TIMEOUT_SECONDS)
    began = time.monotonic()
    with _Deadline(seconds) as deadline:
        try:
            found = _exchange(url, body=body, headers=headers, auth=auth, seconds=seconds, deadline=deadline)
        except AddressRefused as error:
            found = Answer(0, error=error.message, final=True)
        except (Unavailable, ModelkeepError) as error:
            found = Answer(0, error=error.message)
        except httpx.InvalidURL:
            found = Answer(0, error="The address is no URL.", final=True)
        except (httpx.HTTPError, OSError, UnicodeError) as error:
            found = Answer(0, error=_in_words(error, seconds=seconds, late=deadline.passed))
    milliseconds = int((time.monotonic() - began) * 1000)
    return Answer(milliseconds, found.status_code, found.error, found.text, found.final, found.retry_after)


def _exchange(
    url: str,
    *,
    body: bytes,
    headers: Mapping[str, str],
    auth: tuple[str, str] | None,
    seconds: float,
    deadline: _Deadline,
) -> Answer:
    client = httpx.Client(
        transport=CheckedTransport(reach=reach_of_deliveries()),
        timeout=seconds,
        follow_redirects=False,
        trust_env=False,
        headers={"Accept-Encoding": "identity", "User-Agent": "modelkeep-webhooks"},
    )
    options = {"trace": deadline.trace}
    with (
        client,
        client.stream("POST", url, content=body, headers=dict(headers), auth=auth, extensions=options) as answer,
    ):
        text = _beginning(answer)
        status = answer.status_code
        retry_after = _retry_after(answer) if status in _BUSY else 0
    if answer.is_success:
        return Answer(0, status, text=text)
    error = f"The receiver answered HTTP {status}"
    error += ": redirects are not followed, give the address it leads to." if answer.is_redirect else "."
    return Answer(0, status, error, text, final=status == GONE, retry_after=retry_after)


def _beginning(answer: httpx.Response) -> str:
    """As much of the answer as is kept; what breaks off behind the status line does not change what it said."""
    kept = b""
    with contextlib.suppress(httpx.HTTPError, OSError):
        for piece in answer.iter_raw(KEPT_BYTES):
            kept += piece
            if len(kept) >= KEPT_BYTES:
                break
    return kept[:KEPT_BYTES].decode(errors="replace").replace("\x00", "\ufffd")


def _retry_after(answer: httpx.Response) -> int:
    said = answer.headers.get("Retry-After", "").strip()
    return int(said) if said.isascii() and said.isdigit() and len(said) < 8 else 0


def _in_words(error: Exception, *, seconds: float, late: bool) -> str:
    if late or isinstance(error, httpx.TimeoutException):
        return f"The receiver did not answer within {seconds:g} seconds."
    if isinstance(error, httpx.ConnectError):
        reason = str(error)
        return f"No connection to the receiver: {reason}." if reason else "No connection to the receiver."
    return f"The connection broke, or spoke no HTTP ({type(error).__name__})."
