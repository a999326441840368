"""Versions of one model side by side: what differs in parameters, metrics, signature, requirements, tags and size."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.errors import InvalidParameter, NotFound
from registry.models import ModelVersion, RegisteredModel
from registry.names import check_version_number
from registry.services.access import require_visible
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.model_lookup import canonical_name, find_model, versions_with_everything
from registry.services.signature_fields import fields_of

MOST_VERSIONS = 10
MOST_ROWS = 500

_SMALLER_IS_BETTER = re.compile(
    r"(?:^|[_\W])(?:loss|error|err|rmse|mse|mae|mape|smape|rmsle|logloss|log_loss|perplexity|brier|latency|wer|cer)(?:$|[_\W\d])"
)
_GREATER_IS_BETTER = re.compile(
    r"(?:^|[_\W])(?:accuracy|acc|auc|roc_auc|pr_auc|f1|f1_score|precision|recall|r2|r2_score|score|ndcg|map|bleu|"
    r"specificity|sensitivity|mcc|iou|dice)(?:$|[_\W\d])"
)
_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(.*)")


@dataclass(frozen=True)
class Row:
    """One line: a value for each version, None where it has none."""

    key: str
    values: Sequence[Any]
    best: frozenset[int] = frozenset()
    direction: str = ""

    @property
    def differs(self) -> bool:
        """Whether the versions do not all have the same."""
        return any(value != self.values[0] for value in self.values[1:])

    @property
    def cells(self) -> list[tuple[Any, bool]]:
        """Each value, and whether it is the best one."""
        return [(value, place in self.best) for place, value in enumerate(self.values)]


@dataclass(frozen=True)
class Comparison:
    """The versions in the order in which they were named, and the lines of each part."""

    model: RegisteredModel
    versions: Sequence[ModelVersion]
    metrics: Sequence[Row]
    params: Sequence[Row]
    signature: Sequence[Row]
    requirements: Sequence[Row]
    tags: Sequence[Row]


@audited_read
def compare_versions(*, actor: Actor, name: object, numbers: Sequence[object]) -> Comparison:
    """Some versions of a model that the actor may see, at most MOST_VERSIONS. Six queries.

    Raises:
        NotFound: the model or one of the versions.
        AccessDenied.
        InvalidParameter: fewer than two versions, or too many.
    """
    wanted = list(dict.fromkeys(check_version_number(number) for number in numbers))
    if not 2 <= len(wanted) <= MOST_VERSIONS:
        raise InvalidParameter(
            f"'versions' names {len(wanted)}: choose from 2 to {MOST_VERSIONS} versions to compare.", field="versions"
        )
    model = find_model(name)
    require_visible(actor=actor, securable=model.securable, named=canonical_name(name))
    rows = ModelVersion.objects.filter(model=model, version__in=wanted).defer("mlmodel")
    found = {row.version: row for row in versions_with_everything(rows)}
    missing = [str(number) for number in wanted if number not in found]
    if missing:
        raise NotFound(f"Version {', '.join(missing)} of model '{canonical_name(name)}' does not exist.")
    versions = [found[number] for number in wanted]
    return Comparison(
        model=model,
        versions=versions,
        metrics=[_ranked(row) for row in _rows(versions, _metrics)],
        params=_rows(versions, _params),
        signature=_rows(versions, _signature),
        requirements=_rows(versions, _requirements),
        tags=_rows(versions, _tags),
    )


def _rows(versions: Sequence[ModelVersion], read: Callable[[ModelVersion], Mapping[str, Any]]) -> list[Row]:
    """A line for every key that one of the versions has, in the order of their first appearance."""
    columns = [read(version) for version in versions]
    keys = list(dict.fromkeys(key for column in columns for key in column))[:MOST_ROWS]
    return [Row(key, [column.get(key) for column in columns]) for key in keys]


def _metrics(version: ModelVersion) -> dict[str, float]:
    """The last value of each metric that is a number."""
    return {
        str(metric.get("key")): metric["value"]
        for metric in version.metrics
        if isinstance(metric.get("value"), int | float) and not isinstance(metric.get("value"), bool)
    }


def _params(version: ModelVersion) -> dict[str, Any]:
    return {str(param.get("key", param.get("name"))): param.get("value") for param in version.params}


def _tags(version: ModelVersion) -> dict[str, str]:
    return {tag.key: tag.value for tag in version.tags.all()}


def _ranked(row: Row) -> Row:
    """Marks the best values where the metric's name tells which way is better; else none: that would be a guess."""
    numbers = [value for value in row.values if value is not None and math.isfinite(value)]
    key = row.key.lower()
    if not row.differs or not numbers:
        return row
    if _SMALLER_IS_BETTER.search(key):
        best, direction = min(numbers), "lower is better"
    elif _GREATER_IS_BETTER.search(key):
        best, direction = max(numbers), "higher is better"
    else:
        return row
    return Row(
        row.key, row.values, frozenset(place for place, value in enumerate(row.values) if value == best), direction
    )


def _signature(version: ModelVersion) -> dict[str, str]:
    signature = version.signature or {}
    parts = [("Input", "inputs"), ("Output", "outputs"), ("Parameter", "params")]
    return {
        f"{title} {field.name}": field.type + ("" if field.required or part == "params" else ", optional")
        for title, part in parts
        for field in fields_of(signature.get(part))
    }


def _requirements(version: ModelVersion) -> dict[str, str]:
    return dict(read_requirements(version.requirements.splitlines()))


def read_requirements(lines: Iterable[str]) -> list[tuple[str, str]]:
    """Package and constraint of each line of a requirements.txt; comments and empty lines are left out."""
    found = []
    for line in lines:
        text = line.partition(" #")[0].strip()
        match = _REQUIREMENT.fullmatch(text)
        if match and not text.startswith("#"):
            found.append((match[1].lower().replace("_", "-"), match[2]))
        elif text and not text.startswith("#"):
            found.append((text, ""))
    return found
