"""Statements of governance, by recursive descent over tokens. What is not understood is refused, never passed on."""

from collections.abc import Callable, Mapping

from sqlglot import TokenType

from registry.privileges import SecurableType
from registry.sql.statements import (
    ChangeGrants,
    ChangeTags,
    CreateContainer,
    Describe,
    Drop,
    Governance,
    Rename,
    SetComment,
    SetOwner,
    Show,
    ShowGrants,
    Target,
    Use,
)
from registry.sql.tokens import Words, syntax_error, tokenize

_KINDS = {
    "CATALOG": SecurableType.CATALOG,
    "SCHEMA": SecurableType.SCHEMA,
    "DATABASE": SecurableType.SCHEMA,
    "TABLE": SecurableType.TABLE,
    "MODEL": SecurableType.REGISTERED_MODEL,
    "FUNCTION": SecurableType.REGISTERED_MODEL,
}
_LISTED = {
    "CATALOGS": SecurableType.CATALOG,
    "SCHEMAS": SecurableType.SCHEMA,
    "DATABASES": SecurableType.SCHEMA,
    "TABLES": SecurableType.TABLE,
    "MODELS": SecurableType.REGISTERED_MODEL,
}
_LEVELS = {
    SecurableType.CATALOG: 1,
    SecurableType.SCHEMA: 2,
    SecurableType.TABLE: 3,
    SecurableType.REGISTERED_MODEL: 3,
}
_DATA_WORDS = {"SELECT", "WITH", "VALUES", "INSERT", "FROM"}


def is_data(text: str) -> bool:
    """Whether a statement reads or writes the rows of tables; all others are statements of governance.

    Raises:
        InvalidParameter: no statement, or more than one.
    """
    tokens = tokenize(text)
    first = tokens[0].text.upper()
    if tokens[0].token_type == TokenType.L_PAREN or first in _DATA_WORDS:
        return True
    ahead = [token.text.upper() for token in tokens[1:4]]
    return first == "CREATE" and (ahead[:1] == ["TABLE"] or ahead == ["OR", "REPLACE", "TABLE"])


def parse_governance(text: str, parameters: Mapping[str, str | None] | None = None) -> Governance:
    """What a statement of governance asks for.

    Raises:
        InvalidParameter: not one of the statements that are understood, or not in their form.
    """
    words = Words(tokenize(text), parameters or {})
    first = words.word("a statement")
    parse = _STATEMENTS.get(first)
    if parse is None:
        raise syntax_error(f"{first} is not supported. Supported: {', '.join(sorted(_STATEMENTS))}, SELECT, INSERT.")
    statement = parse(words)
    words.end()
    return statement


def _target(words: Words, *, optional_kind: SecurableType | None = None) -> Target:
    """A kind and a name; a bare name is of the optional kind."""
    for word, kind in _KINDS.items():
        if words.take(word):
            return Target(kind, words.name(f"the name of a {word.lower()}", most=_LEVELS[kind]))
    if optional_kind is None:
        raise words.refuse("CATALOG, SCHEMA, TABLE or MODEL")
    return Target(optional_kind, words.name("a name", most=_LEVELS[optional_kind]))


def _granted_on(words: Words) -> Target:
    words.expect("ON")
    if words.take("METASTORE"):
        return Target(SecurableType.METASTORE)
    return _target(words, optional_kind=SecurableType.TABLE)


def _privileges(words: Words) -> tuple[str, ...]:
    found = []
    while True:
        name = [words.word("a privilege")]
        while not (words.at(",") or words.at("ON")):
            name.append(words.word("',' or ON"))
        found.append(" ".join(name))
        if not words.take(","):
            return tuple(found)


def _grant(words: Words) -> Governance:
    privileges, target = _privileges(words), _granted_on(words)
    words.expect("TO")
    return ChangeGrants(privileges, target, words.principal())


def _revoke(words: Words) -> Governance:
    privileges, target = _privileges(words), _granted_on(words)
    words.expect("FROM")
    return ChangeGrants(privileges, target, words.principal(), revoke=True)


def _show(words: Words) -> Governance:
    if words.take("GRANTS") or words.take("GRANT"):
        principal = "" if words.at("ON") else words.principal()
        return ShowGrants(_granted_on(words), principal)
    kind = _LISTED[words.one_of(*_LISTED)]
    inside: tuple[str, ...] = ()
    if kind != SecurableType.CATALOG and (words.take("IN") or words.take("FROM")):
        inside = words.name("the name of a container", most=_LEVELS[kind] - 1)
    pattern = ""
    if words.take("LIKE") or not words.ended:
        pattern = words.text("a pattern in quotes")
    return Show(kind, inside, pattern)


def _alter(words: Words) -> Governance:
    target = _target(words)
    if words.take("RENAME", "TO"):
        return Rename(target, words.name("the new name", most=_LEVELS[target.kind]))
    if words.take("SET", "TAGS"):
        return ChangeTags(target, tags=_tags(words))
    if words.take("UNSET", "TAGS"):
        return ChangeTags(target, remove=_keys(words))
    if words.take("SET", "OWNER", "TO") or words.take("OWNER", "TO"):
        return SetOwner(target, words.principal())
    raise words.refuse("OWNER TO, SET OWNER TO, SET TAGS, UNSET TAGS or RENAME TO")


def _tags(words: Words) -> dict[str, str]:
    words.expect("(")
    tags: dict[str, str] = {}
    while True:
        key = words.text("the key of a tag in quotes")
        tags[key] = words.text("the value of a tag in quotes") if words.take("=") else ""
        if not words.take(","):
            words.expect(")")
            return tags


def _keys(words: Words) -> tuple[str, ...]:
    words.expect("(")
    keys = [words.text("the key of a tag in quotes")]
    while words.take(","):
        keys.append(words.text("the key of a tag in quotes"))
    words.expect(")")
    return tuple(keys)


def _comment(words: Words) -> Governance:
    words.expect("ON")
    target = _target(words)
    words.expect("IS")
    return SetComment(target, "" if words.take("NULL") else words.text("a comment in quotes"))


def _container(words: Words) -> SecurableType:
    return _KINDS[words.one_of("CATALOG", "SCHEMA", "DATABASE")]


def _create(words: Words) -> Governance:
    kind = _container(words)
    if_not_exists = words.take("IF", "NOT", "EXISTS")
    target = Target(kind, words.name("a name", most=_LEVELS[kind]))
    comment = words.text("a comment in quotes") if words.take("COMMENT") else ""
    return CreateContainer(target, if_not_exists, comment)


def _drop(words: Words) -> Governance:
    kind = _KINDS[words.one_of(*_KINDS)]
    if_exists = words.take("IF", "EXISTS")
    target = Target(kind, words.name("a name", most=_LEVELS[kind]))
    cascade = words.take("CASCADE")
    if not cascade:
        words.take("RESTRICT")
    return Drop(target, if_exists, cascade)


def _describe(words: Words) -> Governance:
    kind = next((kind for word, kind in _KINDS.items() if words.take(word)), SecurableType.TABLE)
    words.take("EXTENDED")
    return Describe(Target(kind, words.name("a name", most=_LEVELS[kind])))


def _use(words: Words) -> Governance:
    kind = SecurableType.SCHEMA
    if any(words.at(word) for word in ("CATALOG", "SCHEMA", "DATABASE")):
        kind = _container(words)
    return Use(Target(kind, words.name("the name of a catalog or schema", most=_LEVELS[kind])))


_STATEMENTS: dict[str, Callable[[Words], Governance]] = {
    "ALTER": _alter,
    "COMMENT": _comment,
    "CREATE": _create,
    "DESC": _describe,
    "DESCRIBE": _describe,
    "DROP": _drop,
    "GRANT": _grant,
    "REVOKE": _revoke,
    "SHOW": _show,
    "USE": _use,
}
