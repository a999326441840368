"""SQL through databricks-sdk, as a data scientist types it. Usage: python sql.py SCHEMA PRINCIPAL."""

import sys
import urllib.request

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound
from databricks.sdk.service.sql import (
    Disposition,
    ExecuteStatementRequestOnWaitTimeout,
    Format,
    StatementParameterListItem,
    StatementState,
)

SCHEMA, READER = sys.argv[1:]
w = WorkspaceClient()
warehouse = next(iter(w.warehouses.list()))
assert w.warehouses.get(warehouse.id).state.value == "RUNNING"
assert w.warehouses.start_and_wait(warehouse.id).id == warehouse.id


def run(statement, **options):
    answer = w.statement_execution.execute_statement(
        statement=statement, warehouse_id=warehouse.id, wait_timeout="50s", **options
    )
    assert answer.status.state == StatementState.SUCCEEDED, answer.status
    return answer


run(f"CREATE TABLE {SCHEMA}.flights AS SELECT * FROM VALUES (1, 'AA'), (2, 'UA'), (3, 'AA') AS t(id, carrier)")
print("ok CREATE TABLE AS")
answer = run(
    f"SELECT carrier, count(*) AS n FROM {SCHEMA}.flights WHERE id <= :most GROUP BY carrier ORDER BY carrier",
    parameters=[StatementParameterListItem(name="most", value="3", type="INT")],
)
assert [column.name for column in answer.manifest.schema.columns] == ["carrier", "n"]
assert answer.result.data_array == [["AA", "2"], ["UA", "1"]], answer.result
print("ok SELECT")
catalog, schema = SCHEMA.split(".")
wrote = run("INSERT INTO flights VALUES (4, 'B6')", catalog=catalog, schema=schema)
assert wrote.result.data_array == [["1", "1"]]
assert w.tables.get(f"{SCHEMA}.flights").table_type.value == "MANAGED"
print("ok INSERT")
run(f"GRANT SELECT ON TABLE {SCHEMA}.flights TO `{READER}`")
shown = run(f"SHOW GRANTS `{READER}` ON TABLE {SCHEMA}.flights")
assert [column.name for column in shown.manifest.schema.columns] == [
    *("Principal", "ActionType", "ObjectType", "ObjectKey")
]
assert [READER, "SELECT", "TABLE", f"{SCHEMA}.flights"] in shown.result.data_array, shown.result
print("ok GRANT")
run(f"GRANT CREATE_MODEL ON SCHEMA {SCHEMA} TO `{READER}`")
held = w.grants.get("SCHEMA", SCHEMA).privilege_assignments
assert [(one.principal, [p.value for p in one.privileges]) for one in held] == [(READER, ["CREATE_MODEL"])]
print("ok the same grants over REST")
links = run(f"SELECT * FROM {SCHEMA}.flights ORDER BY id", disposition=Disposition.EXTERNAL_LINKS, format=Format.CSV)
with urllib.request.urlopen(links.result.external_links[0].external_link) as fetched:  # noqa: S310
    assert fetched.read().decode() == "id,carrier\n1,AA\n2,UA\n3,AA\n4,B6\n"
print("ok EXTERNAL_LINKS")
failed = w.statement_execution.execute_statement(
    statement="SELECT * FROM read_csv('/etc/passwd')", warehouse_id=warehouse.id
)
assert failed.status.state == StatementState.FAILED
assert "read_csv() is not supported" in failed.status.error.message
assert failed.status.error.error_code.value == "BAD_REQUEST"
print("ok refused")
pending = w.statement_execution.execute_statement(
    statement=f"SELECT count(*) FROM {SCHEMA}.flights",
    warehouse_id=warehouse.id,
    wait_timeout="0s",
    on_wait_timeout=ExecuteStatementRequestOnWaitTimeout.CONTINUE,
)
while pending.status.state in {StatementState.PENDING, StatementState.RUNNING}:
    pending = w.statement_execution.get_statement(pending.statement_id)
assert pending.result.data_array == [["4"]], pending
assert w.statement_execution.get_statement_result_chunk_n(pending.statement_id, 0).data_array == [["4"]]
w.statement_execution.cancel_execution(pending.statement_id)
print("ok asynchronous")
mine = run("SELECT count(*) FROM system.access.audit WHERE action_name = 'updatePermissions'").result.data_array
assert int(mine[0][0]) >= 2, mine
print("ok system.access.audit")
try:
    w.statement_execution.get_statement("0b8e2f7e-0d2c-4c8e-9f5f-0d3a4f0c9d11")
except NotFound:
    print("ok unknown statement")
run(f"DROP TABLE {SCHEMA}.flights")
print("ok DROP")
