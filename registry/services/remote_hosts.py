"""HTTP to a server that a user named: it may be hostile, and it must not be a way into this machine's network.

Only http and https, only addresses of the public internet unless an operator said otherwise, no redirects, no
environment proxies. Names are resolved once, checked, and the checked address is what is connected to, so a name that
changes its mind in between leads nowhere else. JSON answers are bounded; files are streamed.
"""

import ipaddress
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from registry.errors import InvalidParameter, NotFound, Unauthenticated, Unavailable
from registry.storage.incoming import ByteSource

MAX_JSON_BYTES = 64 * 1024**2
_TIMEOUT = httpx.Timeout(connect=10.0, read=60.0, write=30.0, pool=10.0)
_BUSY = {429, 502, 503, 504}
_PAUSES = (1.0, 3.0)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Query = Mapping[str, str | int]


class SourceError(InvalidParameter):
    """The other server refuses this request or fails on it; asking for something else may do."""


class MissingAtSource(SourceError, NotFound):
    """The other server says that there is no such thing."""


IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


def check_url(url: str, *, field: str = "source_url", query: bool = False) -> str:
    """The address of a server, without the slash at its end; or, with `query`, of a resource, as it was given.

    Raises:
        InvalidParameter: not http or https, or with a user, a password, a fragment or an unwanted query in it.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise InvalidParameter(f"'{field}' is no address of a server.", field=field) from error
    if parts.username is not None or parts.password is not None:
        raise InvalidParameter(f"'{field}' holds a password: give the token by itself.", field=field)
    unwanted = parts.fragment or (parts.query and not query)
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0 or unwanted:
        raise InvalidParameter(
            f"'{field}' is {url!r}: write it as https://host or https://host:port/path.", field=field
        )
    return url.strip() if query else url.strip().rstrip("/")


class AddressRefused(InvalidParameter):
    """The host has an address that requests may not go to."""


@dataclass(frozen=True)
class Reach:
    """Which addresses requests may go to besides those of the public internet, and how to say what is refused.

    `remedy` tells the reader of a refusal what an operator can do; `field` names the parameter that held the host.
    """

    everywhere: bool = False
    networks: Sequence[IPNetwork] = ()
    field: str = "source_url"
    remedy: str = "An operator can import from it with 'manage.py import_mlflow --allow-private'."

    def allows(self, address: str) -> bool:
        """Whether requests may go to an IP address."""
        if self.everywhere or is_public(address):
            return True
        ip = ipaddress.ip_address(address)
        inner = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped else ip
        return any(inner in network for network in self.networks)


def resolve(host: str, *, reach: Reach) -> list[str]:
    """The addresses of a host, all fit to be connected to.

    Raises:
        InvalidParameter: no such host.
        AddressRefused: one of its addresses is out of reach.
        Unavailable: names cannot be looked up now.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise Unavailable(f"The name '{host}' cannot be looked up now. Try again later.") from error
        raise InvalidParameter(f"There is no host '{host}'.", field=reach.field) from error
    except UnicodeError as error:
        raise InvalidParameter(f"'{host}' is no name of a host.", field=reach.field) from error
    addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
    if not all(reach.allows(address) for address in addresses):
        raise AddressRefused(
            f"'{host}' is an address inside this network, which requests may not reach. {reach.remedy}",
            field=reach.field,
        )
    return addresses


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if ip.sixtofour is not None or ip.teredo is not None or ip in _NAT64:
            return False
    return ip.is_global and not ip.is_multicast


class CheckedTransport(httpx.BaseTransport):
    """Connects to an address that was checked; TLS is still held to the name."""

    def __init__(self, *, reach: Reach) -> None:
        self._reach = reach
        self._addresses: dict[str, list[str]] = {}
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request, to the first of the host's addresses that takes a connection.

        Raises:
            InvalidParameter, Unavailable: as `resolve`.
        """
        host = request.url.host
        if host not in self._addresses:
            self._addresses[host] = resolve(host, reach=self._reach)
        request.extensions = {**request.extensions, "sni_hostname": host}
        *others, last = self._addresses[host]
        for address in others:
            request.url = request.url.copy_with(host=address)
            try:
                return self._inner.handle_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        request.url = request.url.copy_with(host=last)
        return self._inner.handle_request(request)

    def close(self) -> None:
        """Close every connection."""
        self._inner.close()


class _Body:
    """What is left of an answer, as bytes to read. `observe` is called between pieces and may raise."""

    def __init__(self, response: httpx.Response, observe: Callable[[], None]) -> None:
        self._pieces: Iterator[bytes] = response.iter_raw()
        self._observe = observe

    def read(self, size: int, /) -> bytes:  # noqa: ARG002  (pieces are as small as the network makes them)
        """The next piece; empty at the end.

        Raises:
            Unavailable: the connection broke.
        """
        self._observe()
        try:
            return next((piece for piece in self._pieces if piece), b"")
        except httpx.HTTPError as error:
            raise Unavailable("The connection to the other server broke. What is here already stays.") from error


class RemoteHost:
    """One server, with the credential that goes to it and nowhere else. Close it when done."""

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        username: str = "",
        allow_private: bool = False,
        observe: Callable[[], None] = lambda: None,
    ) -> None:
        self.url = check_url(url)
        self._observe = observe
        self._client = httpx.Client(
            transport=CheckedTransport(reach=Reach(everywhere=allow_private)),
            timeout=_TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            headers={"Accept-Encoding": "identity", "User-Agent": "modelkeep-import"},
        )
        self._headers = {} if username or not token else {"Authorization": f"Bearer {token}"}
        self._auth = httpx.BasicAuth(username, token) if username else None

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def get_json(self, path: str, query: Query) -> dict[str, Any]:
        """The JSON object at a path below the server's address. A busy server is asked three times.

        Raises:
            MissingAtSource, SourceError, Unauthenticated, Unavailable, InvalidParameter.
        """
        for pause in _PAUSES:
            try:
                return self._get_json(path, query)
            except Unavailable:
                self._observe()
                time.sleep(pause)
        return self._get_json(path, query)

    def _get_json(self, path: str, query: Query) -> dict[str, Any]:
        with self.open(path, query) as body:
            raw = read_whole(body, limit=MAX_JSON_BYTES)
        try:
            answer = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise SourceError(f"{self.url} answers {path} with something that is no JSON.") from error
        if not isinstance(answer, dict):
            raise SourceError(f"{self.url} answers {path} with something that is no JSON object.")
        return answer

    @contextmanager
    def open(self, path: str, query: Query) -> Iterator[ByteSource]:
        """The body at a path below the server's address, to be read piece by piece.

        Raises:
            MissingAtSource, SourceError, Unauthenticated, Unavailable, InvalidParameter.
        """
        with self._send(f"{self.url}{path}", query, headers=self._headers, auth=self._auth) as response:
            yield _Body(response, self._observe)

    @contextmanager
    def open_signed(self, url: str, headers: Mapping[str, str]) -> Iterator[ByteSource]:
        """The body behind a link that the server signed, on whatever public host. The credential stays behind.

        Raises:
            As `open`.
        """
        if not url.startswith("https://"):
            raise SourceError("The other server gave a link that is not https.")
        with self._send(url, {}, headers=headers, auth=None) as response:
            yield _Body(response, self._observe)

    @contextmanager
    def _send(
        self, url: str, query: Query, *, headers: Mapping[str, str], auth: httpx.Auth | None
    ) -> Iterator[httpx.Response]:
        self._observe()
        given = dict(query) or None
        try:
            with self._client.stream("GET", url, params=given, headers=dict(headers), auth=auth) as response:
                if response.status_code != httpx.codes.OK:
                    raise _refusal(response, self.url)
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    raise SourceError(f"{self.url} packs its answers although it was asked not to.")
                yield response
        except httpx.TransportError as error:
            raise Unavailable(f"{self.url} cannot be reached, or broke off. What is here already stays.") from error
        except (httpx.InvalidURL, httpx.HTTPError) as error:
            raise SourceError(f"{self.url} speaks no HTTP that can be understood.") from error


def read_whole(body: ByteSource, *, limit: int) -> bytes:
    """All of a body that is known to be small.

    Raises:
        SourceError: more than `limit` bytes.
    """
    pieces, size = [], 0
    while piece := body.read(limit):
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise SourceError(f"The other server answers with more than {limit} bytes where few are due.")
    return b"".join(pieces)


def _refusal(response: httpx.Response, url: str) -> Exception:
    """Why an answer is of no use. What the other server says is not repeated: it may say anything."""
    status = response.status_code
    if status == httpx.codes.UNAUTHORIZED:
        return Unauthenticated(f"{url} refuses the token. Start the import again with one that it takes.")
    if response.is_redirect:
        return SourceError(f"{url} answers with a redirect, which is not followed: give the address it leads to.")
    if status == httpx.codes.NOT_FOUND:
        return MissingAtSource(f"{url} has nothing there (HTTP 404).")
    if status == httpx.codes.FORBIDDEN:
        return SourceError(f"{url} does not let this token read it (HTTP 403).")
    if status in _BUSY:
        return Unavailable(f"{url} is busy or away (HTTP {status}).")
    return SourceError(f"{url} answered with HTTP {status}.")
