"""The filter and order language of MLflow's registry searches: conditions joined by AND, one or more order keys."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from registry.errors import InvalidParameter

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^']|'')*'|"[^"]*")
      | (?P<name>[A-Za-z_][\w]*(?:\.(?:`[^`]+`|"[^"]+"|[\w.\-]+))?)
      | (?P<comparator>!=|<=|>=|=|<|>)
      | (?P<number>-?\d+(?:\.\d+)?)
      | (?P<punctuation>[(),])
    )""",
    re.VERBOSE,
)
_WORDS = {"AND", "OR", "IN", "LIKE", "ILIKE", "NOT"}
_NUMERIC = ("version_number", "version")
"""Fields whose values may stand without quotes."""
_MOST_CONDITIONS = 20


@dataclass(frozen=True)
class Condition:
    """`field comparator values`; for a tag, `field` is "tag" and `key` names it. `IN` and `NOT IN` have several."""

    field: str
    comparator: str
    values: tuple[str, ...]
    key: str = ""

    @property
    def value(self) -> str:
        """The one value."""
        return self.values[0]


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str


def parse_filter(text: str) -> list[Condition]:
    """The conditions of a filter; none for an empty one.

    Raises:
        InvalidParameter: not this language, with an example of what is.
    """
    tokens = _tokens(text)
    conditions: list[Condition] = []
    while tokens:
        if conditions:
            _expect(tokens, "AND", text)
        conditions.append(_condition(tokens, text))
    if len(conditions) > _MOST_CONDITIONS:
        raise InvalidParameter(f"'filter' has more than {_MOST_CONDITIONS} conditions.", field="filter")
    return conditions


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            raise _unreadable(text)
        kind = match.lastgroup or ""
        word = match[kind]
        tokens.append(_Token("word", word.upper()) if word.upper() in _WORDS else _Token(kind, word))
        position = match.end()
    return tokens


def _condition(tokens: list[_Token], text: str) -> Condition:
    field = _take(tokens, {"name"}, text)
    comparator = _take(tokens, {"comparator", "word"}, text)
    if comparator == "NOT":
        _expect(tokens, "IN", text)
        comparator = "NOT IN"
    if comparator in {"IN", "NOT IN"}:
        values = _value_list(tokens, text)
    elif comparator in {"AND", "OR"}:
        raise _unreadable(text)
    else:
        kinds = {"text", "number"} if field.lower().endswith(_NUMERIC) else {"text"}
        values = (_unquote(_take(tokens, kinds, text)),)
    prefix, _, key = field.partition(".")
    if prefix.lower() in {"tag", "tags"} and key:
        return Condition("tag", comparator, values, _unquote(key))
    if prefix.lower() in {"attribute", "attributes"} and key:
        field = key
    return Condition(field.lower(), comparator, values)


def _value_list(tokens: list[_Token], text: str) -> tuple[str, ...]:
    values: list[str] = []
    _expect(tokens, "(", text)
    while True:
        values.append(_unquote(_take(tokens, {"text"}, text)))
        if _take(tokens, {"punctuation"}, text) == ")":
            return tuple(values)


def _take(tokens: list[_Token], kinds: set[str], text: str) -> str:
    if not tokens or tokens[0].kind not in kinds:
        raise _unreadable(text)
    return tokens.pop(0).text


def _expect(tokens: list[_Token], word: str, text: str) -> None:
    if not tokens or tokens.pop(0).text != word:
        raise _unreadable(text)


def _unquote(text: str) -> str:
    if text[:1] in {"'", '"', "`"}:
        return text[1:-1].replace("''", "'")
    return text


def _unreadable(text: str) -> InvalidParameter:
    return InvalidParameter(
        f"'filter' is {text!r}, which cannot be read. Write conditions joined by AND, such as "
        "name ILIKE '%churn%' AND tags.team = 'risk'.",
        field="filter",
    )


def parse_order(keys: Sequence[str], fields: dict[str, str], *, default: Sequence[str]) -> list[str]:
    """Django's order for `order_by` keys such as `name DESC`; `default` is appended to make the order complete.

    Raises:
        InvalidParameter: a key that is not among `fields`, or one that is given twice.
    """
    order: list[str] = []
    for key in keys:
        name, _, direction = key.strip().partition(" ")
        direction = direction.strip().upper() or "ASC"
        path = fields.get(name.removeprefix("attribute.").strip('`"').lower())
        if path is None or direction not in {"ASC", "DESC"}:
            raise InvalidParameter(
                f"'order_by' is {key!r}: use one of {', '.join(fields)}, with ASC or DESC.", field="order_by"
            )
        order.append(("-" if direction == "DESC" else "") + path)
    taken = {path.lstrip("-") for path in order}
    if len(taken) < len(order):
        raise InvalidParameter(f"'order_by' names a field twice: {', '.join(keys)}.", field="order_by")
    return order + [path for path in default if path.lstrip("-") not in taken]
