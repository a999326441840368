"""Template filters of the pages of models and versions."""

import json
import re
from collections.abc import Mapping
from typing import Any

from django import template

from registry.models import AuditEvent, VersionStatus

register = template.Library()

_WORDS = {
    VersionStatus.READY: "Ready",
    VersionStatus.PENDING_REGISTRATION: "Pending",
    VersionStatus.FAILED_REGISTRATION: "Failed",
}
_ACTIONS = {
    "generateTemporaryModelVersionCredential": "Load version",
    "getRegisteredModel": "See model",
    "getModelVersion": "See version",
    "suggestDescription": "Draft description",
}
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SHOWN = 160
_NOTHING: tuple[Any, ...] = (None, "", {}, [])
_MANY, _FEW = 1e6, 1e-3


@register.filter
def status_word(status: str) -> str:
    """The state of versions as a word."""
    return _WORDS.get(VersionStatus(status), status)


@register.filter
def short_number(value: Any) -> str:
    """A number as it is read at a glance: five digits that count."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) and abs(value) < _MANY:
        return str(value)
    if value and not _FEW <= abs(value) < _MANY:
        return f"{value:.4g}"
    return f"{value:.5g}"


@register.filter
def exact_number(value: float) -> str:
    """A number without the noise of its binary form: nine digits that count."""
    return f"{value:.9g}"


@register.filter
def at_key(mapping: Mapping[str, Any], key: str) -> Any:
    """The value under a key, None where there is none."""
    return mapping.get(key)


@register.filter
def moves_json(alias: str, version: int | None) -> str:
    """One move of an alias as its form sends it."""
    return json.dumps({alias: version})


@register.filter
def action_words(action: str) -> str:
    """The name of an audited action as people read it: `setRegisteredModelAlias` is "Set registered model alias"."""
    words = _ACTIONS.get(action) or _CAPITAL.sub(" ", action).lower()
    return words[:1].upper() + words[1:]


@register.filter
def event_details(event: AuditEvent) -> str:
    """The parameters of an event in one line, and what it changed."""
    params = event.params or {}
    said = [f"{key} {_short(value)}" for key, value in params.items() if value not in _NOTHING]
    before, after = event.before or {}, event.after or {}
    if isinstance(before, dict) and isinstance(after, dict):
        changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
        said += [f"{key}: {_change(before.get(key), after.get(key))}" for key in changed]
    return ", ".join(said)


def _change(before: Any, after: Any) -> str:
    return _short(after) if before in _NOTHING else f"{_short(before)} → {_short(after)}"


def _short(value: Any) -> str:
    if value in _NOTHING:
        return "none"
    if isinstance(value, list) and not any(isinstance(one, list | dict) for one in value):
        value = ", ".join(map(str, value))
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
