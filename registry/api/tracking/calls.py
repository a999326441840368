"""A request in canonical form: one spelling of its path, one set of parameters, a body that was parsed once."""

import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from django.conf import settings
from django.http import HttpRequest

from registry.api.wire import check_text
from registry.errors import InvalidParameter, TooLarge
from registry.services.actors import Actor
from registry.services.tracking import clean_path

CHUNK = 1024 * 1024
_PREFIX = re.compile(r"^/mlflow(?=/|$)")
_AJAX = re.compile(r"^/ajax-api/")


@dataclass
class Call:
    """What the client asks. `path` is the table's spelling, `target` the one that the tracking server is asked."""

    request: HttpRequest
    actor: Actor
    method: str
    path: str
    target: str
    in_path: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)

    def texts(self, *names: str) -> list[str]:
        """Every value given under these names, however the fields are spelled."""
        found: list[str] = []
        for name in names:
            for spelling in {name, camel(name)}:
                value = self.parameters.get(spelling)
                values = value if isinstance(value, list) else [value]
                found += [str(item) for item in values if item not in (None, "")]
            found += [self.in_path[name]] if name in self.in_path else []
        return found

    def text(self, name: str) -> str:
        """The one value of a required parameter.

        Raises:
            InvalidParameter: absent, or given more than once.
        """
        values = self.texts(name)
        if len(values) != 1:
            raise InvalidParameter(f"'{name}' is required, once.", field=name)
        return values[0]

    def query(self) -> list[tuple[str, str]]:
        """The parameters of a GET, to be sent on."""
        return [(name, str(value)) for name, values in self.parameters.items() for value in values]


def camel(name: str) -> str:
    """The second spelling that protocol buffers accept for a field."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def snake(name: str) -> str:
    """The field's own name for either spelling."""
    return re.sub(r"[A-Z]", lambda letter: "_" + letter[0].lower(), name)


def canonical_path(path: str) -> str:
    """The path as the table spells it: without the UI's prefix, and `/api/` for its twin `/ajax-api/`."""
    return _AJAX.sub("/api/", _PREFIX.sub("", path) or "/")


def target_path(path: str) -> str:
    """The path that the tracking server is asked: without the UI's prefix, quoted again.

    Raises:
        InvalidParameter: `.` or `..` segments, backslashes or control characters, at any depth of quoting.
    """
    bare = _PREFIX.sub("", path) or "/"
    for text in _unquoted(bare):
        if clean_path(text.strip("/")) is None and text.strip("/"):
            raise InvalidParameter("The path holds a segment that is not allowed.")
    return quote(bare, safe="/:@!$&'()*+,;=~")


def _unquoted(text: str) -> Iterator[str]:
    """The text, and what it becomes when it is unquoted again and again."""
    while True:
        yield text
        again = unquote(text)
        if again == text:
            return
        text = again


def check_artifact_path(path: str) -> str:
    """A path below the artifacts' root, fit to be passed on; its first segment is the experiment's id.

    Raises:
        InvalidParameter: empty, absolute, or leaving its folder at any depth of quoting.
    """
    for text in _unquoted(path):
        if clean_path(text) != posixpath.normpath(text) or text.split("/")[0] != path.split("/", maxsplit=1)[0]:
            raise InvalidParameter("'path' must be a relative path inside an experiment.", field="path")
    return path


def query_parameters(request: HttpRequest) -> dict[str, Any]:
    """The query of a GET: every name with all its values.

    Raises:
        InvalidParameter: text that cannot be stored.
    """
    parameters = {name: list(values) for name, values in request.GET.lists()}
    check_text(parameters)
    return parameters


def json_parameters(request: HttpRequest) -> dict[str, Any]:
    """The JSON body; an empty one is an empty object. Old clients encode it twice.

    Raises:
        InvalidParameter: not a JSON object, or text that cannot be stored.
        TooLarge: more bytes than a JSON body may have.
    """
    raw = _read_limited(request, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    if not raw.strip():
        return {}
    try:
        data = json.loads(raw)
        data = json.loads(data) if isinstance(data, str) else data
    except (ValueError, RecursionError) as error:
        raise InvalidParameter("The request body is not valid JSON.") from error
    if not isinstance(data, dict):
        raise InvalidParameter("The request body must be a JSON object.")
    check_text(data)
    return data


def _read_limited(request: HttpRequest, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    for chunk in body_chunks(request):
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"The request body is larger than {limit} bytes.")
        parts.append(chunk)
    return b"".join(parts)


def body_chunks(request: HttpRequest) -> Iterator[bytes]:
    """The body as it arrives; nothing is kept. A body without a declared length is read to its end.

    Raises:
        InvalidParameter: the connection broke before the end. Whoever passes the chunks on must break off too.
    """
    is_chunked = "chunked" in request.headers.get("Transfer-Encoding", "").lower()
    stream = request.META["wsgi.input"] if is_chunked else request
    received = 0
    while chunk := stream.read(CHUNK):
        received += len(chunk)
        yield chunk
    declared = 0 if is_chunked else int(request.META.get("CONTENT_LENGTH") or 0)
    # Without a length, only what the server noted tells a broken connection from the end of the body.
    if received < declared or (is_chunked and request.META.get("asgi.scope", {}).get("modelkeep.disconnected")):
        raise InvalidParameter("The request body broke off, nothing was kept: send it again.")
