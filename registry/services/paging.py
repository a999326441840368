"""Keyset pages: a page costs the same wherever it lies, and rows that come or go never shift another page."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, Q, QuerySet

from registry.errors import InvalidParameter

M = TypeVar("M", bound=Model)
T = TypeVar("T")

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 10_000


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows, and the token that the next page is asked with; empty on the last page."""

    items: list[T]
    next_page_token: str = ""

    def map(self, shape: Callable[[T], Any]) -> list[Any]:
        """The rows in another shape."""
        return [shape(item) for item in self.items]


def page_size(asked: int | None, *, default: int = DEFAULT_PAGE_SIZE, maximum: int = MAX_PAGE_SIZE) -> int:
    """How many rows to give: 0 and None mean the server's choice.

    Raises:
        InvalidParameter: negative.
    """
    if asked is None or asked == 0:
        return default
    if asked < 0:
        raise InvalidParameter("'max_results' must not be negative.", field="max_results")
    return min(asked, maximum)


def fetch_page(queryset: "QuerySet[M]", *, order: Sequence[str], size: int, token: str, scope: str = "") -> Page[M]:
    """One page in the given order (field names, `-` for descending; together unique).

    `scope` names what is listed: a token of another list is refused. One query.

    Raises:
        InvalidParameter: a token that this list did not give out.
    """
    fields = [name.lstrip("-") for name in order]
    if token:
        queryset = queryset.filter(_after(order, _decode(token, scope=scope, length=len(fields))))
    rows = list(queryset.order_by(*order)[: size + 1])
    if len(rows) <= size:
        return Page(rows)
    last = rows[size - 1]
    return Page(rows[:size], _encode([_value(last, name) for name in fields], scope=scope))


def token_behind(value: int, *, scope: str) -> str:
    """The token of a page that begins behind a row, for lists that are put together in Python."""
    return _encode([value], scope=scope)


def open_token(token: str, *, scope: str) -> int:
    """What `token_behind` was given.

    Raises:
        InvalidParameter: a token that this list did not give out.
    """
    (value,) = _decode(token, scope=scope, length=1)
    if not isinstance(value, int):
        raise _unknown_token()
    return value


def _after(order: Sequence[str], values: Sequence[Any]) -> Q:
    """Rows behind the given one: the first field beyond, or equal and the next beyond, and so on."""
    condition, equal = Q(), Q()
    for name, value in zip(order, values, strict=True):
        field = name.lstrip("-")
        beyond = "lt" if name.startswith("-") else "gt"
        condition |= equal & Q(**{f"{field}__{beyond}": value})
        equal &= Q(**{field: value})
    # Says nothing new, but lets an index on the first field start where the page does.
    first = order[0].lstrip("-")
    return Q(**{f"{first}__{'lte' if order[0].startswith('-') else 'gte'}": values[0]}) & condition


def _value(row: Model, path: str) -> Any:
    value: Any = row
    for name in path.split("__"):
        value = getattr(value, name)
    return value if isinstance(value, int | str) else str(value)


def _encode(values: Sequence[Any], *, scope: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([scope, *values]).encode()).decode().rstrip("=")


def _decode(token: str, *, scope: str, length: int) -> list[Any]:
    try:
        values = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, binascii.Error, UnicodeDecodeError) as error:
        raise _unknown_token() from error
    if not isinstance(values, list) or len(values) != length + 1 or values[0] != scope:
        raise _unknown_token()
    if not all(isinstance(value, int | str) and "\x00" not in str(value) for value in values):
        raise _unknown_token()
    return values[1:]


def _unknown_token() -> InvalidParameter:
    return InvalidParameter(
        "'page_token' is not one that this list gave out: leave it away to start again.", field="page_token"
    )
