"""Requests come into the payload and unpacked tables as documented, once, whatever ends in between."""

import json
import math
import uuid
from datetime import UTC, datetime

import pytest
from deltalake import DeltaTable

from registry.models import LineageEdge, Table
from registry.services.table_data import folder_of
from registry.services.tables import delete_table
from serving.models import EndpointEvent, InferenceTable
from serving.routing.stats import GatewayStats, write_stats
from serving.services import capture_appends, delta_writes
from serving.services.capture_appends import spool_root
from serving.services.payload_rows import COLUMNS
from serving.services.spool_batches import Batch
from tests.serving.capture.conftest import FORMS, ROWS, SIGNATURE, append, rows_of, signed, spooled
from tests.serving.factories import make_files_version, mlmodel

pytestmark = pytest.mark.django_db


def test_both_forms_have_the_documented_columns_and_are_read_by_sql(captured):
    gateway = captured.turn_on()
    legacy = captured.turn_on("LEGACY", table_name_prefix="old")
    moment = datetime(2026, 3, 1, 23, 59, 59, 250_000, tzinfo=UTC)
    for table in (gateway, legacy):
        row = captured.row(request_time=moment.timestamp(), client_request_id="mine")
        captured.spool(table, row)
    assert append() == 2
    run = captured.lake.run
    ((day, mine, status, time_, body, codes, entity, who),) = run(
        "owner",
        "SELECT request_date, client_request_id, status_code, request_time, request, logging_error_codes, "
        "served_entity_id, requester FROM prod.ml.delays_payload",
    )
    assert (day, mine, status, time_) == ("2026-03-01", "mine", "200", "2026-03-01T23:59:59.250Z")
    assert (json.loads(body), codes, who) == ({"dataframe_records": ROWS}, "[]", "77")
    assert entity == captured.entity.pk.hex
    ((day, stamp, took, names),) = run(
        "owner", "SELECT date, timestamp_ms, execution_time_ms, request_metadata FROM prod.ml.old_payload"
    )
    assert (day, int(stamp), took) == ("2026-03-01", int(moment.timestamp() * 1000), "3")
    assert json.loads(names) == {"endpoint_name": "delays", "model_name": "prod.ml.delay", "model_version": "1"}
    for table in (gateway, legacy):
        wanted = [column.name for column in COLUMNS[table.form]]
        assert DeltaTable(folder_of(table.table_id)).to_pyarrow_table().column_names == wanted
        assert [column["name"] for column in Table.objects.get(pk=table.table_id).columns] == wanted


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_request_becomes_the_same_rows(captured, form):
    table = captured.turn_on()
    (request_id,) = captured.spool(table, captured.row({form: FORMS[form]}))
    append()
    first, second = sorted(rows_of(table.unpacked_table), key=lambda row: row["row_index"])
    assert (first["distance"], first["carrier"], first["stops"], first["prediction"]) == (100.5, "UA", 1, 1.5)
    assert (second["distance"], second["carrier"], second["stops"], second["prediction"]) == (7.0, "AA", None, 2.5)
    assert {row["databricks_request_id"] for row in (first, second)} == {request_id}
    assert (first["model_name"], first["model_version"], first["served_entity"]) == ("prod.ml.delay", "1", "delay-1")
    assert (first["label"], first["status_code"], second["row_index"]) == (None, 200, 1)


def test_csv_is_unpacked_and_what_is_no_request_is_counted(captured):
    table = captured.turn_on()
    captured.spool(
        table,
        captured.row(request=b"distance,carrier,stops\n1.5,UA,\nnan,BB,2\n", content_type="text/csv; charset=utf-8"),
        captured.row(request=b"{", status_code=400, response=b'{"error_code": "BAD_REQUEST"}'),
        captured.row([1, 2]),
        captured.row({"instances": ROWS, "inputs": ROWS}),
        captured.row(status_code=429, entity=None),
    )
    append()
    table.refresh_from_db()
    first, second = sorted(rows_of(table.unpacked_table), key=lambda row: row["row_index"])
    assert (first["distance"], first["stops"], second["carrier"], second["stops"]) == (1.5, None, "BB", 2)
    assert math.isnan(second["distance"])
    assert (table.appended_rows, table.unparsed_rows) == (5, 3)
    assert len(rows_of(table.table)) == 5


def test_values_that_do_not_fit_are_null_and_the_row_stays(captured):
    table = captured.turn_on()
    captured.spool(
        table, captured.row({"instances": [{"distance": "far", "carrier": {"a": 1}, "stops": 2.5}]}, ["x"])
    )
    append()
    (row,) = rows_of(table.unpacked_table)
    assert (row["distance"], row["carrier"], row["stops"], row["prediction"]) == (None, '{"a":1}', None, None)


def test_what_no_table_can_hold_keeps_nobody_out(captured):
    table = captured.turn_on()
    hostile = [
        {"instances": [{"distance": 1e400, "carrier": "\ud800", "stops": 10**30}]},
        {"instances": [{"distance": True, "carrier": None, "stops": "9" * 5000}]},
        {"instances": [[]]},
        {"inputs": {"distance": [1], "carrier": ["a", "b"]}},
        {"dataframe_split": {"columns": 5, "data": [None]}},
        {"dataframe_records": []},
    ]
    captured.spool(table, *(captured.row(body, client_request_id="\udfff") for body in hostile))
    captured.spool(table, captured.row(response=b"[" * 100_000), captured.row(predictions={"a": [1, 2]}))
    assert append() == 8
    table.refresh_from_db()
    assert (table.message, table.unparsed_rows) == ("", 1)
    assert len(rows_of(table.unpacked_table)) == 8
    assert {row["client_request_id"] for row in rows_of(table.table)} == {"?", None}


def test_bodies_over_a_mebibyte_are_left_out_and_say_so(captured):
    table = captured.turn_on()
    large = b'{"instances": [' + b" " * 1024**2 + b"]}"
    captured.spool(table, captured.row(request=large), captured.row(response=large))
    append()
    found = {tuple(row["logging_error_codes"]): row for row in rows_of(table.table)}
    assert found["MAX_REQUEST_SIZE_EXCEEDED",]["request"] is None
    assert found["MAX_REQUEST_SIZE_EXCEEDED",]["response"]
    assert found["MAX_RESPONSE_SIZE_EXCEEDED",]["response"] is None


class Killed(BaseException):
    """Stands for the end of a worker: nothing in between may catch it."""


@pytest.mark.parametrize(
    "point", ["before payload", "after payload", "after unpacked", "after count", "while finishing"]
)
def test_a_worker_that_ends_anywhere_loses_and_doubles_nothing(captured, monkeypatch, point):
    table = captured.turn_on()
    wanted = captured.spool(table, captured.row(), captured.row())
    with monkeypatch.context() as patch:
        _end_at(patch, point)
        with pytest.raises(Killed):
            append()
    wanted += captured.spool(table, captured.row())
    append()
    append()
    assert sorted(row["databricks_request_id"] for row in rows_of(table.table)) == sorted(wanted)
    assert sorted(row["databricks_request_id"] for row in rows_of(table.unpacked_table)) == sorted(wanted * 2)
    table.refresh_from_db()
    assert table.appended_rows == 3
    assert spooled(table) == []


def _end_at(patch, point):
    def ends(*args, **kwargs):
        raise Killed

    real = delta_writes.write_rows
    calls = []

    def ends_after_first(*args, **kwargs):
        calls.append(args)
        if len(calls) == 2:
            raise Killed
        return real(*args, **kwargs)

    match point:
        case "before payload":
            patch.setattr(capture_appends, "write_rows", ends)
        case "after payload":
            patch.setattr(capture_appends, "write_rows", ends_after_first)
        case "after unpacked":
            patch.setattr(capture_appends, "_keep_lineage", ends)
        case "after count":
            patch.setattr(Batch, "finish", ends)
        case "while finishing":
            finish = Batch.finish

            def ends_half_way(batch):
                (batch.folder / batch.names[0]).unlink()
                raise Killed

            patch.setattr(Batch, "finish", ends_half_way)
            assert finish is not Batch.finish


def test_a_database_from_an_older_copy_loses_no_row(captured):
    table = captured.turn_on()
    for _ in range(2):
        captured.spool(table, captured.row())
        append()
    InferenceTable.objects.filter(pk=table.pk).update(batches={})
    (last,) = captured.spool(table, captured.row())
    append()
    assert last in {row["databricks_request_id"] for row in rows_of(table.table)}
    assert len(rows_of(table.table)) == 3
    assert len(rows_of(table.unpacked_table)) == 6


def test_a_version_with_more_inputs_adds_its_columns(captured):
    table = captured.turn_on()
    captured.spool(table, captured.row())
    append()
    more = {**SIGNATURE, "inputs": [*SIGNATURE["inputs"], {"name": "wind speed (kn)", "type": "float"}]}
    model = mlmodel(signature=signed(more))
    version = make_files_version(captured.lake.people.owner, "prod.ml.delay", {"MLmodel": model})
    captured.entity.pk, captured.entity.name, captured.entity.version = uuid.uuid4(), "delay-2", version
    captured.entity.save(force_insert=True)
    captured.spool(table, captured.row({"instances": [{**ROWS[0], "wind speed (kn)": 0.5}]}, [3]))
    append()
    rows = sorted(rows_of(table.unpacked_table), key=lambda row: row["prediction"])
    assert [row["wind speed (kn)"] for row in rows] == [None, None, 0.5]
    shown = Table.objects.get(pk=table.unpacked_table_id).columns
    assert shown[-1]["name"] == "wind speed (kn)"
    assert shown[-1]["type_text"] == "DOUBLE"


def test_a_table_that_is_gone_keeps_its_rows_waiting_and_says_so_once(captured):
    table = captured.turn_on()
    captured.spool(table, captured.row())
    folder = folder_of(table.table_id)
    folder.rename(folder.with_suffix(".away"))
    append()
    append()
    table.refresh_from_db()
    assert "deleted" in table.message
    assert EndpointEvent.objects.filter(kind="INFERENCE_TABLE_FAILED").count() == 1
    folder.with_suffix(".away").rename(folder)
    assert append() == 1
    table.refresh_from_db()
    assert table.message == ""


def test_rows_without_a_table_to_come_are_let_go_and_counted(captured):
    table = captured.turn_on()
    captured.spool(table, captured.row(), captured.row())
    captured.turn_on(enabled=False)
    delete_table(actor=captured.lake.people.owner, full_name="prod.ml.delays_payload")
    append()
    table.refresh_from_db()
    assert (table.dropped_rows, table.table, spooled(table)) == (2, None, [])


def test_what_was_dropped_is_counted_once_and_told(captured, serving_root):
    table = captured.turn_on()
    captured.spool(table)
    gateways = serving_root / "gateways"
    gateways.mkdir(parents=True)
    for dropped in (3, 3, 5):
        write_stats(gateways, GatewayStats(1, 10.0, 11.0, {}, {str(table.pk): dropped}))
        append()
    table.refresh_from_db()
    assert table.dropped_rows == 5
    assert EndpointEvent.objects.filter(kind="INFERENCE_TABLE_DROPPED").count() == 1


def test_versions_lead_to_the_tables_that_hold_their_answers(captured):
    table = captured.turn_on()
    captured.spool(table, captured.row())
    append()
    edges = LineageEdge.objects.filter(version=captured.entity.version, direction="DOWNSTREAM", kind="TABLE")
    assert set(edges.values_list("table", flat=True)) == {table.table_id, table.unpacked_table_id}


def test_rows_of_a_deleted_endpoint_still_arrive(captured):
    table = captured.turn_on()
    captured.spool(table, captured.row())
    captured.endpoint.delete()
    assert append() == 1
    assert len(rows_of(table.unpacked_table)) == 2
    assert spool_root().exists()
