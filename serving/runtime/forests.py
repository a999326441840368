"""Forests of scikit-learn asked tree by tree: the same numbers without the work around them.

`predict` of a forest hands each tree to a scheduler of threads, which takes longer for a few rows than all the trees
do. Here the model's own compiled trees are asked in the order of `predict`, and their answers summed as it sums them.
It is used only where it gives the same bytes as `predict` for rows like the model's input example, and never for
values that `predict` might refuse.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .row_wise import rows_like

if TYPE_CHECKING:
    from .scoring import Scorer

Predict = Callable[[Any], Any]
_CLASSIFIERS = ("RandomForestClassifier", "ExtraTreesClassifier")
_REGRESSORS = ("RandomForestRegressor", "ExtraTreesRegressor")
_ROWS = 256
_SINGLES = 3


def forest_predict(scorer: Scorer, model: Any, predict: Predict) -> Predict | None:
    """What answers as `predict` does and sooner; None where the model is no forest, or where that is not proven.

    Args:
        scorer: that of the model, for its input example and how answers are written.
        model: what `mlflow.pyfunc.load_model` gave.
        predict: frame to predictions, as MLflow does it.
    """
    try:
        direct = _direct(model)
        reader, example = scorer.reader, scorer.example()
        rows = reader.rows(example) if reader is not None and example is not None else None
        if direct is None or reader is None or not rows:
            return None
        rows = rows_like(rows, _ROWS)
        for some in [*([row] for row in rows[:_SINGLES]), rows]:
            frame = reader.frame(some)
            found = None if frame is None else direct(frame)
            if found is None or scorer.written(found) != scorer.written(predict(frame)):
                return None
    except Exception:  # noqa: BLE001 — a scikit-learn whose insides look different, or made-up rows it does not take
        return None

    def either(frame: Any) -> Any:
        found = direct(frame)
        return predict(frame) if found is None else found

    return either


def _direct(model: Any) -> Predict | None:
    """Predictions by the trees themselves; it answers None for values that only `predict` may judge."""
    import numpy as np

    python_function = model.metadata.flavors["python_function"]
    if python_function.get("loader_module") != "mlflow.sklearn":
        return None
    forest = model.get_raw_model()
    kind, wanted = type(forest).__name__, python_function.get("predict_fn", "predict")
    is_classifier = kind in _CLASSIFIERS
    answered = ("predict", "predict_proba") if is_classifier else ("predict",) if kind in _REGRESSORS else ()
    if type(forest).__module__ != "sklearn.ensemble._forest" or wanted not in answered or forest.n_outputs_ != 1:
        return None
    trees = [tree.tree_ for tree in forest.estimators_]

    def direct(frame: Any) -> Any:
        values = np.asarray(frame, dtype=np.float32, order="C")
        if not np.isfinite(values).all():
            return None
        total = np.zeros((len(values), forest.n_classes_ if is_classifier else 1))
        for tree in trees:
            total += tree.predict(values)
        total /= len(trees)
        if not is_classifier:
            return total[:, 0]
        return total if wanted == "predict_proba" else forest.classes_.take(np.argmax(total, axis=1), axis=0)

    return direct
