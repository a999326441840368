"""A statement cut into pieces for the eye: words of the language, strings, numbers, comments, and what is wrong."""

import re
from dataclasses import dataclass

import sqlglot
from sqlglot import Token, TokenType
from sqlglot.dialects.databricks import Databricks
from sqlglot.errors import SqlglotError

_GOVERNANCE = {
    *("GRANT", "REVOKE", "GRANTS", "SHOW", "ON", "TO", "FROM", "OWNER", "TAGS", "COMMENT", "CATALOG", "CATALOGS"),
    *("SCHEMA", "SCHEMAS", "TABLE", "TABLES", "MODEL", "MODELS", "FUNCTION", "DATABASE", "RENAME", "CASCADE", "USE"),
    *("DESCRIBE", "EXTENDED", "IF", "EXISTS", "SELECT", "PRIVILEGES", "VERSION", "TIMESTAMP", "OF", "AS"),
}
_WORDS = _GOVERNANCE | {word for word in Databricks.Tokenizer.KEYWORDS if word.isalpha()}
_STRINGS = {TokenType.STRING, TokenType.RAW_STRING}
_SHOW = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*show\b", re.IGNORECASE | re.DOTALL)
_PLACE = re.compile(r"Line (\d+), Col: (\d+)")
_FOUND = re.compile(r"found '(.+?)'")
_QUOTED = re.compile(r"""['"`]([^'"`]+)['"`]""")


@dataclass(frozen=True)
class Piece:
    """Text of one kind: `word`, `string`, `number`, `comment` or nothing; `wrong` where an error points at it."""

    text: str
    kind: str = ""
    wrong: bool = False


def pieces(text: str, *, error: str = "") -> list[Piece]:
    """The statement in pieces that together are the text. What cannot be read is one plain piece.

    `error` is the message it failed with: the word that it points at is wrong, where that is one word alone.
    """
    shown = _SHOW.match(text)
    begin = shown.end() if shown else 0
    try:
        tokens = sqlglot.tokenize(text[begin:], read="databricks")
    except (SqlglotError, RecursionError):
        return [Piece(text)]
    spans = [(begin + token.start, begin + token.end + 1, _kind(token)) for token in tokens]
    if shown:
        spans.insert(0, (begin - len("show"), begin, "word"))
    wrong = _wrong(text, [(first, last) for first, last, _ in spans], error)
    found: list[Piece] = []
    at = 0
    for first, last, kind in spans:
        _gap(found, text[at:first])
        found.append(Piece(text[first:last], kind, wrong=(first, last) == wrong))
        at = last
    _gap(found, text[at:])
    return found


def _gap(found: list[Piece], text: str) -> None:
    if text:
        found.append(Piece(text, "comment" if text.strip() else ""))


def _kind(token: Token) -> str:
    if token.token_type in _STRINGS:
        return "string"
    if token.token_type == TokenType.NUMBER:
        return "number"
    is_word = token.token_type != TokenType.IDENTIFIER and token.text.upper() in _WORDS
    return "word" if is_word else ""


def _wrong(text: str, spans: list[tuple[int, int]], error: str) -> tuple[int, int] | None:
    place = _PLACE.search(error)
    if place:
        lines = text.splitlines(keepends=True)[: int(place[1]) - 1]
        end = sum(map(len, lines)) + int(place[2])
        return next((span for span in spans if span[0] < end <= span[1]), None)
    found = _FOUND.search(error)
    for name in [found[1]] if found else _QUOTED.findall(error):
        hits = [span for span in spans if text[span[0] : span[1]].strip("`\"'").lower() == name.lower()]
        if len(hits) == 1:
            return hits[0]
    return None
