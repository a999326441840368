"""The rows of the registry benchmark, made by rule: the same names, versions, aliases and tags for every server."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

CATALOGS = 5
SCHEMAS = 20
"""In each catalog."""
NAMESPACE = uuid.UUID("6d0de1ee-9000-4000-8000-000000000000")
EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
TEAMS = "risk growth search pricing fraud supply media health energy travel".split()
SUBJECTS = (
    "churn uplift ranking forecast anomaly credit basket price demand intent dwell click fare delay route stock "
    "claim triage sentiment spam embedding segment lifetime refund outage yield wear queue seat noise grid load "
    "tariff recall quality dose relapse visit bed length leak surge eta driver match offer coupon email banner trial"
).split()
BIG_MODEL = "catalog_0.schema_00.the_big_one"
TAGS = (("team", "{team}"), ("task", "{subject}"))


@dataclass(frozen=True)
class Sizes:
    """How many rows of each kind."""

    models: int = 100_000
    versions: int = 200_000
    grants: int = 10_000
    users: int = 200
    groups: int = 50


@dataclass(frozen=True)
class ModelRow:
    """A model, and the one version that it has."""

    number: int

    @property
    def schema_number(self) -> int:
        return self.number % (CATALOGS * SCHEMAS)

    @property
    def team(self) -> str:
        return TEAMS[self.number // 7 % len(TEAMS)]

    @property
    def subject(self) -> str:
        # Scattered over names, schemas and time, as a word in a name is.
        return SUBJECTS[hashlib.blake2s(str(self.number).encode(), digest_size=2).digest()[0] % len(SUBJECTS)]

    @property
    def name(self) -> str:
        return f"{self.team}_{self.subject}_{self.number:06}"

    @property
    def full_name(self) -> str:
        return f"{schema_name(self.schema_number)}.{self.name}"

    @property
    def comment(self) -> str:
        return f"Predicts {self.subject} for the {self.team} team; retrained every night on the last ninety days."

    @property
    def tags(self) -> dict[str, str]:
        return {"team": self.team, "task": self.subject}

    @property
    def changed_at(self) -> datetime:
        return EPOCH + timedelta(seconds=self.number * 97 % 20_000_003)


def schema_name(number: int) -> str:
    """`catalog.schema` of a schema's number."""
    return f"catalog_{number // SCHEMAS}.schema_{number % SCHEMAS:02}"


def models(sizes: Sizes) -> Iterator[ModelRow]:
    """Every model but the big one."""
    return (ModelRow(number) for number in range(sizes.models - 1))


def id_of(kind: str, name: object) -> uuid.UUID:
    """The id of a row, the same in every run."""
    return uuid.uuid5(NAMESPACE, f"{kind}:{name}")


def hexadecimal(kind: str, name: object) -> str:
    """A run's or logged model's id: 32 hex digits."""
    return id_of(kind, name).hex


def big_version_at(number: int) -> datetime:
    """When a version of the big model was made: one a minute."""
    return EPOCH + timedelta(minutes=number)


def millis(moment: datetime) -> int:
    """Epoch milliseconds."""
    return int(moment.timestamp() * 1000)


def wide_columns(version: object) -> dict[str, Any]:
    """What finalize reads from a small tabular model's files: some 2 KB of JSON."""
    columns = [{"name": f"feature_{i}", "type": "double", "required": True} for i in range(12)]
    outputs = [{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]
    signature = {"inputs": columns, "outputs": outputs, "params": None}
    return {
        "mlmodel": {
            "artifact_path": "model",
            "flavors": {
                "python_function": {
                    "env": {"conda": "conda.yaml", "virtualenv": "python_env.yaml"},
                    "loader_module": "mlflow.sklearn",
                    "model_path": "model.pkl",
                    "predict_fn": "predict",
                    "python_version": "3.11.7",
                },
                "sklearn": {
                    "code": None,
                    "pickled_model": "model.pkl",
                    "serialization_format": "cloudpickle",
                    "sklearn_version": "1.9.1",
                },
            },
            "mlflow_version": "3.17.2",
            "model_id": f"m-{hexadecimal('logged model', version)}",
            "model_size_bytes": 184_213,
            "signature": signature,
            "utc_time_created": "2025-01-01 00:00:00.000000",
        },
        "signature": signature,
        "requirements": "mlflow==3.17.2\ncloudpickle==3.1.1\nnumpy==2.3.4\npandas==2.3.3\nscikit-learn==1.9.1\n",
        "params": [{"name": name, "value": value} for name, value in (("n_estimators", "100"), ("max_depth", "7"))],
        "metrics": [
            {"key": name, "value": 0.91, "timestamp": 1, "step": 0} for name in ("accuracy", "f1", "roc_auc")
        ],
    }
