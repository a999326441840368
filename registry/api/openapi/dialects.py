"""What a dialect says of its calls: one entry for every path and method, beside the views that answer them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from registry.api.openapi.shapes import TEXT, Named, Schema, fields, noted

JSON = "application/json"

ERROR = Named(
    "Error",
    fields(
        {
            "error_code": noted(TEXT, "A word that programs act on.", examples=["PERMISSION_DENIED"]),
            "message": noted(TEXT, "What was wrong with which field, and what to do."),
        }
    ),
)
"""The shape of every refusal but SCIM's and OAuth's."""

MEANINGS = {
    400: "A value cannot be used, or the object is not in a state that allows this; the message names the field.",
    401: "No credential, or one that is unknown, expired or revoked.",
    403: "The caller may see the object and lacks a right; the message names it and whom to ask.",
    404: "No such object, or none that the caller may know of.",
    405: "This method is not offered here.",
    409: "The object changed or is in use.",
    412: "The file has changed since the moment that the request's conditions name.",
    413: "More bytes than the limit that the message names.",
    416: "The range lies outside the file.",
    429: "Too many at a time, or too many failures: wait as Retry-After says.",
    501: "Part of the protocol, and deliberately not served here.",
    503: "Starting or restarting: repeat the request in a moment.",
}
"""What each refusal says."""


@dataclass(frozen=True)
class Call:
    """One method of one path.

    `name` becomes the operation's id behind the dialect's. `answer` is the success, None for an empty one; `answers`
    are successes besides it. `errors` are statuses beyond those that every call of its kind may answer. `summary`
    stands in for the docstring of views that are no classes. `passed_on`: another server gives the answer.
    """

    name: str
    answer: Schema | None
    query: Mapping[str, Schema] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    """Fields of the query that must be given."""
    headers: Mapping[str, Schema] = field(default_factory=dict)
    body: Schema | None = None
    status: int = 200
    answers: Mapping[int, str] = field(default_factory=dict)
    errors: tuple[int, ...] = ()
    answer_type: str = JSON
    body_type: str = JSON
    error: Named | None = None
    """Where it is not the dialect's."""
    open: bool = False
    """Whether no credential is asked for."""
    summary: str = ""
    text: str = ""
    passed_on: bool = False


@dataclass(frozen=True)
class Dialect:
    """A protocol: its calls by path and method.

    Placeholders of a path are described in `parts`. `spellings` are pairs of a canonical beginning and another that
    means the same.
    """

    slug: str
    title: str
    text: str
    paths: Mapping[str, Mapping[str, Call]]
    parts: Mapping[str, Schema] = field(default_factory=dict)
    error: Named = ERROR
    spellings: tuple[tuple[str, str], ...] = ()
