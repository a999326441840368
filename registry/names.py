"""Names of securables, aliases and tags: the one place for their rules."""

import re

from django.conf import settings

from registry.errors import InvalidParameter

MAX_NAME_LENGTH = 255
_FORBIDDEN_IN_NAME = re.compile(r"[./\\\x00-\x1f\x7f]")
_VERSION_ALIAS = re.compile(r"v\d+", re.IGNORECASE)
_ALIAS = re.compile(r"[A-Za-z0-9_-]+")
_FORBIDDEN_IN_TAG_KEY = re.compile(r"[.,\-=/:\x00-\x1f\x7f]")
_MODEL_ID = re.compile(r"m-[0-9a-f]{32}")

THREE_LEVELS = "specify all three levels"


def lookup_key(name: str) -> str:
    """The form under which a name is unique and found: names differ by more than their case."""
    return name.strip().lower()


def check_name(name: object, *, field: str) -> str:
    """One part of a full name, fit to be stored.

    Raises:
        InvalidParameter: empty, too long, or with a character that cannot stand in a path.
    """
    if not isinstance(name, str) or not name.strip():
        raise InvalidParameter(f"'{field}' is required: give a name that is not empty.", field=field)
    if name != name.strip():
        raise InvalidParameter(f"'{field}' must not begin or end with a space.", field=field)
    if len(name) > MAX_NAME_LENGTH:
        raise InvalidParameter(f"'{field}' is longer than {MAX_NAME_LENGTH} characters.", field=field)
    if _FORBIDDEN_IN_NAME.search(name):
        raise InvalidParameter(
            f"'{field}' is {name!r}: a name must not contain '.', '/', '\\' or control characters.",
            field=field,
        )
    return name


def split_model_name(full_name: object, *, field: str = "name") -> tuple[str, str, str]:
    """Split `catalog.schema.model`, resolving a short name against the workspace's default schema, if one is set.

    Raises:
        InvalidParameter: not three levels (the message holds the words that stock clients look for).
    """
    if not isinstance(full_name, str) or not full_name.strip():
        raise InvalidParameter(f"'{field}' is required: the model's name as catalog.schema.model.", field=field)
    parts = full_name.strip().split(".")
    if settings.DEFAULT_CATALOG and len(parts) < 3:
        defaults = [settings.DEFAULT_CATALOG, settings.DEFAULT_SCHEMA]
        parts = defaults[: 3 - len(parts)] + parts
    if len(parts) != 3 or not all(parts):
        raise InvalidParameter(
            f"'{full_name}' is not a valid name for a model: {THREE_LEVELS}, as in catalog.schema.model.",
            field=field,
        )
    return parts[0], parts[1], parts[2]


def split_full_name(full_name: str, *, levels: int, field: str = "full_name") -> list[str]:
    """Split a dotted name of exactly `levels` parts.

    Raises:
        InvalidParameter: another number of parts.
    """
    parts = full_name.strip().split(".")
    if len(parts) != levels or not all(parts):
        shape = ".".join(["catalog", "schema", "name"][:levels])
        raise InvalidParameter(f"'{full_name}' is not a valid '{field}': write it as {shape}.", field=field)
    return parts


def check_alias(alias: object) -> str:
    """An alias that may be set on a model.

    Raises:
        InvalidParameter: empty, too long, reserved (`latest`, `v<digits>`) or with a character outside [A-Za-z0-9_-].
    """
    if not isinstance(alias, str) or not alias:
        raise InvalidParameter("'alias' is required: give the alias a name.", field="alias")
    if len(alias) > settings.MAX_ALIAS_LENGTH:
        raise InvalidParameter(f"'alias' is longer than {settings.MAX_ALIAS_LENGTH} characters.", field="alias")
    if not _ALIAS.fullmatch(alias):
        raise InvalidParameter(
            f"'alias' is {alias!r}: use letters, digits, underscores and dashes only.", field="alias"
        )
    if alias.lower() == "latest":
        raise InvalidParameter(
            "'latest' is reserved: it would read as the newest version. Choose another alias.", field="alias"
        )
    if _VERSION_ALIAS.fullmatch(alias):
        raise InvalidParameter(f"'{alias}' reads as a version number. Choose another alias.", field="alias")
    return alias


def check_tag_key(key: object) -> str:
    """A tag key that may be set.

    Raises:
        InvalidParameter: empty, too long, padded with spaces, or holding one of `. , - = / :`.
    """
    if not isinstance(key, str) or not key.strip():
        raise InvalidParameter("'key' is required: give the tag a key.", field="key")
    if len(key) > settings.MAX_TAG_KEY_LENGTH:
        raise InvalidParameter(f"Tag key is longer than {settings.MAX_TAG_KEY_LENGTH} characters.", field="key")
    if key != key.strip():
        raise InvalidParameter(f"Tag key {key!r} must not begin or end with a space.", field="key")
    # MLflow's own clients mark models with keys such as mlflow.prompt.is_prompt.
    if _FORBIDDEN_IN_TAG_KEY.search(key.removeprefix("mlflow.") if key.startswith("mlflow.") else key):
        if key.startswith("mlflow.") and not re.search(r"[,\-=/:\x00-\x1f\x7f]", key):
            return key
        raise InvalidParameter(
            f"Tag key {key!r} holds a character that is not allowed: none of . , - = / : may stand in a key.",
            field="key",
        )
    return key


def check_tag_value(value: object) -> str:
    """A tag value that may be set; absent reads as empty.

    Raises:
        InvalidParameter: too long.
    """
    text = "" if value is None else str(value)
    if len(text) > settings.MAX_TAG_VALUE_LENGTH:
        raise InvalidParameter(f"Tag value is longer than {settings.MAX_TAG_VALUE_LENGTH} characters.", field="value")
    return text


def check_version_number(value: object, *, field: str = "version") -> int:
    """A version number from the wire, which may be text.

    Raises:
        InvalidParameter: not a whole number from 1 to 2147483647.
    """
    try:
        number = int(str(value))
    except ValueError:
        number = 0
    if not 0 < number < 2**31:
        raise InvalidParameter(f"'{field}' is {value!r}: a version is a whole number from 1 up.", field=field)
    return number


def find_model_id(text: str) -> str | None:
    """The logged-model id (`m-` and 32 hex digits) in a source URI, if there is one."""
    match = _MODEL_ID.search(text)
    return match.group() if match else None
