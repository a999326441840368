"""The words of one statement, read from left to right."""

import re
from collections.abc import Mapping

import sqlglot
from sqlglot import Token, TokenType
from sqlglot.errors import SqlglotError

from registry.errors import InvalidParameter

_WORD = re.compile(r"\w+")
_SHOW = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*show\b", re.IGNORECASE | re.DOTALL)
_STRINGS = {TokenType.STRING, TokenType.RAW_STRING}


def syntax_error(message: str) -> InvalidParameter:
    """A statement that cannot be understood."""
    return InvalidParameter(f"[PARSE_SYNTAX_ERROR] {message}", field="statement")


def tokenize(text: str) -> list[Token]:
    """The tokens of exactly one statement; a semicolon at its end is left away.

    Raises:
        InvalidParameter: nothing there, more than one statement, or an unclosed quote.
    """
    show = _SHOW.match(text)
    try:
        # Behind a leading SHOW the tokenizer gives the rest as one string, so that word is taken off first.
        tokens = sqlglot.tokenize(text[show.end() :] if show else text, read="databricks")
    except (SqlglotError, RecursionError) as error:
        raise syntax_error("The statement cannot be read: a quote or a comment is not closed.") from error
    if show:
        tokens.insert(0, Token(TokenType.VAR, "SHOW"))
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens.pop()
    if not tokens:
        raise syntax_error("The statement is empty.")
    if any(token.token_type == TokenType.SEMICOLON for token in tokens):
        raise syntax_error("Send one statement at a time: there is something behind the semicolon.")
    return tokens


class Words:
    """A cursor over tokens. What does not fit raises InvalidParameter, saying what was expected."""

    def __init__(self, tokens: list[Token], parameters: Mapping[str, str | None]) -> None:
        self._tokens = tokens
        self._parameters = parameters
        self._position = 0

    def _peek(self, ahead: int = 0) -> Token | None:
        position = self._position + ahead
        return self._tokens[position] if position < len(self._tokens) else None

    def refuse(self, expected: str) -> InvalidParameter:
        """The error of an unexpected word."""
        token = self._peek()
        found = f"found '{token.text}'" if token else "the statement ends"
        return syntax_error(f"Expected {expected}, but {found}.")

    def at(self, *words: str) -> bool:
        """Whether these words come next."""
        for ahead, word in enumerate(words):
            token = self._peek(ahead)
            if token is None or _is_quoted(token) or token.text.upper() != word:
                return False
        return True

    def take(self, *words: str) -> bool:
        """Step over these words if they come next."""
        if not self.at(*words):
            return False
        self._position += len(words)
        return True

    def expect(self, *words: str) -> None:
        """Step over these words."""
        if not self.take(*words):
            raise self.refuse(" ".join(words))

    def one_of(self, *words: str) -> str:
        """Step over one of these words and answer it."""
        for word in words:
            if self.take(word):
                return word
        raise self.refuse(" or ".join(words))

    @property
    def ended(self) -> bool:
        """Whether nothing follows."""
        return self._peek() is None

    def end(self) -> None:
        """Nothing may follow."""
        if not self.ended:
            raise self.refuse("the end of the statement")

    def word(self, expected: str) -> str:
        """An unquoted word, in capitals."""
        token = self._peek()
        if token is None or _is_quoted(token) or not _WORD.fullmatch(token.text):
            raise self.refuse(expected)
        self._position += 1
        return token.text.upper()

    def identifier(self, expected: str) -> str:
        """A name: a word, or anything in back-ticks."""
        token = self._peek()
        plain = token is not None and not _is_quoted(token) and _WORD.fullmatch(token.text)
        if token is None or not (plain or token.token_type == TokenType.IDENTIFIER):
            raise self.refuse(expected)
        self._position += 1
        return token.text

    def name(self, expected: str, *, most: int = 3) -> tuple[str, ...]:
        """A dotted name of at most so many parts."""
        parts = [self.identifier(expected)]
        while self.take("."):
            parts.append(self.identifier(expected))
        if len(parts) > most:
            raise syntax_error(f"'{'.'.join(parts)}' has too many parts: expected {expected}.")
        check_parts(parts)
        return tuple(parts)

    def principal(self) -> str:
        """A user, service principal or group."""
        name = self.identifier("a principal")
        if self.at("@") or self.at("-") or self.at("."):
            raise syntax_error("Put the principal in back-ticks: `someone@example.com`.")
        return name

    def text(self, expected: str) -> str:
        """A string; strings that stand side by side are one. A parameter may stand in its place."""
        if self.take(":"):
            name = self.identifier("the name of a parameter")
            if name not in self._parameters:
                raise missing_parameter(name)
            return self._parameters[name] or ""
        pieces = []
        while (token := self._peek()) is not None and token.token_type in _STRINGS:
            pieces.append(token.text)
            self._position += 1
        if not pieces:
            raise self.refuse(expected)
        return "".join(pieces)


def check_parts(parts: list[str]) -> None:
    """Refuse a part that holds a dot: names are joined with dots further on.

    Raises:
        InvalidParameter.
    """
    for part in parts:
        if not part.strip() or "." in part:
            raise syntax_error(f"'{part}' is no name: each part stands in back-ticks of its own, as in `a`.`b`.`c`.")


def missing_parameter(name: str) -> InvalidParameter:
    """The error of a marker without a value."""
    return InvalidParameter(
        f"[UNBOUND_SQL_PARAMETER] The statement has a marker ':{name}': send a value for it in 'parameters'.",
        field="parameters",
    )


def _is_quoted(token: Token) -> bool:
    return token.token_type == TokenType.IDENTIFIER or token.token_type in _STRINGS
