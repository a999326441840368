"""The lake, with a table of flights."""

import pytest

from monitoring.services import alert_queue
from registry.services import operation_delivery
from tests.monitoring.lake import Lake, make_lake


@pytest.fixture(autouse=True)
def nobody_is_woken(monkeypatch):
    """Tests do the work by hand: no message is sent."""
    monkeypatch.setattr(operation_delivery.current_app, "send_task", lambda *a, **k: None)
    monkeypatch.setattr(alert_queue.current_app, "send_task", lambda *a, **k: None)


@pytest.fixture
def lake(people, settings, tmp_path) -> Lake:
    settings.TABLE_ROOT, settings.SQL_ROOT = str(tmp_path / "tables"), str(tmp_path / "sql")
    settings.MONITORING_ROOT = str(tmp_path / "monitoring")
    made = make_lake(people)
    made.table()
    return made
