"""Tables made, filled and read by SQL, each with the caller's rights."""

from pathlib import Path

import pytest

from registry.models import AuditEvent, Table
from registry.privileges import Privilege, SecurableType
from registry.services import tables
from registry.services.table_data import folder_of, sweep_table_data
from registry.services.tables import NewTable

pytestmark = pytest.mark.django_db

TABLE = SecurableType.TABLE


def test_a_table_is_made_from_a_query_and_read(flights):
    rows = flights.run("owner", "SELECT carrier, count(*), sum(id) FROM prod.ml.flights GROUP BY carrier ORDER BY 1")
    assert rows == [["AA", "2", "4"], ["UA", "1", "2"]]
    table = Table.objects.get(securable__key="flights")
    assert (table.table_type, table.storage_location) == ("MANAGED", f"dbfs:/Tables/{table.pk}")
    assert [(column["name"], column["type_text"]) for column in table.columns] == [
        ("id", "INT"),
        ("carrier", "STRING"),
        ("delay", "DECIMAL(3,1)"),
    ]


def test_a_table_is_made_from_columns_and_filled(lake):
    lake.run(
        "owner",
        "CREATE TABLE labels (id BIGINT NOT NULL COMMENT 'key', at TIMESTAMP, tags ARRAY<STRING>, "
        "extra STRUCT<a: INT, `b c`: STRING>, score DOUBLE) "
        "USING DELTA COMMENT 'by hand' TBLPROPERTIES ('team' = 'x')",
        catalog="prod",
        schema="ml",
    )
    table = tables.get_table(actor=lake.people.owner, full_name="prod.ml.labels")
    assert (table.securable.comment, table.securable.properties) == ("by hand", {"team": "x"})
    assert (table.columns[0]["nullable"], table.columns[0]["comment"]) == (False, "key")
    wrote = lake.run(
        "owner",
        "INSERT INTO prod.ml.labels (score, id, at) VALUES "
        "(:score, 7, timestamp'2030-01-02 03:04:05'), (NULL, 8, NULL)",
        parameters=[{"name": "score", "value": "0.5", "type": "DOUBLE"}],
    )
    assert wrote == [["2", "2"]]
    lake.run(
        "owner",
        "INSERT INTO prod.ml.labels "
        "SELECT id + 10, at, array('p', 'q'), named_struct('a', 1, 'b c', 'z'), score "
        "FROM prod.ml.labels WHERE id = 7",
    )
    assert lake.run("owner", "SELECT * FROM prod.ml.labels ORDER BY id") == [
        ["7", "2030-01-02T03:04:05.000Z", None, None, "0.5"],
        ["8", None, None, None, None],
        ["17", "2030-01-02T03:04:05.000Z", '["p","q"]', '{"a":1,"b c":"z"}', "0.5"],
    ]
    assert lake.run("owner", "SELECT count(*) FROM prod.ml.labels VERSION AS OF 1") == [["2"]]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("INSERT INTO prod.ml.flights VALUES (1)", "3 columns are to be filled, but 1 are given"),
        ("INSERT INTO prod.ml.flights (id, nothing) VALUES (1, 2)", "The table's columns are id, carrier, delay"),
        ("INSERT INTO prod.ml.flights (id) VALUES ('many')", "Could not convert string 'many'"),
        ("CREATE TABLE prod.ml.flights (x INT)", "already exists"),
        ("CREATE TABLE prod.ml.twice AS SELECT 1 AS a, 2 AS A", "same name"),
        ("SELECT nothing FROM prod.ml.flights", 'column "nothing" not found'),
        ("SELECT * FROM flights", "'flights' is short"),
        ("SELECT :x", "marker ':x'"),
        ("SELECT year()", "fewer arguments"),
        ("SELECT datediff(1)", "An argument or a part is missing. Line 1, Col: 18."),
        ("SELECT 9223372036854775807 + sum(id) FROM prod.ml.flights", ""),
    ],
)
def test_what_is_wrong_is_said(flights, statement, message):
    code, said = flights.error("owner", statement)
    assert message in said
    assert code in {"BAD_REQUEST", "ALREADY_EXISTS"}
    assert "mk_t" not in said
    assert flights.run("owner", "SELECT count(*) FROM prod.ml.flights") == [["3"]]


def test_null_does_not_get_into_a_column_that_refuses_it(lake):
    lake.run("owner", "CREATE TABLE prod.ml.strict (id INT NOT NULL)")
    assert "Column 'id' is NOT NULL" in lake.error("owner", "INSERT INTO prod.ml.strict VALUES (1), (NULL)")[1]
    assert lake.run("owner", "SELECT * FROM prod.ml.strict") == []


def test_if_not_exists_leaves_a_table_as_it_is(flights):
    flights.run("owner", "CREATE TABLE IF NOT EXISTS prod.ml.flights AS SELECT 1 AS other")
    assert flights.run("owner", "SELECT count(*) FROM prod.ml.flights") == [["3"]]


def test_a_failed_table_leaves_nothing(lake):
    lake.error("owner", "CREATE TABLE prod.ml.broken AS SELECT CAST('x' AS INT) AS a")
    assert not Table.objects.exists()
    assert list(folder_of("x").parent.rglob("*.parquet")) == []


# --- Rights --------


def test_select_and_modify_are_rights_of_their_own(flights):
    read, write = "SELECT id FROM prod.ml.flights", "INSERT INTO prod.ml.flights (id) VALUES (9)"
    hidden, missing = flights.error("outsider", read), flights.error("outsider", read.replace("flights", "nowhere"))
    assert hidden[0] == missing[0] == "NOT_FOUND"
    assert hidden[1].replace("flights", "nowhere") == missing[1]
    assert flights.error("reader", read)[0] == "NOT_FOUND"
    flights.grant(TABLE, "prod.ml.flights", "reader", Privilege.SELECT)
    assert flights.run("reader", read + " ORDER BY id") == [["1"], ["2"], ["3"]]
    code, message = flights.error("reader", write)
    assert code == "BAD_REQUEST"
    assert message.startswith("[INSUFFICIENT_PERMISSIONS] reader@example.com lacks ownership or MODIFY")
    # To administer is not to read: an administrator may grant it to itself, and the trail shows it.
    assert "lacks ownership or SELECT" in flights.error("metastore_admin", read)[1]


def test_modify_alone_does_not_read(flights):
    flights.grant(TABLE, "prod.ml.flights", "reader", Privilege.MODIFY)
    flights.run("reader", "INSERT INTO prod.ml.flights (id) VALUES (9)")
    message = flights.error("reader", "INSERT INTO prod.ml.flights SELECT * FROM prod.ml.flights")[1]
    assert message.startswith("[INSUFFICIENT_PERMISSIONS]")


def test_every_table_of_a_query_is_asked_for(flights):
    flights.run("owner", "CREATE TABLE prod.ml.secret AS SELECT 42 AS pin")
    flights.grant(TABLE, "prod.ml.flights", "reader", Privilege.SELECT)
    before = AuditEvent.objects.filter(action="selectFromTable", decision="ALLOW").count()
    flights.error("reader", "SELECT * FROM prod.ml.flights JOIN prod.ml.secret ON true")
    assert AuditEvent.objects.filter(action="selectFromTable", decision="ALLOW").count() == before


def test_a_result_is_withheld_once_the_right_is_gone(flights):
    flights.grant(TABLE, "prod.ml.flights", "reader", Privilege.SELECT)
    sent = flights.send("reader", "SELECT * FROM prod.ml.flights")
    path = f"/api/2.0/sql/statements/{sent['statement_id']}"
    assert flights.get("reader", path).status_code == 200
    flights.run("owner", "REVOKE SELECT ON TABLE prod.ml.flights FROM `reader@example.com`")
    for where in (path, f"{path}/result/chunks/0"):
        answer = flights.get("reader", where)
        assert answer.status_code == 404, where
        assert b"AA" not in answer.content


def test_a_table_entered_by_hand_reaches_no_files(flights):
    """Neither another table's folder nor a path of this machine, whatever its row says."""
    victim = Table.objects.get(securable__key="flights")
    for location in (str(folder_of(victim.pk)), victim.storage_location, "/etc", "file:///etc"):
        for type_ in ("MANAGED", "EXTERNAL"):
            new = NewTable(table_type=type_, storage_location=location)
            tables.create_table(actor=flights.people.owner, catalog="prod", schema="ml", name="mine", new=new)
            assert "keeps its rows elsewhere" in flights.error("owner", "SELECT * FROM prod.ml.mine")[1]
            assert "keeps its rows elsewhere" in flights.error("owner", "INSERT INTO prod.ml.mine VALUES (1)")[1]
            tables.delete_table(actor=flights.people.owner, full_name="prod.ml.mine")


def test_statements_are_on_the_trail(flights):
    flights.run("owner", "SELECT * FROM prod.ml.flights")
    flights.error("outsider", "SELECT * FROM prod.ml.flights")
    flights.error("outsider", "SELECT * FROM read_csv('/etc/passwd')")
    trail = list(
        AuditEvent.objects.filter(action__in=["selectFromTable", "executeStatement", "createTable"])
        .order_by("id")
        .values_list("actor", "action", "decision", "securable_name")
    )
    assert trail == [
        ("owner@example.com", "createTable", "ALLOW", "prod.ml.flights"),
        ("owner@example.com", "executeStatement", "ALLOW", ""),
        ("owner@example.com", "selectFromTable", "ALLOW", "prod.ml.flights"),
        ("owner@example.com", "executeStatement", "ALLOW", ""),
        ("outsider@example.com", "selectFromTable", "DENY", "prod.ml.flights"),
        ("outsider@example.com", "executeStatement", "DENY", ""),
        ("outsider@example.com", "executeStatement", "DENY", ""),
    ]


# --- system.access.audit --------


def test_audit_rows_are_those_of_the_audit_page(flights):
    flights.error("outsider", "SELECT * FROM prod.ml.flights")
    query = "SELECT DISTINCT user_identity.email FROM system.access.audit ORDER BY 1"
    assert flights.run("outsider", query) == [["outsider@example.com"]]
    # The owner administers the table that the outsider asked for.
    assert flights.run("owner", query) == [["outsider@example.com"], ["owner@example.com"]]
    everybody = [row[0] for row in flights.run("metastore_admin", query)]
    assert {"admin@example.com", "owner@example.com", "outsider@example.com"} <= set(everybody)
    refused = flights.run(
        "metastore_admin",
        "SELECT action_name, response.status_code, request_params['securable_full_name'] FROM system.access.audit "
        "WHERE event_date >= '2020-01-01' AND user_identity.email = 'outsider@example.com' "
        "AND action_name = 'selectFromTable' ORDER BY event_time",
    )
    assert refused == [
        ["selectFromTable", "403", "prod.ml.flights"],
        ["selectFromTable", "200", "system.access.audit"],
    ]


def test_a_long_trail_asks_for_a_date(flights, settings):
    settings.SQL_MAX_AUDIT_ROWS = 3
    message = flights.error("metastore_admin", "SELECT count(*) FROM system.access.audit")[1]
    assert "add a condition such as event_date" in message
    old = "SELECT count(*) FROM system.access.audit WHERE event_date < '2001-01-01'"
    assert flights.run("metastore_admin", old) == [["0"]]


def test_nobody_makes_or_fills_the_audit_table(flights):
    for statement in (
        "INSERT INTO system.access.audit VALUES (1)",
        "CREATE TABLE system.access.audit AS SELECT 1 AS a",
    ):
        assert flights.error("metastore_admin", statement)[0] == "NOT_FOUND"


# --- Files --------


def test_the_files_of_a_table_that_is_gone_are_swept_a_day_later(flights):
    folder = folder_of(Table.objects.get(securable__key="flights").pk)
    stray = Path(folder.parent, "not-a-table")
    stray.mkdir()
    later = folder.stat().st_mtime + 25 * 3600
    assert sweep_table_data(now=later) == 1
    flights.run("owner", "DROP TABLE prod.ml.flights")
    assert sweep_table_data(now=folder.stat().st_mtime + 60) == 0
    assert sweep_table_data(now=later) == 1
    assert not folder.exists()
