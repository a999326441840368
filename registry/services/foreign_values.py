"""Values out of somebody else's JSON, made fit to be stored: no NUL, no half characters, of the right type."""

import math
import re
from typing import Any

MAX_TEXT = 100_000
_UNSTORABLE_ESCAPE = re.compile(r"\\u(?:0000|d[89a-f])", re.IGNORECASE)


def text(value: Any) -> str:
    """Text; numbers are written out, anything else reads as empty."""
    if not isinstance(value, str):
        return str(value)[:MAX_TEXT] if isinstance(value, int | float) else ""
    return value[:MAX_TEXT].replace("\x00", "").encode("utf-8", "replace").decode()


def whole(value: Any) -> int:
    """A whole number from 0 up; 0 for whatever is none."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return 0
    return number if 0 <= number < 2**53 else 0


def mapping(value: Any) -> dict[str, Any]:
    """An object; empty for whatever is none."""
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; empty for whatever is none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def params(value: Any) -> list[dict[str, str]]:
    """Parameters as versions keep them, from a list with `key` or `name`."""
    named = ((one.get("name") or one.get("key"), one.get("value")) for one in mappings(value))
    return [{"name": text(name), "value": text(given)} for name, given in named]


def metrics(value: Any) -> list[dict[str, Any]]:
    """Metrics as versions keep them; those that are no number are left out."""
    return [metric for metric in map(_metric, mappings(value)) if metric]


def _metric(raw: dict[str, Any]) -> dict[str, Any]:
    try:
        value = float(raw.get("value", "nan"))
    except (TypeError, ValueError):
        return {}
    if not math.isfinite(value):
        return {}
    number = {"value": value, "timestamp": whole(raw.get("timestamp")), "step": whole(raw.get("step"))}
    return {"key": text(raw.get("key")), **number}


def dataset_inputs(value: Any) -> list[dict[str, Any]]:
    """The datasets that a run names as its inputs."""
    return [_dataset_input(one) for one in mappings(value)]


def _dataset_input(raw: dict[str, Any]) -> dict[str, Any]:
    dataset = mapping(raw.get("dataset"))
    kept = {name: text(dataset.get(name)) for name in ("name", "digest", "source_type", "source")}
    if _UNSTORABLE_ESCAPE.search(kept["source"]):
        kept["source"] = ""
    tags = [{"key": text(tag.get("key")), "value": text(tag.get("value"))} for tag in mappings(raw.get("tags"))]
    return {"dataset": kept, "tags": tags}
