"""The statement API itself: waiting, chunks, links, limits, cancel, expiry, and whose statement it is."""

import csv
import io
import threading
import time
from datetime import timedelta

import pyarrow as pa
import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from registry.models import ApiToken, AuditEvent, Principal, SqlStatement
from registry.privileges import Privilege, SecurableType
from registry.services import sql_jobs, sql_statements
from registry.services.sql_jobs import result_folder
from tests.sql.conftest import URL

SLOW = (
    "SELECT count(*) FROM prod.ml.many a, prod.ml.many b, prod.ml.many c, prod.ml.many d, prod.ml.many e "
    "WHERE a.n + b.n + c.n + d.n + e.n = -1"
)


@pytest.fixture
def many(lake):
    """512 rows: a number, and a text of 100 characters."""
    digits = "(SELECT n FROM VALUES (0), (1), (2), (3), (4), (5), (6), (7) AS t(n))"
    lake.run(
        "owner",
        f"CREATE TABLE prod.ml.many AS SELECT a.n + 8 * b.n + 64 * c.n AS n, lpad('', 100, 'x') AS text "
        f"FROM {digits} a, {digits} b, {digits} c",
    )
    return lake


def wait_until(condition, seconds=60):
    """What other threads bring about."""
    ended, deadline = threading.Event(), time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        ended.wait(0.05)
    return found


def threads_of_statements():
    return [thread for thread in threading.enumerate() if thread.name.startswith("sql-")]


@pytest.mark.django_db
class TestAnswers:
    def test_the_documented_shape(self, lake):
        answer = lake.send("owner", "SELECT 1 AS n")
        statement_id = answer.pop("statement_id")
        assert answer == {
            "status": {"state": "SUCCEEDED"},
            "manifest": {
                "format": "JSON_ARRAY",
                "schema": {
                    "column_count": 1,
                    "columns": [{"name": "n", "position": 0, "type_name": "INT", "type_text": "INT"}],
                },
                "total_chunk_count": 1,
                "total_row_count": 1,
                "total_byte_count": 7,
                "truncated": False,
                "chunks": [{"chunk_index": 0, "row_offset": 0, "row_count": 1, "byte_count": 7}],
            },
            "result": {"chunk_index": 0, "row_offset": 0, "row_count": 1, "byte_count": 7, "data_array": [["1"]]},
        }
        assert lake.get("owner", f"{URL}/{statement_id}/").json() == {"statement_id": statement_id, **answer}

    def test_every_cell_is_text(self, lake):
        row = lake.run(
            "owner",
            "SELECT true, CAST(1 AS TINYINT), 10L, 1.5, CAST(0.1 AS DOUBLE), CAST('NaN' AS DOUBLE), "
            "date'2030-01-02', timestamp'2030-01-02 03:04:05.678', CAST('ab' AS BINARY), NULL, array(1, NULL), "
            "map('k', 1.5), named_struct('a', array(true)), current_user(), upper('grün')",
        )[0]
        assert row == [
            *("true", "1", "10", "1.5", "0.1", "NaN", "2030-01-02", "2030-01-02T03:04:05.678Z", "YWI=", None),
            *("[1,null]", '{"k":"1.5"}', '{"a":[true]}', "owner@example.com", "GRÜN"),
        ]

    def test_a_result_in_chunks(self, many, monkeypatch):
        answer = many.send("owner", "SELECT n FROM prod.ml.many ORDER BY n", disposition="INLINE")
        assert answer["manifest"]["total_row_count"] == 512
        assert [row[0] for row in answer["result"]["data_array"]] == [str(n) for n in range(512)]
        statement = SqlStatement.objects.get(pk=answer["statement_id"])
        half = {"row_count": 256, "byte_count": 1}
        statement.manifest["chunks"] = [{"row_offset": 0, **half}, {"row_offset": 256, **half}]
        statement.save()
        (result_folder(statement.pk) / "1").write_text('[["second"]]')
        first = many.get("owner", f"{URL}/{statement.pk}").json()["result"]
        assert first["next_chunk_index"] == 1
        second = many.get("owner", first["next_chunk_internal_link"]).json()
        assert (second["chunk_index"], second["row_offset"], second["data_array"]) == (1, 256, [["second"]])
        assert "next_chunk_index" not in second
        assert many.get("owner", f"{URL}/{statement.pk}/result/chunks/2").status_code == 404

    def test_limits_cut_and_say_so(self, many):
        query = "SELECT * FROM prod.ml.many"
        cut = many.send("owner", query, row_limit=7)
        assert (cut["manifest"]["truncated"], cut["manifest"]["total_row_count"]) == (True, 7)
        whole = many.send("owner", query, row_limit=512)
        assert (whole["manifest"]["truncated"], whole["manifest"]["total_row_count"]) == (False, 512)
        cut = many.send("owner", query, byte_limit=10_000)
        assert cut["manifest"]["truncated"]
        assert 80 < cut["manifest"]["total_row_count"] < 100
        assert cut["manifest"]["total_byte_count"] <= 10_000

    def test_too_much_for_inline(self, many, settings):
        settings.SQL_MAX_INLINE_BYTES = 10_000
        assert "EXTERNAL_LINKS" in many.error("owner", "SELECT * FROM prod.ml.many")[1]
        answer = many.send("owner", "SELECT * FROM prod.ml.many", disposition="EXTERNAL_LINKS")
        assert answer["manifest"]["total_row_count"] == 512

    @pytest.mark.parametrize(
        "statement", ["SELECT n, text FROM prod.ml.many WHERE n < 2 ORDER BY n", "SHOW CATALOGS LIKE 'prod'"]
    )
    @pytest.mark.parametrize("format_", ["CSV", "ARROW_STREAM", "JSON_ARRAY"])
    def test_links_lead_to_the_rows_without_a_token(self, many, statement, format_):
        answer = many.send("owner", statement, disposition="EXTERNAL_LINKS", format=format_)
        link = answer["result"]["external_links"][0]
        assert (link["chunk_index"], link["row_count"]) == (0, answer["manifest"]["total_row_count"])
        fetched = Client().get(link["external_link"])
        assert fetched.status_code == 200
        assert len(fetched.content) == link["byte_count"]
        if format_ == "CSV":
            rows = list(csv.reader(io.StringIO(fetched.content.decode())))[1:]
        elif format_ == "JSON_ARRAY":
            rows = fetched.json()
        else:
            rows = [list(row.values()) for row in pa.ipc.open_stream(fetched.content).read_all().to_pylist()]
        expected = [["prod"]] if statement.startswith("SHOW") else [["0", "x" * 100], ["1", "x" * 100]]
        assert [[str(cell) for cell in row] for row in rows] == expected

    def test_a_link_is_good_for_one_chunk_and_its_creator(self, many, settings):
        answer = many.send("owner", "SELECT 1", disposition="EXTERNAL_LINKS")
        url = answer["result"]["external_links"][0]["external_link"]
        for broken in (url[:-1], url + "x", url.replace("/_sql/", "/_blob/"), url.rsplit(".", 1)[0]):
            assert Client().get(broken).status_code == 403, broken
        assert Client().post(url).status_code == 405
        Principal.objects.filter(key="owner@example.com").update(is_active=False)
        assert Client().get(url).status_code == 403
        Principal.objects.filter(key="owner@example.com").update(is_active=True)
        assert Client().get(url).status_code == 200
        ApiToken.objects.all().delete()
        assert "revoked" in Client().get(url).json()["message"]
        many.tokens.clear()
        settings.SIGNED_URL_SECONDS = -1
        late = many.get("owner", f"{URL}/{answer['statement_id']}").json()["result"]["external_links"][0]
        assert Client().get(late["external_link"]).status_code == 403

    def test_only_the_creator_reads_a_statement(self, lake):
        statement_id = lake.send("owner", "SHOW CATALOGS")["statement_id"]
        for path in (statement_id, f"{statement_id}/result/chunks/0"):
            for who in ("outsider", "metastore_admin"):
                answer = lake.get(who, f"{URL}/{path}")
                assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
        assert lake.client.post(f"{URL}/{statement_id}/cancel", headers=lake.headers("outsider")).status_code == 404
        assert lake.client.get(f"{URL}/{statement_id}").status_code == 401

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"statement": "   "},
            {"statement": 7},
            {"statement": "SELECT 1", "wait_timeout": "3s"},
            {"statement": "SELECT 1", "wait_timeout": "51s"},
            {"statement": "SELECT 1", "wait_timeout": "soon"},
            {"statement": "SELECT 1", "on_wait_timeout": "PANIC"},
            {"statement": "SELECT 1", "disposition": "MAIL"},
            {"statement": "SELECT 1", "format": "CSV"},
            {"statement": "SELECT 1", "row_limit": 0},
            {"statement": "SELECT 1", "parameters": {"a": 1}},
            {"statement": "SELECT 1", "parameters": [{"value": "1"}]},
            {"statement": "SELECT '" + "x" * 300_000 + "'"},
        ],
    )
    def test_a_call_that_is_wrong(self, lake, body):
        answer = lake.post("owner", **body)
        assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
        assert not SqlStatement.objects.exists()

    def test_the_warehouse(self, lake):
        listed = lake.get("outsider", "/api/2.0/sql/warehouses").json()["warehouses"]
        assert [(one["state"], len(one["id"])) for one in listed] == [("RUNNING", 16)]
        path = f"/api/2.0/sql/warehouses/{listed[0]['id']}"
        assert lake.get("outsider", path).json() == listed[0]
        for verb in ("start", "stop"):
            assert lake.client.post(f"{path}/{verb}", headers=lake.headers("outsider")).json() == {}
        assert lake.get("outsider", "/api/2.0/sql/warehouses/other").status_code == 404
        assert lake.send("owner", "SHOW CATALOGS", warehouse_id=listed[0]["id"])["status"] == {"state": "SUCCEEDED"}
        assert lake.post("owner", statement="SHOW CATALOGS", warehouse_id="other").status_code == 404

    def test_a_result_expires(self, lake):
        statement_id = lake.send("owner", "SHOW CATALOGS")["statement_id"]
        SqlStatement.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        expired = lake.get("owner", f"{URL}/{statement_id}").json()
        assert expired == {"statement_id": statement_id, "status": {"state": "CLOSED"}}
        assert lake.get("owner", f"{URL}/{statement_id}/result/chunks/0").status_code == 400
        folder = result_folder(statement_id)
        assert folder.exists()
        assert sql_statements.sweep_statements() == 1
        assert not folder.exists()
        assert SqlStatement.objects.get().state == "CLOSED"

    def test_old_statements_go_with_all_that_is_left_of_them(self, lake, settings):
        settings.SQL_STATEMENT_DAYS = 7
        now = timezone.now()
        sent = {}
        for name in ("old", "young", "lost", "running", "failed", "still good"):
            sent[name] = lake.send("owner", "SHOW CATALOGS")["statement_id"]
            days = 6 if name == "young" else 8
            SqlStatement.objects.filter(pk=sent[name]).update(submitted_at=now - timedelta(days=days))
        change = {
            "lost": {"state": "RUNNING", "deadline": now - timedelta(days=8)},
            "running": {"state": "RUNNING", "deadline": now + timedelta(seconds=1)},
            "failed": {"state": "FAILED"},
            "still good": {"expires_at": now + timedelta(days=1)},
            "old": {"expires_at": now - timedelta(days=1)},
        }
        for name, fields in change.items():
            SqlStatement.objects.filter(pk=sent[name]).update(**fields)
        settings.SQL_STATEMENT_DAYS = 0
        sql_statements.sweep_statements(now=now)
        assert SqlStatement.objects.count() == len(sent)
        settings.SQL_STATEMENT_DAYS = 7
        sql_statements.sweep_statements(now=now)
        left = {name for name, pk in sent.items() if SqlStatement.objects.filter(pk=pk).exists()}
        assert left == {"young", "running", "still good"}
        assert {name for name, pk in sent.items() if result_folder(pk).exists()} == left
        assert lake.get("owner", f"{URL}/{sent['old']}").status_code == 404

    def test_a_statement_that_was_lost_has_failed(self, lake):
        statement_id = lake.send("owner", "SHOW CATALOGS")["statement_id"]
        SqlStatement.objects.update(state="RUNNING", deadline=timezone.now() - timedelta(seconds=1))
        status = lake.get("owner", f"{URL}/{statement_id}").json()["status"]
        assert (status["state"], status["error"]["error_code"]) == ("FAILED", "ABORTED")

    def test_a_user_has_so_many_statements_at_a_time(self, lake, settings):
        settings.SQL_STATEMENTS_PER_USER = 0
        answer = lake.post("owner", statement="SHOW CATALOGS")
        assert (answer.status_code, answer.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
        assert answer["Retry-After"] == "1"

    def test_a_call_that_may_not_wait_cancels(self, many, monkeypatch):
        taken = [sql_jobs.take_slot(seconds=0) for _ in range(4)]
        try:
            assert all(taken)
            answer = many.post("owner", statement="SELECT 1", wait_timeout="0s", on_wait_timeout="CANCEL").json()
        finally:
            for _ in taken:
                sql_jobs.free_slot()
        assert answer["status"] == {"state": "CANCELED"}
        assert many.run("owner", "SELECT 1") == [["1"]]


@pytest.fixture
def drained():
    """No thread of a statement outlives its test."""
    yield
    wait_until(lambda: not threads_of_statements())
    connection.close()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("drained")
class TestWhileItRuns:
    def test_a_statement_goes_on_and_is_asked_for(self, many):
        sent = many.post("owner", statement="SELECT count(*) FROM prod.ml.many", wait_timeout="0s").json()
        assert sent["status"]["state"] in {"PENDING", "RUNNING"}
        path = f"{URL}/{sent['statement_id']}"
        wait_until(lambda: many.get("owner", path).json()["status"]["state"] == "SUCCEEDED")
        assert many.get("owner", path).json()["result"]["data_array"] == [["512"]]

    def test_a_refusal_is_asked_for_too(self, many):
        taken = [sql_jobs.take_slot(seconds=0) for _ in range(4)]
        sent = many.post("outsider", statement="SELECT * FROM prod.ml.many", wait_timeout="0s").json()
        assert (all(taken), sent["status"]["state"]) == (True, "PENDING")
        for _ in taken:
            sql_jobs.free_slot()
        path = f"{URL}/{sent['statement_id']}"
        status = wait_until(
            lambda: one if (one := many.get("outsider", path).json()["status"])["state"] == "FAILED" else None
        )
        assert status["error"]["error_code"] == "NOT_FOUND"

    def test_cancel_stops_the_process(self, many):
        sent = many.post("owner", statement=SLOW, wait_timeout="0s").json()
        path = f"{URL}/{sent['statement_id']}"
        assert sent["status"]["state"] == "RUNNING"
        assert many.client.post(f"{path}/cancel", headers=many.headers("owner")).json() == {}
        assert many.get("owner", path).json()["status"] == {"state": "CANCELED"}
        wait_until(lambda: not threads_of_statements())
        assert many.get("owner", path).json()["status"] == {"state": "CANCELED"}
        assert AuditEvent.objects.filter(action="cancelStatement", actor="owner@example.com").count() == 1

    def test_a_queue_that_does_not_move(self, many, settings):
        settings.SQL_QUEUE_SECONDS = 0
        taken = [sql_jobs.take_slot(seconds=0) for _ in range(4)]
        code, message = many.error("owner", "SELECT 1")
        for _ in taken:
            sql_jobs.free_slot()
        assert (code, "send the statement again" in message) == ("TEMPORARILY_UNAVAILABLE", True)

    def test_a_right_that_went_while_the_statement_waited(self, many):
        many.grant(SecurableType.TABLE, "prod.ml.many", "reader", Privilege.SELECT)
        taken = [sql_jobs.take_slot(seconds=0) for _ in range(4)]
        sent = many.post("reader", statement="SELECT * FROM prod.ml.many", wait_timeout="0s").json()
        many.run("owner", "REVOKE SELECT ON TABLE prod.ml.many FROM `reader@example.com`")
        assert all(taken)
        for _ in taken:
            sql_jobs.free_slot()
        path = f"{URL}/{sent['statement_id']}"
        wait_until(lambda: many.get("reader", path).json()["status"]["state"] == "FAILED")

    def test_a_user_who_went_while_the_statement_waited(self, many):
        taken = [sql_jobs.take_slot(seconds=0) for _ in range(4)]
        sent = many.post("owner", statement="CREATE TABLE prod.ml.late AS SELECT 1 AS a", wait_timeout="0s").json()
        Principal.objects.filter(key="owner@example.com").update(is_active=False)
        assert all(taken)
        for _ in taken:
            sql_jobs.free_slot()
        statement = SqlStatement.objects.get(pk=sent["statement_id"])
        wait_until(lambda: statement.refresh_from_db() or statement.state == "FAILED")
        assert "gone or disabled" in statement.error_message
