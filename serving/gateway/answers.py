"""What the gateway itself answers: errors in the one shape that stock clients read."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = tuple[tuple[bytes, bytes], ...]

JSON_HEADER = (b"content-type", b"application/json")
_SHED_SECONDS = 1


class Refusal(Exception):
    """An answer other than the model's, in the shape that clients read."""

    def __init__(self, status: int, body: bytes, headers: Headers = ()) -> None:
        super().__init__(body)
        self.status = status
        self.body = body
        self.headers = headers

    def again(self) -> "Refusal":
        """The same, to be raised another time: an exception collects where it was raised."""
        return Refusal(self.status, self.body, self.headers)


def refusal(status: int, error_code: str, message: str, headers: Headers = ()) -> Refusal:
    """An error as all dialects write it."""
    return Refusal(status, json.dumps({"error_code": error_code, "message": message}).encode(), headers)


def no_such_path() -> Refusal:
    """Nothing is at this path."""
    return refusal(404, "ENDPOINT_NOT_FOUND", "No API at this path: POST to /serving-endpoints/<name>/invocations.")


def wrong_method(method: str) -> Refusal:
    """Only POST asks for predictions."""
    message = f"No API for method {method} at this path: ask for predictions with POST."
    return refusal(405, "ENDPOINT_NOT_FOUND", message, ((b"allow", b"POST"),))


def no_such_entity(endpoint: str, entity: str) -> Refusal:
    """The endpoint serves no entity of that name."""
    message = f"Serving endpoint '{endpoint}' has no served entity '{entity}'."
    return refusal(404, "RESOURCE_DOES_NOT_EXIST", message)


def not_ready(message: str) -> Refusal:
    """The endpoint has nothing to answer with; clients must not take it for a passing failure and repeat."""
    return refusal(400, "BAD_REQUEST", message)


def too_large(limit: int, *, keep: bool = True) -> Refusal:
    """The body, unpacked, is longer than allowed. Without `keep` the rest of it was not read: the connection ends."""
    message = f"The request is larger than the limit of {limit} bytes. Send fewer rows at a time."
    return refusal(413, "INVALID_PARAMETER_VALUE", message, () if keep else ((b"connection", b"close"),))


def unreadable(message: str) -> Refusal:
    """The body cannot be unpacked, or ended too early."""
    return refusal(400, "BAD_REQUEST", message)


def overloaded(endpoint: str, units: int) -> Refusal:
    """More requests than the provisioned concurrency works on, and as many as may wait, wait."""
    message = (
        f"Serving endpoint '{endpoint}' works on {units} requests at a time and too many others wait already. Repeat "
        "in a moment, or give it more provisioned concurrency."
    )
    return refusal(429, "RESOURCE_EXHAUSTED", message, _retry_after(_SHED_SECONDS))


def limited(endpoint: str, whose: str, calls: int, seconds: int, wait: float) -> Refusal:
    """A rate limit is reached; `wait` seconds until a call is free."""
    message = f"Serving endpoint '{endpoint}' takes {calls} requests in {seconds} seconds {whose}. Repeat later."
    return refusal(429, "REQUEST_LIMIT_EXCEEDED", message, _retry_after(max(1, round(wait + 0.5))))


def too_slow(endpoint: str, seconds: float) -> Refusal:
    """The model did not answer in time."""
    message = f"The model did not answer within the {seconds:g} seconds that serving endpoint '{endpoint}' has."
    return refusal(504, "DEADLINE_EXCEEDED", message)


def never_started(endpoint: str, seconds: float) -> Refusal:
    """There was no replica in time."""
    message = f"No replica of serving endpoint '{endpoint}' was ready within {seconds:g} seconds. See its logs."
    return refusal(504, "DEADLINE_EXCEEDED", message)


def replica_died(endpoint: str) -> Refusal:
    """It ended while it worked on the request, and so did the one that was asked next."""
    message = (
        f"The model's process ended while it worked on the request. See the logs of serving endpoint '{endpoint}'."
    )
    return refusal(502, "INTERNAL_ERROR", message)


def undecided() -> Refusal:
    """Whether the caller may query cannot be found out now; nobody is let in on a guess."""
    message = "Who you are cannot be checked at the moment. Repeat the request."
    return refusal(503, "TEMPORARILY_UNAVAILABLE", message, _retry_after(1))


def _retry_after(seconds: int) -> Headers:
    return ((b"retry-after", str(seconds).encode()),)
