"""What webhooks can be told of, in MLflow's words: names of events, the shape of a message, examples for a test."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from registry.errors import InvalidParameter

EXAMPLES: dict[str, dict[str, Any]] = {
    "registered_model.created": {
        "name": "example_model",
        "tags": {"example_key": "example_value"},
        "description": "An example registered model",
    },
    "model_version.created": {
        "name": "example_model",
        "version": "1",
        "source": "models:/123",
        "run_id": "abcd1234abcd5678",
        "tags": {"example_key": "example_value"},
        "description": "An example model version",
    },
    "model_version_tag.set": {
        "name": "example_model",
        "version": "1",
        "key": "example_key",
        "value": "example_value",
    },
    "model_version_tag.deleted": {"name": "example_model", "version": "1", "key": "example_key"},
    "model_version_alias.created": {"name": "example_model", "alias": "example_alias", "version": "1"},
    "model_version_alias.deleted": {"name": "example_model", "alias": "example_alias"},
}
"""Every event there is, with the data that a test of it sends: MLflow's own examples."""

_NEVER_HERE = ("prompt", "budget_policy")


def check_events(given: Sequence[object]) -> list[str]:
    """The names of some events, each once, as `entity.action`.

    Raises:
        InvalidParameter: none at all, or one that never happens here.
    """
    names = list(dict.fromkeys(str(name).strip().lower() for name in given))
    if not names:
        raise InvalidParameter(f"'events' is empty: name some of {_known()}.", field="events")
    for name in names:
        if name not in EXAMPLES:
            reason = "there are no prompts or budgets here" if name.startswith(_NEVER_HERE) else "it is unknown"
            raise InvalidParameter(f"'events' holds '{name}', but {reason}: use some of {_known()}.", field="events")
    return names


def _known() -> str:
    return ", ".join(EXAMPLES)


def message(event: str, data: Mapping[str, Any], *, now: datetime) -> str:
    """The body that is sent for an event, byte for byte the same at every attempt."""
    entity, _, action = event.partition(".")
    return json.dumps({"entity": entity, "action": action, "timestamp": now.isoformat(), "data": dict(data)})
