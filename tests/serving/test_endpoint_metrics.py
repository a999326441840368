"""What is told of an endpoint's traffic agrees with the minutes that were written, and costs the same for many."""

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from openapi_spec_validator import OpenAPIV31SpecValidator

from registry.errors import InvalidParameter, NotFound
from serving.models import (
    EndpointConfig,
    EndpointLevel,
    EndpointPermission,
    EndpointSample,
    ServedEntity,
    ServingEndpoint,
)
from serving.routing.stats import LATENCY_BOUNDS_MS, EntityStats, GatewayStats, write_stats
from serving.services.endpoint_metrics import (
    endpoint_series,
    export_metrics,
    live_traffic,
    percentile,
    recent_traffic,
)
from serving.services.endpoint_openapi import openapi_text
from tests.serving.factories import make_files_version, mlmodel
from tests.sql.conftest import lake  # noqa: F401  (a fixture)

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 4, 12, 0, 30, tzinfo=UTC)


def counts(**found):
    """Bucket counts by upper bound, as `ms_20=3`."""
    row = [0] * (len(LATENCY_BOUNDS_MS) + 1)
    for name, count in found.items():
        row[LATENCY_BOUNDS_MS.index(int(name[3:]))] = count
    return row


def make_endpoint(people, name="rides"):
    endpoint = ServingEndpoint.objects.create(
        name=name, creator=people.owner.principal, created_at=NOW, updated_at=NOW, last_config_version=1
    )
    EndpointPermission.objects.create(
        endpoint=endpoint, principal=people.reader.principal, level=EndpointLevel.CAN_VIEW
    )
    return endpoint


def sample(endpoint, minutes_ago, *, entity="m-1", version="1", **facts):
    return EndpointSample.objects.create(
        endpoint=endpoint,
        entity_name=entity,
        model_version=version,
        minute=NOW.replace(second=0) - timedelta(minutes=minutes_ago),
        **facts,
    )


@pytest.mark.parametrize(
    ("found", "share", "wanted"),
    [
        (counts(), 0.5, None),
        (counts(ms_20=10), 0.5, 15.0),
        (counts(ms_1=1), 0.99, 0.99),
        (counts(ms_20=9, ms_500=1), 0.9, 20.0),
        (counts(ms_20=9, ms_500=1), 1, 500.0),
        ([*counts()[:-1], 4], 0.5, 120_000.0),
    ],
)
def test_percentiles_come_from_the_buckets(found, share, wanted):
    assert percentile(found, share) == (None if wanted is None else pytest.approx(wanted))


def test_a_series_holds_every_step_by_entity_and_version(people):
    endpoint = make_endpoint(people)
    sample(endpoint, 1, requests=60, errors_4xx=2, errors_5xx=1, latency_sum_ms=600, latency_counts=counts(ms_10=60))
    sample(endpoint, 2, requests=30, latency_sum_ms=900, latency_counts=counts(ms_50=30), cpu_percent=40.0)
    sample(endpoint, 1, entity="m-2", version="2", requests=5, latency_counts=counts(ms_20=5), queue_sum_ms=50)
    sample(endpoint, 500, requests=99)
    first, second = endpoint_series(
        actor=people.reader, name="rides", since=NOW - timedelta(minutes=10), until=NOW, points=10
    )
    assert (first.entity, first.version, second.entity, second.version) == ("m-1", "1", "m-2", "2")
    assert [point.requests for point in first.points] == [0] * 8 + [30, 60, 0]
    busy = first.points[-2]
    assert (busy.at, busy.per_second, busy.error_rate) == (NOW.replace(second=0) - timedelta(minutes=1), 1.0, 0.05)
    assert busy.p50_ms == pytest.approx(7.5)
    assert (first.total.requests, first.total.mean_ms, first.total.cpu_percent) == (90, pytest.approx(1500 / 90), 40)
    assert first.points[0].p95_ms is None
    assert second.total.queue_ms == 10
    (whole,) = endpoint_series(
        actor=people.metastore_admin,
        name="rides",
        since=NOW - timedelta(days=1),
        until=NOW,
        points=24,
    )[:1]
    assert sum(point.requests for point in whole.points) == 189
    with pytest.raises(NotFound):
        endpoint_series(actor=people.outsider, name="rides", since=NOW - timedelta(days=1), until=NOW)
    with pytest.raises(InvalidParameter):
        endpoint_series(actor=people.reader, name="rides", since=NOW, until=NOW)


def test_a_list_of_endpoints_costs_one_query(people):
    endpoints = [make_endpoint(people, f"e{number}") for number in range(4)]
    for endpoint in endpoints[:3]:
        sample(endpoint, 5, requests=3600, latency_counts=counts(ms_100=3600))
    asked = []
    for many in (1, 4):
        with CaptureQueriesContext(connection) as queries:
            found = recent_traffic([one.pk for one in endpoints[:many]], now=NOW)
        asked.append(len(queries))
    assert asked == [1, 1]
    assert set(found) == {one.pk for one in endpoints[:3]}
    traffic = found[endpoints[0].pk]
    assert max(traffic.per_second) == 1.0
    assert traffic.total.p95_ms == pytest.approx(97.5)
    assert recent_traffic([]) == {}


def test_the_export_is_open_metrics_of_the_last_minute(people):
    endpoint = make_endpoint(people)
    sample(endpoint, 2, requests=1000)
    sample(
        endpoint,
        1,
        requests=7,
        errors_4xx=2,
        errors_5xx=1,
        latency_sum_ms=70.5,
        latency_counts=counts(ms_10=4, ms_20=3),
        queue_sum_ms=3.5,
        model_sum_ms=50,
        cpu_percent=12.5,
        memory_percent=3.0,
        provisioned_concurrency=4,
    )
    text = export_metrics(actor=people.reader, name="rides", now=NOW)
    labels = 'endpoint_name="rides",served_entity_name="m-1",model_version="1"'
    for line in (
        f"cpu_usage_percentage{{{labels}}} 12.5",
        f"mem_usage_percentage{{{labels}}} 3.0",
        f"provisioned_concurrent_requests_total{{{labels}}} 4",
        f"request_count_total{{{labels}}} 7",
        f"request_4xx_count_total{{{labels}}} 2",
        f"request_5xx_count_total{{{labels}}} 1",
        f'request_latency_ms_bucket{{{labels},le="10.0"}} 4',
        f'request_latency_ms_bucket{{{labels},le="+Inf"}} 7',
        f"request_latency_ms_sum{{{labels}}} 70.5",
        f"model_queue_time_ms_count{{{labels}}} 7",
        f"model_prediction_latency_ms_sum{{{labels}}} 50.0",
    ):
        assert line in text.splitlines()
    assert text.endswith("# EOF\n")
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(set(names)) == 9
    assert text.count("model_queue_time_ms_bucket{") == 1


def test_an_idle_endpoint_exports_zeros(people):
    sample(make_endpoint(people), 30, requests=5)
    text = export_metrics(actor=people.reader, name="rides", now=NOW)
    assert 'request_count_total{endpoint_name="rides"} 0' in text
    with pytest.raises(NotFound):
        export_metrics(actor=people.outsider, name="rides")


def test_what_runs_now_is_summed_over_gateways(serving_root):
    one, folder = uuid.uuid4(), serving_root / "gateways"
    folder.mkdir(parents=True)
    for pid, outstanding in ((1, 2), (2**22 + 5, 50)):
        stats = {str(one): EntityStats(outstanding=outstanding, queued=1, last_request=float(pid))}
        write_stats(folder, GatewayStats(pid, 0.0, 0.0, stats, {}))
    live = live_traffic([one, other := uuid.uuid4()])
    assert (live[one].outstanding, live[one].queued) == (2, 1)
    assert live[other].outstanding == 0


# --- OpenAPI ------------------------------------------------------------------------------------------------------


def tensor(*shape, name=None):
    spec = {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": list(shape)}}
    return {**spec, "name": name} if name else spec


SIGNATURES = {
    "columns": (
        [{"name": "a b", "type": "double"}, {"name": "s", "type": "string", "required": False}],
        [{"type": "long", "name": "y"}],
    ),
    "tensor": ([tensor(-1, 4)], [tensor(-1, 3)]),
    "named tensors": ([tensor(-1, 4, name="x"), tensor(-1, name="y")], [tensor(-1)]),
    "nested": (
        [{"name": "o", "type": "object", "properties": {"k": {"type": "array", "items": {"type": "string"}}}}],
        [{"name": "p", "type": "double"}, {"name": "q", "type": "datetime"}],
    ),
    "odd": ([{"type": "new"}, 5], "none"),
}


@pytest.mark.parametrize("kind", SIGNATURES)
def test_the_document_is_valid_and_takes_what_the_model_takes(people, serving_root, kind):
    inputs, outputs = SIGNATURES[kind]
    signature = {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs), "params": None}
    version = None
    if kind != "odd":
        model = mlmodel(signature=signature)
        version = make_files_version(people.metastore_admin, "workspace.default.m", {"MLmodel": model})
    endpoint = make_endpoint(people)
    config = EndpointConfig.objects.create(endpoint=endpoint, version=1, created_at=NOW)
    endpoint.active_config = config
    endpoint.save()
    ServedEntity.objects.create(config=config, name="m-1", version=version, created_at=NOW)
    document = json.loads(openapi_text(actor=people.reader, name="rides", url="http://host/"))
    OpenAPIV31SpecValidator(document).validate()
    assert set(document["paths"]) == {
        "/serving-endpoints/rides/invocations",
        "/serving-endpoints/rides/served-models/m-1/invocations",
    }
    call = document["paths"]["/serving-endpoints/rides/invocations"]["post"]
    body = call["requestBody"]["content"]["application/json"]["schema"]
    forms = {name for option in body["oneOf"] for name in option["required"]}
    assert {"inputs", "instances"} <= forms
    if kind == "columns":
        (records,) = (one for one in body["oneOf"] if one["required"] == ["dataframe_records"])
        row = records["properties"]["dataframe_records"]["items"]
        assert row["properties"]["a b"] == {"type": "number", "format": "double"}
        assert row["properties"]["s"] == {"type": ["string", "null"]}
        assert row["required"] == ["a b"]
    with pytest.raises(NotFound):
        openapi_text(actor=people.outsider, name="rides", url="http://host/")


# --- As a table ---------------------------------------------------------------------------------------------------


def test_the_minutes_are_a_table_of_what_one_may_see(lake):  # noqa: F811  (the fixture)
    for number, who in enumerate(("reader", "owner")):
        endpoint = make_endpoint(lake.people, f"e{number}")
        endpoint.permissions.update(principal=lake.people.principals[who])
        sample(endpoint, 1, requests=4, latency_sum_ms=10, latency_counts=counts(ms_10=4), cpu_percent=7.5)
        sample(endpoint, 60 * 24 * 3, requests=9)
    query = (
        "SELECT endpoint_name, served_entity_name, request_count, latency_mean_ms, latency_p50_ms, "
        "cpu_usage_percentage, queue_mean_ms FROM system.serving.endpoint_metrics "
        "WHERE event_date >= '2026-05-04' ORDER BY endpoint_name"
    )
    mine = ["e0", "m-1", "4", "2.5", "7.5", "7.5", "0.0"]
    assert lake.run("reader", query) == [mine]
    assert lake.run("metastore_admin", query.replace("system.serving", "SYSTEM.Serving")) == [mine, ["e1", *mine[1:]]]
    assert lake.error("reader", "CREATE TABLE system.serving.endpoint_metrics AS SELECT 1 AS a")
