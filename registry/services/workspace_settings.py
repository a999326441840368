"""Settings that an administrator changes while the product runs: whether tokens may be made, and for how long."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from registry.errors import InvalidParameter
from registry.models import WorkspaceSetting
from registry.privileges import Action
from registry.services.access import require
from registry.services.actors import Actor
from registry.services.audit import audited, audited_read, record
from registry.services.securables import metastore

ENABLE_TOKENS = "enableTokensConfig"
MAX_TOKEN_DAYS = "maxTokenLifetimeDays"  # noqa: S105  (the name of a setting)
_MOST_DAYS = 3650


@dataclass(frozen=True)
class TokenRules:
    """What holds for personal access tokens that are made from now on. `max_days` is None for no limit."""

    enabled: bool = True
    max_days: int | None = None


def _flag(value: object) -> str:
    text = str(value).strip().lower()
    if text not in {"true", "false"}:
        raise InvalidParameter(f"'{ENABLE_TOKENS}' is '{value}': use true or false.", field=ENABLE_TOKENS)
    return text


def _days(value: object) -> str:
    text = "" if value is None else str(value).strip()
    if text in {"", "0"}:
        return ""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_MOST_DAYS)) and int(text) <= _MOST_DAYS):
        raise InvalidParameter(
            f"'{MAX_TOKEN_DAYS}' is '{value}': use a whole number of days up to {_MOST_DAYS}, or nothing.",
            field=MAX_TOKEN_DAYS,
        )
    return str(int(text))


_RULES: dict[str, tuple[str, Callable[[object], str]]] = {ENABLE_TOKENS: ("true", _flag), MAX_TOKEN_DAYS: ("", _days)}
"""Each setting with its default and what makes a value of it, or refuses it."""


def token_rules() -> TokenRules:
    """The rules that `tokens.create_token` keeps. One query."""
    values = _values([ENABLE_TOKENS, MAX_TOKEN_DAYS])
    days = values[MAX_TOKEN_DAYS]
    return TokenRules(enabled=values[ENABLE_TOKENS] == "true", max_days=int(days) if days else None)


def _values(keys: Sequence[str]) -> dict[str, str]:
    stored = dict(WorkspaceSetting.objects.filter(key__in=keys).values_list("key", "value"))
    return {key: stored.get(key, _RULES[key][0]) for key in keys}


def _check_known(keys: Sequence[str]) -> None:
    for key in keys:
        if key not in _RULES:
            raise InvalidParameter(f"'{key}' is no setting here. There are: {', '.join(_RULES)}.", field="keys")


@audited_read
def get_settings(*, actor: Actor, keys: Sequence[str]) -> dict[str, str]:
    """The values of some settings.

    Raises:
        AccessDenied: not a metastore admin.
        InvalidParameter: an unknown key.
    """
    require(actor=actor, action=Action.ADMINISTER_METASTORE, securable=metastore())
    _check_known(keys)
    return _values(keys)


@audited
def update_settings(*, actor: Actor, values: Mapping[str, object]) -> dict[str, str]:
    """Change some settings, all or none, and answer with their values. What was made before stays.

    Raises:
        AccessDenied: not a metastore admin.
        InvalidParameter: an unknown key, or a value that it cannot have.
    """
    top = metastore()
    require(actor=actor, action=Action.ADMINISTER_METASTORE, securable=top)
    _check_known(list(values))
    wanted = {key: _RULES[key][1](value) for key, value in values.items()}
    before = _values(list(wanted))
    for key, value in wanted.items():
        WorkspaceSetting.objects.update_or_create(key=key, defaults={"value": value, "updated_by": actor.principal})
    record(actor=actor, action="updateWorkspaceSettings", securable=top, before=before, after=wanted)
    return wanted
