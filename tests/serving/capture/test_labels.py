"""Labels come by request id, early or late, and end in the unpacked rows; rows go when their days are over."""

import io
import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from django.test import Client
from django.utils import timezone

from registry.errors import AccessDenied, NotFound
from registry.models import AuditEvent
from registry.privileges import Privilege, SecurableType
from registry.services.table_data import folder_of
from registry.services.tokens import create_token
from serving.models import EndpointLevel, EndpointPermission, InferenceTable
from serving.services import capture_upkeep
from serving.services.capture_upkeep import tidy_inference_tables
from serving.services.inference_tables import capture_routes, list_inference_tables
from serving.services.labels import Label, upload_labels
from tests.openapi.answers import complaints, operation_of
from tests.serving.capture.conftest import append, rows_of, spooled

pytestmark = pytest.mark.django_db


@pytest.fixture
def post(captured):
    """Sends labels over REST."""

    def send(body, content_type="application/json", who="owner"):
        token = create_token(actor=getattr(captured.lake.people, who)).value
        headers = {"Authorization": f"Bearer {token}"}
        data = body if isinstance(body, bytes) else json.dumps(body)
        url = "/api/modelkeep/endpoints/delays/labels"
        response = Client().post(url, data, content_type=content_type, headers=headers)
        assert list(complaints(operation_of("POST", url), response)) == []
        return response

    return send


def labels_of(table):
    table.refresh_from_db()
    return {(row["databricks_request_id"], row["row_index"]): row["label"] for row in rows_of(table.unpacked_table)}


def test_labels_join_their_rows_before_and_after_and_the_last_one_counts(captured, post):
    table = captured.turn_on()
    first, second = captured.spool(table, captured.row(), captured.row())
    append()
    early = captured.row()
    entries = [
        {"request_id": first, "label": 9.5},
        {"request_id": first, "row_index": 1, "label": "7"},
        {"request_id": early["request_id"], "labels": [1, 2]},
        {"request_id": "nobody-knows", "label": 3},
    ]
    answer = post({"labels": entries})
    assert answer.json() == {"labels": 5, "table": "prod.ml.delays_labels"}
    append()
    captured.spool(table, early)
    append()
    wanted = {
        (first, 0): 9.5,
        (first, 1): 7.0,
        (second, 0): None,
        (second, 1): None,
        (early["request_id"], 0): 1.0,
        (early["request_id"], 1): 2.0,
    }
    assert labels_of(table) == wanted
    post({"labels": [{"request_id": first, "label": 8}]})
    append()
    append()
    assert labels_of(table) == {**wanted, (first, 0): 8.0}
    assert len(rows_of(table.label_table)) == 6
    assert {row["labeled_by"] for row in rows_of(table.label_table)} == {"owner@example.com"}
    assert spooled(table) == []
    event = AuditEvent.objects.filter(action="uploadLabels").earliest("id")
    assert event.params == {"table": "prod.ml.delays_labels", "labels": 5}


def test_labels_come_as_csv_and_parquet(captured, post):
    table = captured.turn_on()
    (request_id,) = captured.spool(table, captured.row())
    append()
    assert post(f"databricks_request_id,row_index,label\n{request_id},1,4.5\n".encode(), "text/csv").json() == {
        "labels": 1,
        "table": "prod.ml.delays_labels",
    }
    file = io.BytesIO()
    pq.write_table(pa.table({"request_id": [request_id], "label": [5.5], "more": [{"a": 1}]}), file)
    assert post(file.getvalue(), "application/vnd.apache.parquet").status_code == 200
    append()
    assert labels_of(table) == {(request_id, 0): 5.5, (request_id, 1): 4.5}


def test_labels_by_the_callers_own_id_join_early_and_late(captured, post):
    table = captured.turn_on()
    captured.spool(table, captured.row(client_request_id="ride-1"), captured.row(client_request_id="ride-2"))
    append()
    late = captured.row(client_request_id="ride-3")
    entries = [
        {"client_request_id": "ride-1", "labels": [1, 2]},
        {"client_request_id": "ride-3", "label": 3},
        {"request_id": late["request_id"], "row_index": 1, "label": 4},
    ]
    assert post({"labels": entries}).status_code == 200
    append()
    captured.spool(table, late)
    append()
    table.refresh_from_db()
    found = {(row["client_request_id"], row["row_index"]): row["label"] for row in rows_of(table.unpacked_table)}
    assert found == {
        ("ride-1", 0): 1.0,
        ("ride-1", 1): 2.0,
        ("ride-2", 0): None,
        ("ride-2", 1): None,
        ("ride-3", 0): 3.0,
        ("ride-3", 1): 4.0,
    }


@pytest.mark.parametrize(
    ("body", "content_type", "said"),
    [
        ({"labels": []}, "application/json", "empty"),
        ({"labels": {}}, "application/json", "list"),
        (b"{", "application/json", "JSON"),
        ({"labels": [{"label": 1}]}, "application/json", "request_id"),
        ({"labels": [{"request_id": "a"}]}, "application/json", "'label'"),
        ({"labels": [{"request_id": "a", "label": "late"}]}, "application/json", "double"),
        ({"labels": [{"request_id": "a", "label": 1, "row_index": -1}]}, "application/json", "row_index"),
        ({"labels": [{"request_id": "a\x00", "label": 1}]}, "application/json", "NUL"),
        (b"\xff", "text/csv", "UTF-8"),
        (b"PAR1", "application/parquet", "Parquet"),
    ],
)
def test_labels_that_cannot_be_used_are_refused_as_a_whole(captured, post, body, content_type, said):
    table = captured.turn_on()
    answer = post(body, content_type)
    assert answer.status_code == 400
    assert said in answer.json()["message"]
    assert spooled(table) == []


def test_who_may_label(captured):
    captured.turn_on()
    people, labels = captured.lake.people, [Label("a", 0, 1.0)]
    with pytest.raises(NotFound):
        upload_labels(actor=people.reader, name="delays", labels=labels)
    EndpointPermission.objects.create(
        endpoint=captured.endpoint, principal=people.reader.principal, level=EndpointLevel.CAN_VIEW
    )
    with pytest.raises(NotFound):  # The table may not be seen.
        upload_labels(actor=people.reader, name="delays", labels=labels)
    captured.lake.grant(SecurableType.SCHEMA, "prod.ml", "reader", Privilege.SELECT, Privilege.MODIFY)
    with pytest.raises(AccessDenied, match="CREATE_TABLE"):
        upload_labels(actor=people.reader, name="delays", labels=labels)
    upload_labels(actor=people.owner, name="delays", labels=labels)
    upload_labels(actor=people.reader, name="delays", labels=labels)


# --- On and off ---------------------------------------------------------------------------------------------------


def test_a_table_is_made_by_the_one_who_may_and_belongs_to_him(captured):
    table = captured.turn_on()
    assert table.table.owner.name == "owner@example.com"
    assert table.table.full_name == "prod.ml.delays_payload"
    assert table.unpacked_table.full_name == "prod.ml.delays_unpacked"
    assert capture_routes([captured.endpoint.pk])[captured.endpoint.pk][0].id == str(table.pk)
    for who, error in (("reader", AccessDenied), ("outsider", NotFound)):
        with pytest.raises(error):
            captured.turn_on("LEGACY", who=who, table_name_prefix=who)


def test_another_place_needs_it_off_first_and_the_old_rows_still_arrive(captured):
    table = captured.turn_on()
    with pytest.raises(Exception, match="turn that off"):
        captured.turn_on(table_name_prefix="other")
    captured.spool(table, captured.row())
    captured.turn_on(enabled=False)
    assert capture_routes([captured.endpoint.pk]) == {}
    other = captured.turn_on(table_name_prefix="other")
    assert other.pk != table.pk
    append()
    table.refresh_from_db()
    assert (table.appended_rows, table.endpoint) == (1, None)
    assert len(rows_of(table.table)) == 1
    assert rows_of(other.table) == []


def test_turned_on_again_it_goes_on_in_the_same_table(captured):
    table = captured.turn_on()
    captured.turn_on(enabled=False)
    again = captured.turn_on()
    assert again.pk == table.pk
    assert again.is_enabled


def test_a_new_endpoint_of_the_same_name_takes_the_tables_up(captured):
    table = captured.turn_on()
    captured.endpoint.delete()
    captured.endpoint.pk = None
    type(captured.endpoint).objects.bulk_create([captured.endpoint])
    captured.endpoint = type(captured.endpoint).objects.get(name="delays")
    again = captured.turn_on()
    assert (again.pk, again.table_id) == (table.pk, table.table_id)


def test_a_name_that_is_taken_is_refused_with_what_to_do(captured):
    captured.turn_on()
    with pytest.raises(Exception, match="table_name_prefix"):
        captured.turn_on("LEGACY")
    assert InferenceTable.objects.count() == 1


def test_the_calls_of_our_own(captured):
    captured.turn_on()
    token = create_token(actor=captured.lake.people.owner).value
    headers = {"Authorization": f"Bearer {token}"}
    url = "/api/modelkeep/endpoints/delays/inference-tables"
    listed = Client().get(url, headers=headers)
    assert list(complaints(operation_of("GET", url), listed)) == []
    (shown,) = listed.json()["inference_tables"]
    assert (shown["form"], shown["enabled"], shown["table"]) == ("AI_GATEWAY", True, "prod.ml.delays_payload")
    changed = Client().patch(url, {"retention_days": 30}, content_type="application/json", headers=headers)
    assert changed.json()["inference_table"]["retention_days"] == 30
    refused = Client().patch(url, {"retention_days": -1}, content_type="application/json", headers=headers)
    assert refused.status_code == 400
    assert list_inference_tables(actor=captured.lake.people.metastore_admin, name="delays")


def test_old_rows_go_and_the_rest_stays(captured, monkeypatch):
    table = captured.turn_on()
    now = timezone.now()
    days = (0, 1, 9, 11, 400)
    captured.spool(table, *(captured.row(request_time=(now - timedelta(days=day)).timestamp()) for day in days))
    append()
    monkeypatch.setattr(capture_upkeep, "_MANY_FILES", 1)
    InferenceTable.objects.update(retention_days=10)
    assert tidy_inference_tables(now=now) == 1
    assert tidy_inference_tables(now=now) == 0
    limit = now.astimezone(UTC) - timedelta(days=10)
    assert sorted((now.date() - row["request_date"]).days for row in rows_of(table.table)) == [0, 1, 9]
    assert all(row["timestamp"] >= limit for row in rows_of(table.unpacked_table))
    assert len(rows_of(table.unpacked_table)) == 6
    captured.spool(table, captured.row(request_time=datetime.now(UTC).timestamp()))
    assert append() == 1
    assert DeltaTable(folder_of(table.table_id)).to_pyarrow_table().num_rows == 4


def test_many_small_files_become_few_and_no_row_changes(captured, monkeypatch):
    table = captured.turn_on()
    for _ in range(4):
        captured.spool(table, captured.row())
        append()
    before = sorted(map(str, rows_of(table.unpacked_table)))
    monkeypatch.setattr(capture_upkeep, "_MANY_FILES", 3)
    tidy_inference_tables()
    assert len(DeltaTable(folder_of(table.unpacked_table_id)).file_uris()) == 1
    assert sorted(map(str, rows_of(table.unpacked_table))) == before
