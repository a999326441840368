"""A file is uploaded from a page, with the rights of who does it."""

import pytest

from tests.monitoring.lake import make_lake
from tests.web.conftest import Browser

CSV = b"id,carrier,delay\n1,AA,10.5\n2,UA,\n"


@pytest.fixture
def lake(people, settings, tmp_path):
    settings.TABLE_ROOT, settings.SQL_ROOT = str(tmp_path / "tables"), str(tmp_path / "sql")
    return make_lake(people)


def send(browser, content=CSV, **given):
    query = {"schema": "prod.ml", "table": "labels", "mode": "create", "file": "labels.csv", **given}
    return browser.post("/explore/upload/rows", content, content_type="application/octet-stream", query_params=query)


def test_a_file_becomes_a_table_and_what_is_refused_says_why(lake):
    browser = Browser()
    browser.force_login(lake.people.principals["owner"])
    page = browser.get("/explore/upload?schema=prod.ml").content.decode()
    assert 'value="prod.ml"' in page
    made = send(browser)
    assert made.status_code == 200
    assert "2 rows make the new table" in " ".join(made.content.decode().split())
    assert browser.get("/explore/data/prod/ml/labels").status_code == 200
    for given, reason in (
        ({"file": "labels.xls"}, "use csv or parquet"),
        ({"table": ""}, "&#x27;table&#x27; is required"),
        ({"schema": "prod"}, "schema"),
        ({"mode": "create"}, "already exists"),
        ({"mode": "append", "content": b"id\nx\n"}, "id"),
    ):
        refused = send(browser, **given)
        assert refused.status_code == 400
        assert reason in refused.content.decode()
    outsider = Browser()
    outsider.force_login(lake.people.principals["outsider"])
    assert "does not exist" in send(outsider, table="mine").content.decode()
    assert "does not exist" in send(outsider, mode="overwrite").content.decode()
