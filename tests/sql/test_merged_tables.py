"""Tables into which rows were merged are queried like any other."""

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from registry.sql.worker import _source, connect


@pytest.fixture
def merged(tmp_path):
    """Two rows; one of them got its label by a MERGE, which writes texts in another form than appending does."""
    rows = pa.table({"id": ["a", "b"], "origin": ["JFK", "EWR"], "label": pa.array([None, None], pa.string())})
    write_deltalake(str(tmp_path), rows)
    labels = pa.table({"id": ["a"], "label": ["late"]})
    merge = DeltaTable(str(tmp_path)).merge(labels, "t.id = s.id", source_alias="s", target_alias="t")
    merge.when_matched_update({"label": "s.label"}).execute()
    connection = connect(memory=256 * 1024**2, threads=1)
    connection.register("t", _source({"path": str(tmp_path)}))
    return connection


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("SELECT id FROM t WHERE origin = 'JFK'", [("a",)]),
        ("SELECT id FROM t WHERE origin IN ('EWR', 'LGA')", [("b",)]),
        ("SELECT one.id FROM t one, t other WHERE one.id = other.id AND other.label = 'late'", [("a",)]),
        ("SELECT count(*) FROM t", [(2,)]),
    ],
)
def test_texts_are_compared(merged, query, found):
    assert merged.execute(query).fetchall() == found
