"""The input example that MLflow saved with a model, as the request that a client would send."""

import json
from typing import Any

from django.conf import settings

from registry.errors import TooLarge
from registry.models import ModelVersion
from registry.services.artifacts import read_small_file

SERVING_EXAMPLE = "serving_input_example.json"
_WRAPPED_AS = {"split": "dataframe_split", "records": "dataframe_records"}


def example_request(version: ModelVersion) -> str | None:
    """The JSON text of a request for the version's input example; None when it has none that can be sent.

    MLflow writes that request itself since 2.14; for older models it is made from the example.
    """
    info = version.mlmodel.get("saved_input_example_info")
    if not isinstance(info, dict):
        return None
    ready = _text(version, str(info.get("serving_input_path") or SERVING_EXAMPLE))
    if ready is not None:
        return ready
    raw = _text(version, str(info.get("artifact_path") or ""))
    return _wrapped(raw, info) if raw is not None else None


def _text(version: ModelVersion, path: str) -> str | None:
    if not path:
        return None
    try:
        raw = read_small_file(version, path, settings.SERVING_MAX_BODY_BYTES)
    except TooLarge:
        return None
    return raw.decode(errors="replace") if raw is not None else None


def _wrapped(raw: str, info: dict[str, Any]) -> str | None:
    if info.get("type") == "dataframe":
        orient = str(info.get("pandas_orient") or "split")
        return f'{{"{_WRAPPED_AS[orient]}": {raw}}}' if orient in _WRAPPED_AS else None
    try:
        value = json.loads(raw)
    except ValueError:
        return None
    return raw if isinstance(value, dict) and "inputs" in value else f'{{"inputs": {raw}}}'
