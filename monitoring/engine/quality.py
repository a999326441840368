"""Model quality of every group: predictions against labels, and probabilities against both."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from monitoring.engine.columns import ColumnKind, Values, as_texts, kind_of, texts
from monitoring.engine.grouping import Group, Key
from monitoring.engine.segments import Segment
from monitoring.engine.spec import MonitorSpec
from monitoring.metrics.arrays import Floats
from monitoring.metrics.estimation import Calibration, Confidence
from monitoring.metrics.fairness import fairness
from monitoring.metrics.quality import (
    Classification,
    Confusion,
    Regression,
    RocCurve,
    Score,
    log_loss,
    roc_auc,
    score,
)

_KNOWN_PAIRS = (("0", "1"), ("false", "true"))


@dataclass
class GroupQuality:
    """What is known of a model in one group."""

    confusion: Confusion = field(default_factory=Confusion)
    regression: Regression = field(default_factory=Regression)
    loss: float = 0.0
    judged: int = 0
    areas: dict[str, float] = field(default_factory=dict)
    curves: dict[str, RocCurve] = field(default_factory=dict)
    calibration: Calibration = field(default_factory=Calibration)
    confidence: Confidence = field(default_factory=Confidence)


Qualities = dict[Key, GroupQuality]


def measure_quality(segments: Iterable[Segment], spec: MonitorSpec, warnings: list[str]) -> Qualities:
    """Quality in every group of the segments; empty where the tables lack the columns."""
    found: Qualities = {}
    held = [segment for segment in segments if _has(segment, spec.prediction_column)]
    if spec.problem_type == "REGRESSION":
        for segment in held:
            if _has(segment, spec.label_column):
                _regression(segment, spec, found)
        return found
    for segment in held:
        if _has(segment, spec.label_column):
            _confusion(segment, spec, found)
    with_probabilities = [segment for segment in held if _has(segment, spec.prediction_proba_column)]
    if with_probabilities:
        classes = _classes(found)
        for segment in with_probabilities:
            _probabilities(segment, spec, classes, found, warnings)
    return found


def _has(segment: Segment, column: str | None) -> bool:
    return column is not None and column in segment.source.schema.names


def _classes(found: Qualities) -> list[str]:
    classes = {name for quality in found.values() for name in quality.confusion.classes}
    for pair in _KNOWN_PAIRS:
        if classes <= set(pair):
            return list(pair)
    return sorted(classes)


def _confusion(segment: Segment, spec: MonitorSpec, found: Qualities) -> None:
    prediction, label = str(spec.prediction_column), str(spec.label_column)
    for piece, table in segment.tables([prediction, label]):
        predicted, names = _coded(table.column(prediction))
        labelled, label_names = _coded(table.column(label))
        width = len(label_names)
        pairs = np.where((predicted < 0) | (labelled < 0), -1, predicted * width + labelled)
        for ordering in piece.orderings:
            arranged = ordering.arranged(pairs)
            for part in ordering.parts:
                present, counts = np.unique(arranged[part.start : part.stop], return_counts=True)
                kept = present >= 0
                rows, columns = np.divmod(present[kept], max(width, 1))
                confusion = found.setdefault(part.key, GroupQuality()).confusion
                confusion.add([names[r] for r in rows], [label_names[c] for c in columns], counts[kept])


def _coded(column: Any) -> tuple[npt.NDArray[np.int64], list[str]]:
    codes, dictionary = texts(as_texts(column.combine_chunks()))
    return codes, dictionary.to_pylist()


def _regression(segment: Segment, spec: MonitorSpec, found: Qualities) -> None:
    prediction, label = str(spec.prediction_column), str(spec.label_column)
    for piece, table in segment.tables([prediction, label]):
        predictions, labels = Values(table.column(prediction)).floats, Values(table.column(label)).floats
        for ordering in piece.orderings:
            p, q = ordering.arranged(predictions), ordering.arranged(labels)
            for part in ordering.parts:
                one, other = p[part.start : part.stop], q[part.start : part.stop]
                known = np.isfinite(one) & np.isfinite(other)
                found.setdefault(part.key, GroupQuality()).regression.add(one[known], other[known])


def _probabilities(
    segment: Segment, spec: MonitorSpec, classes: Sequence[str], found: Qualities, warnings: list[str]
) -> None:
    columns = [str(spec.prediction_proba_column), str(spec.prediction_column)]
    if _has(segment, spec.label_column):
        columns.append(str(spec.label_column))
    for piece, table in segment.tables(columns):
        matrix = probabilities(table.column(columns[0]), classes)
        if matrix is None:
            text = f"'{columns[0]}' does not give a probability for each of the {len(classes)} classes."
            if text not in warnings:
                warnings.append(text)
            return
        predicted = _positions(table.column(columns[1]), classes)
        labelled = _positions(table.column(columns[2]), classes) if len(columns) > 2 else np.full(len(predicted), -1)
        rows = np.arange(piece.rows)
        for ordering in piece.orderings:
            arranged = ordering.arranged(rows)
            for part in ordering.parts:
                at = arranged[part.start : part.stop]
                quality = found.setdefault(part.key, GroupQuality())
                _judge(quality, matrix[at], predicted[at], labelled[at], classes, exact=segment.exact)


def _positions(column: Any, classes: Sequence[str]) -> npt.NDArray[np.int64]:
    codes, names = _coded(column)
    at = {name: position for position, name in enumerate(classes)}
    places = np.array([*(at.get(name, -1) for name in names), -1])
    return np.asarray(places[codes])


def _judge(
    quality: GroupQuality,
    matrix: Floats,
    predicted: npt.NDArray[np.int64],
    labelled: npt.NDArray[np.int64],
    classes: Sequence[str],
    *,
    exact: bool,
) -> None:
    given = np.isfinite(matrix).all(axis=1)
    answered = given & (predicted >= 0)
    quality.confidence.add(matrix[answered, predicted[answered]])
    both = answered & (labelled >= 0)
    quality.calibration.add(matrix[both, predicted[both]], predicted[both] == labelled[both])
    known = given & (labelled >= 0)
    if not known.any():
        return
    matrix, labelled = matrix[known], labelled[known]
    quality.loss += log_loss(matrix[np.arange(len(matrix)), labelled]) * len(matrix)
    quality.judged += len(matrix)
    for position, name in enumerate(classes):
        positive = labelled == position
        if exact:
            area = roc_auc(positive, matrix[:, position])
            if area is not None:
                quality.areas[name] = area
        else:
            quality.curves.setdefault(name, RocCurve()).add(positive, matrix[:, position])


def probabilities(column: Any, classes: Sequence[str]) -> Floats | None:
    """A row of probabilities for each row, a column for each class; NaN where there are none.

    Understands the probability of the greater of two classes, a list in the order of sorted classes, and a struct or
    map by class. None if the column does not fit the classes.
    """
    array = column.combine_chunks()
    type_ = array.type
    if kind_of(type_) is ColumnKind.NUMERIC:
        positive = Values(array).floats
        return np.stack([1 - positive, positive], axis=1) if len(classes) == 2 else None
    matrix = np.full((len(array), len(classes)), np.nan)
    present = pc.is_valid(array).to_numpy(zero_copy_only=False)
    if pa.types.is_struct(type_):
        names = {type_.field(position).name for position in range(type_.num_fields)}
        for position, name in enumerate(classes):
            filled = Values(array.field(name)).floats if name in names else np.zeros(len(array))
            matrix[:, position] = np.where(present, filled, np.nan)
        return matrix
    if pa.types.is_map(type_):
        matrix[present] = 0.0
        rows = np.repeat(np.arange(len(array)), np.diff(array.offsets.to_numpy()))
        keys = _positions(pa.chunked_array([array.keys]), classes)
        amounts = Values(array.items).floats
        matrix[rows[keys >= 0], keys[keys >= 0]] = amounts[keys >= 0]
        return matrix
    if pa.types.is_list(type_) or pa.types.is_large_list(type_):
        sizes = pc.list_value_length(array).drop_null()
        if len(sizes) and pc.min_max(sizes).as_py() != {"min": len(classes), "max": len(classes)}:
            return None
        matrix[present] = Values(array.flatten()).floats.reshape(-1, len(classes))
        return matrix
    return None


def quality_columns(quality: GroupQuality, spec: MonitorSpec) -> dict[str, Any]:
    """A group's values for the profile table."""
    if spec.problem_type == "REGRESSION":
        return dict(quality.regression.scores())
    scores = quality.confusion.scores()
    if scores is None:
        return {}
    return {
        "accuracy_score": scores.accuracy,
        "log_loss": quality.loss / quality.judged if quality.judged else None,
        "roc_auc_score": _areas(quality, scores),
        "confusion_matrix": [
            {"prediction": prediction, "label": label, "count": count}
            for prediction, label, count in scores.confusion
        ],
        "precision": _struct(scores.precision),
        "recall": _struct(scores.recall),
        "f1_score": _struct(scores.f1),
    }


def _areas(quality: GroupQuality, scores: Classification) -> dict[str, Any] | None:
    areas = dict(quality.areas)
    for name, curve in quality.curves.items():
        if (area := curve.area()) is not None:
            areas[name] = area
    if not areas:
        return None
    support = dict.fromkeys(areas, 0)
    for _, label, count in scores.confusion:
        if label in support:
            support[label] += count
    classes = list(areas)
    counts = np.array([support[name] for name in classes], np.float64)
    return _struct(score(classes, np.array([areas[name] for name in classes]), counts))


def _struct(values: Score) -> dict[str, Any]:
    return {"one_vs_all": list(values.one_vs_all.items()), "macro": values.macro, "weighted": values.weighted}


def fairness_columns(found: Qualities, key: Key) -> dict[str, Any]:
    """The measures for the protected group of a boolean slice: those for whom its expression is true."""
    window, group = key
    if group.slice_value != "true":
        return {}
    others = found.get((window, Group(group.slice_key, "false", group.model)))
    protected = found[key]
    if others is None or not protected.confusion.counts or not others.confusion.counts:
        return {}
    measures = fairness(protected.confusion, others.confusion)
    return {name: list(by_class.items()) for name, by_class in measures.items()}
