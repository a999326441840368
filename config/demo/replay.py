"""Months of requests to the endpoint, put into its inference table as if they had been asked when the flights left.

Every answer is the model's own. Only the clock is not: requests that were asked today would make no season.
"""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from django.conf import settings

from config.demo.flights import LABEL, as_request
from config.demo.models import full_name
from serving.models import InferenceTable, ServedEntity
from serving.routing.routes import EntityRoute
from serving.routing.spool import SpoolWriter, captured_row

CHALLENGER_SHARE = 0.1
ROWS_PER_REQUEST = 10
_NAMESPACE = uuid.UUID("6f1d3a52-0b74-4b7e-9f0e-2013aa110077")


def replay(
    flights: pd.DataFrame, fitted: dict[str, Any], *, table: InferenceTable, requester: str
) -> list[dict[str, Any]]:
    """Write the requests into the table's spool, and answer the labels: what really became of each flight.

    Ids follow from the flights, so that a replay that is begun anew writes the same requests.
    """
    spool = SpoolWriter(Path(settings.SERVING_ROOT, "spool", str(table.pk)))
    chance = np.random.default_rng(0)
    labels: list[dict[str, Any]] = []
    entities = {entity.entity_version: entity for entity in _entities(table)}
    for number, rows in enumerate(_requests(flights)):
        version = "2" if chance.random() < CHALLENGER_SHARE and "2" in entities else "1"
        request_id = str(uuid.uuid5(_NAMESPACE, f"{number}"))
        answers = fitted[version].predict(rows[fitted[version].feature_names_in_])
        row = captured_row(
            request_id=request_id,
            client_request_id=None,
            request_time=rows["time_hour"].iloc[0].timestamp(),
            status_code=200,
            sampling=1.0,
            execution_ms=float(chance.gamma(4.0, 2.0)),
            request=json.dumps(as_request(rows)).encode(),
            response=json.dumps({"predictions": list(map(str, answers))}).encode(),
            content_type="application/json",
            endpoint=table.endpoint_name,
            entity=_route(entities[version]),
            requester=requester,
        )
        spool.append(row)
        labels += [
            {"databricks_request_id": request_id, "row_index": place, "label": label}
            for place, label in enumerate(rows[LABEL])
        ]
    spool.close()
    return labels


def _requests(flights: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Flights of one hour or a few, in small groups as an airport's screens would ask."""
    for _, day in flights.groupby(flights["time_hour"].dt.date):
        for first in range(0, len(day), ROWS_PER_REQUEST):
            yield day.iloc[first : first + ROWS_PER_REQUEST]


def _entities(table: InferenceTable) -> list[ServedEntity]:
    return list(ServedEntity.objects.filter(config__endpoint=table.endpoint, config__state="ACTIVE"))


def _route(entity: ServedEntity) -> EntityRoute:
    return EntityRoute(
        id=str(entity.pk),
        name=entity.name,
        model=full_name("prod"),
        version=entity.entity_version,
        role="LIVE",
        weight=entity.traffic_percentage,
        concurrency=4,
        max_concurrency=4,
        micro_batching=False,
        replicas=(),
    )
