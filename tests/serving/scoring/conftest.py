"""A governed table and a model that scores it: by real code in the sandbox, or by a stand-in for that process."""

import json
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from registry.models import ModelVersion, Operation
from registry.services.operation_runner import run_operation
from registry.services.table_data import adopt_table, folder_of, staging_folder
from registry.sql.rendering import columns_of
from serving.services import table_scoring
from serving.services.scoring_plans import ScoringRequest
from tests.serving.factories import make_files_version, mlmodel
from tests.sql.conftest import Lake, lake  # noqa: F401  (a fixture)

MODEL, SOURCE, TARGET = "prod.ml.ranker", "prod.ml.flights", "prod.ml.scored"
INPUTS = [
    {"name": "distance", "type": "double", "required": True},
    {"name": "Carrier", "type": "string", "required": True},
    {"name": "stops", "type": "long", "required": False},
]
OUTPUTS = [{"name": "delay", "type": "double", "required": True}]
CODE = b"""
class Ranker:
    def predict(self, frame):
        if (frame["Carrier"] == "bad").any():
            raise ValueError("no carrier is called bad")
        return frame["distance"] * 2

def _load_pyfunc(path):
    return Ranker()
"""
FLIGHTS = pa.table({"id": [1, 2, 3], "carrier": ["AA", "UA", "AA"], "distance": pa.array([10, 20, 30], pa.int64())})


def ranker(inputs: Any = INPUTS, outputs: Any = OUTPUTS) -> dict[str, bytes]:
    flavor = {"loader_module": "ranker_code", "code": "code"}
    signature = {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs), "params": None}
    body = mlmodel(flavors={"python_function": flavor}, signature=signature)
    return {"MLmodel": body, "code/ranker_code.py": CODE, "requirements.txt": b"mlflow\n"}


@dataclass
class Field:
    """The lake with flights in it, and a model over them."""

    lake: Lake
    version: ModelVersion

    def table(self, who: str, full_name: str, rows: pa.Table) -> Path:
        catalog, schema, name = full_name.split(".")
        staging = staging_folder(uuid.uuid4())
        staging.parent.mkdir(parents=True, exist_ok=True)
        write_deltalake(staging, rows)
        actor, columns = getattr(self.lake.people, who), columns_of(rows.schema)
        made = adopt_table(actor=actor, catalog=catalog, schema=schema, name=name, staging=staging, columns=columns)
        return folder_of(made.pk)

    def asked(self, **changes: Any) -> ScoringRequest:
        version = {} if "alias" in changes else {"version": self.version.version}
        return ScoringRequest(**{"name": MODEL, "source": SOURCE, "target": TARGET, **version, **changes})

    def score(self, who: str = "owner", **changes: Any) -> Operation:
        return table_scoring.score_table(actor=getattr(self.lake.people, who), asked=self.asked(**changes))

    def finished(self, operation: Operation) -> Operation:
        run_operation(operation_id=operation.pk)
        operation.refresh_from_db()
        return operation


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return DeltaTable(folder).to_pyarrow_table().to_pylist()


@pytest.fixture
def field(lake, serving_root, monkeypatch) -> Field:  # noqa: F811
    """Environments are this one: none is built."""
    serving_root.mkdir()
    monkeypatch.setattr(table_scoring, "ensure_environment", lambda **_: SimpleNamespace(digest=""))
    monkeypatch.setattr(table_scoring, "environment_path", lambda _: Path(sys.prefix))
    found = Field(lake, make_files_version(lake.people.owner, MODEL, ranker()))
    found.table("owner", SOURCE, FLIGHTS)
    return found


class StandIn:
    """In place of the process that scores: doubles the distance; `killed_at` raises there, as a kill would."""

    scored: list[str] = []
    killed_at = ""

    def __init__(self, *_: Any, check: Any) -> None:
        self._check = check

    def score(self, name: str, batch: pa.RecordBatch) -> list[float]:
        self._check()
        if name == StandIn.killed_at:
            StandIn.killed_at = ""
            raise KeyboardInterrupt
        StandIn.scored.append(name)
        return [2 * value for value in batch.column("distance").to_pylist()]

    def close(self) -> None:
        pass


@pytest.fixture
def stand_in(monkeypatch) -> type[StandIn]:
    monkeypatch.setattr(StandIn, "scored", [])
    monkeypatch.setattr(StandIn, "killed_at", "")
    monkeypatch.setattr(table_scoring, "ConfinedScorer", StandIn)
    return StandIn
