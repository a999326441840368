"""Two models of delays, logged, registered and promoted as a team would do it."""

import importlib.metadata
from typing import Any

import mlflow
import pandas as pd
from mlflow.models import infer_signature
from mlflow.tracking import MlflowClient
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from config.demo.flights import INPUTS, LABEL, LATE

CATALOGS = ("dev", "staging", "prod")
SCHEMA = "flights"
NAME = "delay"
CHAMPION, CHALLENGER = "Champion", "Challenger"
EXPERIMENT = "/Shared/flight delays"
_WORDS = ["carrier", "origin"]
_NUMBERS = [name for name in INPUTS if name not in _WORDS]


def full_name(catalog: str) -> str:
    """The model in one of the environments."""
    return f"{catalog}.{SCHEMA}.{NAME}"


def candidates() -> dict[str, Any]:
    """The pipelines by the name of their run: a plain one, and one that sees more."""
    plain = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), _WORDS), (StandardScaler(), _NUMBERS), remainder="drop"
    )
    trees = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), _WORDS), ("passthrough", _NUMBERS)
    )
    return {
        "logistic regression": make_pipeline(plain, LogisticRegression(max_iter=500, class_weight="balanced")),
        "boosted trees": make_pipeline(
            trees, HistGradientBoostingClassifier(max_iter=80, class_weight="balanced", random_state=0)
        ),
    }


def train_and_promote(training: pd.DataFrame) -> dict[str, Any]:
    """Train both, register them in dev, copy them through staging to prod, and name Champion and Challenger.

    Answers the fitted pipelines by version in prod. Versions that are there already are not made again.
    """
    client = MlflowClient()
    fitted = {}
    for number, (name, pipeline) in enumerate(candidates().items(), start=1):
        pipeline.fit(training[INPUTS], training[LABEL])
        fitted[str(number)] = pipeline
        if _newest(client, "prod") >= number:
            continue
        version = _newest(client, "dev")
        if version < number:
            version = _log(name, pipeline, training)
        for source, destination in (("dev", "staging"), ("staging", "prod")):
            if _newest(client, destination) < number:
                client.copy_model_version(f"models:/{full_name(source)}/{number}", full_name(destination))
        client.set_model_version_tag(full_name("prod"), str(number), "validation_status", "approved")
    client.set_registered_model_alias(full_name("prod"), CHAMPION, "1")
    client.set_registered_model_alias(full_name("prod"), CHALLENGER, "2")
    client.update_registered_model(full_name("prod"), description=DESCRIPTION)
    return fitted


DESCRIPTION = """Says whether a flight from New York will arrive more than a quarter of an hour late.

Trained on **January and February**: what it learned of winter is worth little in July, and the monitor of its
endpoint shows since when.
"""


def _newest(client: MlflowClient, catalog: str) -> int:
    found = client.search_model_versions(f"name='{full_name(catalog)}'")
    return max((int(version.version) for version in found), default=0)


def _log(name: str, pipeline: Any, training: pd.DataFrame) -> int:
    mlflow.set_experiment(EXPERIMENT)
    rows = training[INPUTS]
    with mlflow.start_run(run_name=name):
        mlflow.log_params({"rows": len(training), "model": name})
        shares = pipeline.predict_proba(rows)[:, list(pipeline.classes_).index(LATE)]
        mlflow.log_metrics(
            {
                "training_balanced_accuracy": balanced_accuracy_score(training[LABEL], pipeline.predict(rows)),
                "training_roc_auc": roc_auc_score(training[LABEL] == LATE, shares),
            }
        )
        logged = mlflow.sklearn.log_model(
            pipeline,
            name="model",
            signature=infer_signature(rows.head(50), pipeline.predict(rows.head(50))),
            input_example=rows.head(3),
            registered_model_name=full_name("dev"),
            serialization_format="cloudpickle",
            pip_requirements=[f"{package}=={importlib.metadata.version(package)}" for package in _PACKAGES],
        )
    return int(logged.registered_model_version)


_PACKAGES = ("mlflow", "scikit-learn", "pandas", "numpy", "cloudpickle")
