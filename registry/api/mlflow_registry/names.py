"""Names in this dialect are free text; ours have three levels. A flat name lives in the workspace's own schema.

Answers spell a name as the request did: who asks for `churn` reads `churn`, who asks for `workspace.default.churn`
reads that. Lists show the models of that schema by their flat names, unless their filter writes one in full.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from registry.api.wire import number_of, text_of
from registry.errors import InvalidParameter
from registry.names import check_name, lookup_key
from registry.services.search_filters import parse_filter
from registry.services.setup import WORKSPACE_CATALOG

Spell = Callable[[str], str]
"""How an answer writes a model's full name."""

_LEVELS = 3


def flat_schema() -> str:
    """The full name of the schema in which flat names live."""
    return f"{settings.DEFAULT_CATALOG or WORKSPACE_CATALOG}.{settings.DEFAULT_SCHEMA}"


@dataclass(frozen=True)
class ModelName:
    """A model's name as the client wrote it, with the `full` name that it means."""

    full: str
    levels: int

    def spell(self, full_name: str) -> str:
        """A full name with as many levels as the client wrote."""
        return ".".join(full_name.split(".")[-self.levels :])


def model_name(text: str, *, field: str = "name") -> ModelName:
    """What a name stands for. Two levels are a name where the workspace has a default catalog.

    Raises:
        InvalidParameter: more dots than that, or a character that no name may have.
    """
    levels = text.split(".")
    if len(levels) == 1:
        check_name(text, field=field)
        return ModelName(f"{flat_schema()}.{text}", 1)
    if len(levels) == _LEVELS:
        return ModelName(text, _LEVELS)
    if len(levels) == _LEVELS - 1 and settings.DEFAULT_CATALOG:
        return ModelName(f"{settings.DEFAULT_CATALOG}.{text}", _LEVELS - 1)
    raise InvalidParameter(
        f"'{field}' is '{text}': a name has no dot (a model of {flat_schema()}) or three levels, as in "
        f"catalog.schema.model. Write '{text.replace('.', '_')}', for example.",
        field=field,
    )


def name_of(parameters: dict[str, Any], field: str = "name") -> ModelName:
    """The model's name out of the parameters.

    Raises:
        InvalidParameter: absent, no text, or no name.
    """
    return model_name(text_of(parameters, field, required=True), field=field)


def spelling_of_search(filter_text: str) -> Spell:
    """How the answer of a search writes names: models of the flat schema in full when its filter does, else flat.

    Raises:
        InvalidParameter: a filter that cannot be read.
    """
    names = [name for each in parse_filter(filter_text) if each.field == "name" for name in each.values]
    in_full = any(lookup_key(name).startswith(lookup_key(flat_schema()) + ".") for name in names)
    return str if in_full else _flat_where_enough


def _flat_where_enough(full_name: str) -> str:
    schema, _, name = full_name.rpartition(".")
    return name if lookup_key(schema) == lookup_key(flat_schema()) else full_name


def order_of(parameters: dict[str, Any]) -> list[str]:
    """The `order_by` keys, of which a query may give one or several."""
    keys = parameters.get("order_by") or []
    return [str(key) for key in keys] if isinstance(keys, list) else [str(keys)]


def page_size_of(parameters: dict[str, Any], *, default: int, most: int) -> int:
    """How many rows a page may have. MLflow's own server refuses too many, and clients rely on what they asked for.

    Raises:
        InvalidParameter: more than `most`, or no whole number.
    """
    size = number_of(parameters, "max_results", default=default)
    if size > most:
        raise InvalidParameter(f"'max_results' is {size}: ask for at most {most}, and page on.", field="max_results")
    return size
