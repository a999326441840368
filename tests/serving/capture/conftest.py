"""An endpoint that keeps its requests, with rows as a gateway would have spooled them."""

import json
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from django.conf import settings
from django.utils import timezone

from registry.services.audit import audited
from registry.services.table_data import folder_of
from serving.models import (
    EndpointConfig,
    EndpointLevel,
    EndpointPermission,
    InferenceTable,
    ServedEntity,
    ServingEndpoint,
)
from serving.routing.routes import EntityRoute
from serving.routing.spool import SpoolWriter, captured_row
from serving.services.capture_appends import append_captures, spool_root
from serving.services.inference_tables import apply_auto_capture, apply_inference_table_config
from tests.serving.factories import make_files_version, mlmodel
from tests.sql.conftest import Lake, lake  # noqa: F401  (a fixture)

PLACE = {"enabled": True, "catalog_name": "prod", "schema_name": "ml", "table_name_prefix": "delays"}
SIGNATURE = {
    "inputs": [
        {"name": "distance", "type": "double", "required": True},
        {"name": "carrier", "type": "string", "required": True},
        {"name": "stops", "type": "long", "required": False},
    ],
    "outputs": [{"type": "double", "name": "delay", "required": True}],
}
ROWS = [{"distance": 100.5, "carrier": "UA", "stops": 1}, {"distance": 7, "carrier": "AA", "stops": None}]
FORMS = {
    "dataframe_records": ROWS,
    "dataframe_split": {"columns": list(ROWS[0]), "data": [list(row.values()) for row in ROWS]},
    "instances": ROWS,
    "inputs": {name: [row[name] for row in ROWS] for name in ROWS[0]},
}


def signed(signature: dict[str, Any]) -> dict[str, Any]:
    return {**{part: json.dumps(value) for part, value in signature.items()}, "params": None}


@dataclass
class Captured:
    """Sends requests past the model: what would be answered is given."""

    lake: Lake
    endpoint: ServingEndpoint
    entity: ServedEntity
    writers: dict[Path, SpoolWriter] = field(default_factory=dict)

    @property
    def route(self) -> EntityRoute:
        row = self.entity
        return EntityRoute(str(row.pk), row.name, row.entity_name, row.entity_version, "LIVE", 100, 4, 4, False, ())

    def turn_on(self, form: str = "AI_GATEWAY", *, who: str = "owner", **changes: Any) -> InferenceTable:
        apply = apply_inference_table_config if form == "AI_GATEWAY" else apply_auto_capture
        audited(apply)(actor=getattr(self.lake.people, who), endpoint=self.endpoint, config={**PLACE, **changes})
        return InferenceTable.objects.get(endpoint=self.endpoint, form=form)

    def row(self, body: Any = None, predictions: Any = (1.5, 2.5), **changes: Any) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "request_id": str(uuid.uuid4()),
            "client_request_id": None,
            "request_time": time.time(),
            "status_code": 200,
            "sampling": 1.0,
            "execution_ms": 3.4,
            "request": json.dumps({"dataframe_records": ROWS} if body is None else body).encode(),
            "response": json.dumps({"predictions": predictions}).encode(),
            "content_type": "application/json",
            "endpoint": self.endpoint.name,
            "entity": self.route,
            "requester": "77",
        }
        return captured_row(**{**facts, **changes})

    def spool(self, table: InferenceTable, *rows: dict[str, Any]) -> list[str]:
        writer = SpoolWriter(spool_root() / str(table.pk))
        for row in rows:
            assert writer.append(row), writer.message
        writer.close()
        return [row["request_id"] for row in rows]


@pytest.fixture
def captured(lake, serving_root) -> Captured:  # noqa: F811  (the fixture)
    signature = mlmodel(signature=signed(SIGNATURE))
    version = make_files_version(lake.people.owner, "prod.ml.delay", {"MLmodel": signature})
    now = timezone.now()
    endpoint = ServingEndpoint.objects.create(
        name="delays", creator=lake.people.owner.principal, created_at=now, updated_at=now, last_config_version=1
    )
    EndpointPermission.objects.create(
        endpoint=endpoint, principal=lake.people.owner.principal, level=EndpointLevel.CAN_MANAGE
    )
    config = EndpointConfig.objects.create(endpoint=endpoint, version=1, created_at=now)
    entity = ServedEntity.objects.create(
        config=config,
        name="delay-1",
        entity_name="prod.ml.delay",
        entity_version="1",
        version=version,
        traffic_percentage=100,
        created_at=now,
    )
    return Captured(lake, endpoint, entity)


def rows_of(securable: Any) -> list[dict[str, Any]]:
    """What a governed table holds."""
    return DeltaTable(folder_of(securable.pk)).to_pyarrow_table().to_pylist()


def append() -> int:
    """One pass of the worker."""
    return append_captures()


def spooled(table: InferenceTable) -> list[Path]:
    """What is left in the table's spool."""
    folder = Path(settings.SERVING_ROOT, "spool", str(table.pk))
    return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []
