"""Names in this dialect are free text; ours have three levels. A bare name lives in the workspace's own schema."""

from typing import Any

from django.conf import settings

from registry.api.wire import text_of
from registry.services.setup import WORKSPACE_CATALOG


def full_name(name: str) -> str:
    """The three-level name that a bare name stands for; any other name stays as it is."""
    if not name or "." in name:
        return name
    return f"{settings.DEFAULT_CATALOG or WORKSPACE_CATALOG}.{settings.DEFAULT_SCHEMA}.{name}"


def name_of(parameters: dict[str, Any], field: str = "name") -> str:
    """The model's full name out of the parameters.

    Raises:
        InvalidParameter: absent, or no text.
    """
    return full_name(text_of(parameters, field, required=True))


def order_of(parameters: dict[str, Any]) -> list[str]:
    """The `order_by` keys, of which a query may give one or several."""
    keys = parameters.get("order_by") or []
    return [str(key) for key in keys] if isinstance(keys, list) else [str(keys)]
