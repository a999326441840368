"""SQL through a stock databricks-sdk."""

import sys

import pytest

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("clients")]

STEPS = [
    "CREATE TABLE AS",
    "SELECT",
    "INSERT",
    "GRANT",
    "the same grants over REST",
    "EXTERNAL_LINKS",
    "refused",
    "asynchronous",
    "system.access.audit",
    "unknown statement",
    "DROP",
]


def test_statement_execution(server):
    schema = server.make_schema("sql")
    done = server.run(sys.executable, "sql.py", schema, "account users")
    assert [line.removeprefix("ok ") for line in done.stdout.splitlines()] == STEPS, done.stderr[-6000:]
