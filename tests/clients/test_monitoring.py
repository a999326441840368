"""Stock databricks-sdk monitors a table by both APIs and alerts on what was measured; deltalake reads the metrics."""

import sys
from pathlib import Path

import pytest
from deltalake import DeltaTable

from tests.clients.conftest import Server, steps_of

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("clients")]
SCRIPT = "sdk_monitoring.py"
PROFILE = """
    window log_type logging_table_commit_version monitor_version granularity slice_key slice_value column_name count
    data_type num_nulls avg quantiles min max stddev num_zeros num_nan min_length max_length avg_length
    non_null_columns frequent_items median distinct_count percent_nan percent_null percent_zeros percent_distinct
""".split()
DRIFT = """
    window granularity monitor_version slice_key slice_value column_name data_type window_cmp drift_type count_delta
    avg_delta percent_null_delta percent_zeros_delta percent_distinct_delta non_null_columns_delta js_distance ks_test
    wasserstein_distance population_stability_index chi_squared_test tv_distance l_infinity_distance
""".split()


@pytest.fixture(scope="module")
def outcome(server: Server) -> tuple[list[list[str]], str]:
    """What the script wrote, by lines and words, and its errors."""
    done = server.run(sys.executable, SCRIPT, server.make_schema("monitored"))
    return [line.split() for line in done.stdout.splitlines()], done.stderr


@pytest.mark.parametrize("name", steps_of(SCRIPT))
def test_step(name, outcome):
    lines, errors = outcome
    assert ["ok", name] in lines, errors[-6000:]


def test_the_metric_tables_have_the_documented_columns_in_order(outcome, server: Server):
    lines, _ = outcome
    folders = next(line[1:] for line in lines if line[0] == "folder")
    for folder, documented in zip(folders, (PROFILE, DRIFT), strict=True):
        table = DeltaTable(str(Path(server.launcher.folder) / "tables" / folder))
        names = [field.name for field in table.schema().fields]
        assert [name for name in names if name in documented] == documented
        assert "model_version" in names
        assert table.to_pyarrow_dataset().count_rows() > 0
