"""Forests asked tree by tree: byte for byte what their own predict answers, and only where that is proven."""

import json

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import infer_signature
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.pipeline import make_pipeline

from serving.runtime.scoring import STOCK_PREDICT, Scorer, load_scorer

CHANCE = np.random.default_rng(7)
FRAME = pd.DataFrame(
    {"a": CHANCE.normal(size=200), "b": CHANCE.normal(5, 2, size=200), "n": CHANCE.integers(0, 9, 200)}
)
WORDS = np.where(FRAME["a"] > 0, "late", np.where(FRAME["b"] > 5, "early", "punctual"))
FORESTS = {
    "words": (RandomForestClassifier(20, random_state=0), WORDS, "predict"),
    "odds": (RandomForestClassifier(20, random_state=0, n_jobs=2), WORDS, "predict_proba"),
    "extra": (ExtraTreesClassifier(20, random_state=0, max_depth=3), WORDS == "late", "predict"),
    "numbers": (RandomForestRegressor(20, random_state=0), FRAME["a"] * FRAME["b"], "predict"),
    "extra numbers": (ExtraTreesRegressor(20, random_state=0), FRAME["a"] * FRAME["b"], "predict"),
}


def saved(folder, estimator, target, predict_fn="predict", **more):
    estimator.fit(FRAME, target)
    mlflow.sklearn.save_model(
        estimator,
        folder,
        pyfunc_predict_fn=predict_fn,
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
        signature=infer_signature(FRAME),
        **{"input_example": FRAME.head(4), **more},
    )
    return str(folder)


def asked(rows) -> bytes:
    return json.dumps({"dataframe_split": {"columns": list(FRAME.columns), "data": rows}}).encode()


def stock(folder) -> Scorer:
    return Scorer(mlflow.pyfunc.load_model(folder), folder)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FORESTS)
def test_answers_are_those_of_predict(tmp_path, name):
    folder = saved(tmp_path / "model", *FORESTS[name])
    hastened, plain = load_scorer(folder), stock(folder)
    assert "trees are asked directly" in hastened.remarks
    assert "trees" not in plain.remarks
    ordinary = [[row[0], row[1], int(row[2])] for row in FRAME.to_numpy().tolist()]
    odd = [[float("nan"), 1.0, 2], [1e300, 0.0, 0], [-1e300, 1.0, 1], [1e-320, -0.0, 2**60]]
    for body in [asked(ordinary), *(asked([row]) for row in ordinary[:5] + odd), asked(odd), asked([])]:
        assert hastened.answer(body)[::2] == plain.answer(body)[::2]


@pytest.mark.filterwarnings("ignore")
def test_what_is_not_proven_is_left_to_predict(tmp_path, monkeypatch):
    def remarks(name, estimator, **more):
        return load_scorer(saved(tmp_path / name, estimator, WORDS, **more)).remarks

    assert "trees" not in remarks("bare", RandomForestClassifier(5), input_example=None), "nothing to prove it with"
    assert "trees" not in remarks("pipeline", make_pipeline(RandomForestClassifier(5)))
    changed = RandomForestClassifier(5, random_state=0)
    folder = saved(tmp_path / "changed", changed, WORDS)
    monkeypatch.setattr(RandomForestClassifier, "predict", lambda self, frame: self.classes_[[0] * len(frame)])
    assert "trees" not in load_scorer(folder).remarks, "its predict says something else than its trees"


@pytest.mark.filterwarnings("ignore")
def test_a_served_entity_may_insist_on_predict(tmp_path, monkeypatch):
    folder = saved(tmp_path / "model", RandomForestClassifier(5), WORDS)
    monkeypatch.setenv(STOCK_PREDICT, "true")
    assert "trees" not in load_scorer(folder).remarks
