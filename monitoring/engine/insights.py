"""What the documented metric tables have no column for: rows of the table of insights."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np

from monitoring.engine.columns import ColumnKind
from monitoring.engine.grouping import WHOLE, Group, Key
from monitoring.engine.profiles import ColumnProfile
from monitoring.engine.quality import GroupQuality, Qualities
from monitoring.engine.rows import Row
from monitoring.engine.spec import (
    APPROXIMATION,
    ESTIMATED_ACCURACY,
    MODEL_COMPARISON,
    MOST_CHANGED,
    MULTIVARIATE_DRIFT,
    TABLE_ROW,
    MonitorSpec,
)
from monitoring.engine.windows import Window
from monitoring.metrics.comparison import Comparison, compare_means, compare_shares
from monitoring.metrics.estimation import Calibration
from monitoring.metrics.multivariate import Components
from monitoring.metrics.ranking import FALSE_DISCOVERY_RATE, ranked


def insight(key: Key, column: str, name: str, value: float | None, **others: Any) -> tuple[Key, Row]:
    """A row; `details` are told as JSON."""
    details = others.pop("details", {})
    finite = value if value is None or np.isfinite(value) else None
    row = {"column_name": column, "insight": name, "value": finite, "details": json.dumps(details, sort_keys=True)}
    return key, row | others


@dataclass
class Changes:
    """How much each column of the whole table changed, gathered from any thread."""

    found: dict[tuple[Window, str], list[tuple[str, float, float]]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def add(self, window: Window, drift_type: str, row: Row) -> None:
        """From a drift row of the whole table."""
        test, effect = row.get("ks_test"), None
        if test is not None:
            effect = test["statistic"]
        elif (test := row.get("chi_squared_test")) is not None:
            effect = row["tv_distance"]
        if test is not None and effect is not None:
            with self._lock:
                self.found.setdefault((window, drift_type), []).append((row["column_name"], effect, test["pvalue"]))

    def rows(self) -> Iterable[tuple[Key, Row]]:
        """What changed most, first first; p-values are corrected for the number of columns."""
        for (window, drift_type), changes in self.found.items():
            for rank, change in enumerate(ranked(sorted(changes)), start=1):
                yield insight(
                    (window, WHOLE),
                    change.column,
                    MOST_CHANGED,
                    change.effect,
                    pvalue=change.adjusted,
                    rank=rank,
                    details={
                        "drift_type": drift_type,
                        "significant": change.significant,
                        "raw_pvalue": change.pvalue,
                        "false_discovery_rate": FALSE_DISCOVERY_RATE,
                        "correction": "Benjamini-Hochberg",
                    },
                )


def approximations(key: Key, column: str, profile: ColumnProfile) -> Iterable[tuple[Key, Row]]:
    """The error of what was not measured exactly."""
    numeric, categories = profile.numeric, profile.categories
    details: dict[str, Any] = {}
    if numeric is not None and numeric.rank_error:
        details["quantile_rank_error_bound"] = numeric.rank_error
        details["ks_statistic_error_bound"] = numeric.rank_error
    if categories is not None and categories.other:
        details["category_count_error_bound"] = categories.count_error
        details["values_in_rare_categories"] = categories.other
    if profile.distinct_error:
        details["distinct_count_relative_standard_error"] = profile.distinct_error
    if details:
        largest = max(numeric.rank_error if numeric else 0.0, profile.distinct_error)
        yield insight(key, column, APPROXIMATION, largest, details=details)


def multivariate(
    components: Components | None, columns: Sequence[str], samples: Iterable[tuple[Window, Any]]
) -> Iterable[tuple[Key, Row]]:
    """How far the columns of each window have drifted together from the baseline."""
    if components is None:
        return
    for window, matrix in samples:
        found = components.compare(matrix)
        if found is not None:
            yield insight(
                (window, WHOLE),
                TABLE_ROW,
                MULTIVARIATE_DRIFT,
                found.z,
                details={
                    "reconstruction_error": found.error,
                    "baseline_reconstruction_error": found.reference_error,
                    "components": found.components,
                    "columns": list(columns),
                    "sampled_rows": len(matrix),
                },
            )


def quality_insights(found: Qualities, spec: MonitorSpec, baseline: Calibration | None) -> Iterable[tuple[Key, Row]]:
    """Estimated accuracy, and each model against the one that answered most."""
    for key, quality in found.items():
        calibration = Calibration()
        for known in (baseline, found.get((key[0], WHOLE), quality).calibration):
            if known is not None:
                calibration.merge(known)
        estimate = quality.confidence.estimate(calibration)
        if estimate is not None:
            yield insight(
                key,
                TABLE_ROW,
                ESTIMATED_ACCURACY,
                estimate.accuracy,
                details={
                    "standard_error": estimate.standard_error,
                    "valid": estimate.valid,
                    "statement": estimate.statement,
                },
            )
    yield from _model_comparisons(found, spec)


def _model_comparisons(found: Qualities, spec: MonitorSpec) -> Iterable[tuple[Key, Row]]:
    by_window: dict[Window, dict[str, GroupQuality]] = {}
    for (window, group), quality in found.items():
        if group.model is not None and group.slice_key is None and _answers(quality):
            by_window.setdefault(window, {})[group.model] = quality
    for window, models in by_window.items():
        first = max(sorted(models), key=lambda name: _answers(models[name]))
        for name in sorted(models):
            comparison = None if name == first else _compared(models[first], models[name], spec)
            if comparison is not None:
                yield insight(
                    (window, Group(model=name)),
                    TABLE_ROW,
                    MODEL_COMPARISON,
                    comparison.difference,
                    pvalue=comparison.pvalue,
                    details={
                        "metric": "mean_average_error" if spec.problem_type == "REGRESSION" else "accuracy_score",
                        "compared_with": first,
                        "low": comparison.low,
                        "high": comparison.high,
                        "confidence": 0.95,
                    },
                )


def _answers(quality: GroupQuality) -> int:
    return quality.regression.count + sum(quality.confusion.counts.values())


def _compared(one: GroupQuality, other: GroupQuality, spec: MonitorSpec) -> Comparison | None:
    if spec.problem_type == "REGRESSION":
        return compare_means(one.regression.absolute_errors(), other.regression.absolute_errors())
    return compare_shares(one.confusion.right_of_all(), other.confusion.right_of_all())


def feature_columns(spec: MonitorSpec, schema: Any, kinds: dict[str, ColumnKind]) -> list[str]:
    """Numeric columns that describe the rows: not labels, predictions, or the model's id."""
    roles = {spec.label_column, spec.prediction_column, spec.prediction_proba_column, spec.model_id_column}
    return [name for name in schema.names if kinds[name] is ColumnKind.NUMERIC and name not in roles]
