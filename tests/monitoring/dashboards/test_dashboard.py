"""The dashboard shows what is in the metric tables, and that is what really happened to the rows."""

from datetime import timedelta

import pytest

from monitoring.services.dashboard_filters import Chosen
from monitoring.services.dashboards import build_dashboard
from monitoring.services.metric_exports import export_metrics
from monitoring.web.figures import column_charts, heat_chart, quality_charts, row_chart
from monitoring.web.quality import rows_statement
from registry.errors import AccessDenied, InvalidParameter, NotFound
from registry.privileges import Privilege, SecurableType
from registry.services.grants import Change, update_grants
from tests.screens.monitored import TABLE
from tests.web.conftest import Browser

PATH = "/explore/data/prod/flights/delay_answers"


def board(people, who="owner", **chosen):
    return build_dashboard(actor=getattr(people, who), table=TABLE, chosen=Chosen(**chosen))


def grant(people, *privileges, table=TABLE):
    update_grants(
        actor=people.metastore_admin,
        type_=SecurableType.TABLE,
        full_name=table,
        changes=[Change("reader@example.com", privileges)],
    )


def test_it_tells_the_week_that_was_unlike_the_others(watched):
    whole = board(watched)
    assert whole.rows_per_window == [400] * 21
    assert whole.notices == []
    first = next(iter(whole.heat))
    assert first == "distance"
    assert max(whole.heat[first][:14]) < 0.35 < min(whole.heat[first][14:])
    moved = [change.column for change in whole.changes if change.significant]
    assert moved[0] == "distance"
    assert {"carrier", "label"} <= set(moved)
    assert not {"wind", "model_version"} & set(moved)
    accuracy = whole.quality["Accuracy"]
    assert set(accuracy) == {"all", "2", "3"}
    assert min(accuracy["all"][:14]) > 0.7 > max(accuracy["all"][14:])
    wind = next(row for row in whole.columns if row["column_name"] == "wind")
    assert 10 < wind["percent_null"] < 30
    assert sum(row["count"] for row in whole.slices) == 400
    assert row_chart(whole)
    assert len(quality_charts(whole, [], {"3": ["Challenger"]})) >= 4
    assert [version.version for version in whole.versions] == ["2", "3"]
    assert sum(version.count for version in whole.versions) == 400
    insights = whole.insights
    assert insights.missing == {}
    assert (len(insights.together), len(insights.estimates)) == (21, 21)
    assert {one.model for one in insights.versus} == {"3"}
    # Before any label of the last week, its probabilities say that it goes badly.
    late = [one.accuracy for one in insights.estimates[14:]]
    assert max(late) < 0.7 < min(one.accuracy for one in insights.estimates[:14])
    assert all(
        abs(one.accuracy - known) < 0.12 for one, known in zip(insights.estimates, accuracy["all"], strict=True)
    )

    # The rows behind it are one statement away.
    day, after = (f"{whole.windows[-1] + timedelta(days=more):%Y-%m-%d} 00:00:00" for more in (0, 1))
    bounds = f"`timestamp` >= TIMESTAMP '{day}' AND `timestamp` < TIMESTAMP '{after}'"
    wanted = f"SELECT * FROM `prod`.`flights`.`delay_answers`\nWHERE {bounds}"
    assert rows_statement(whole) == f"{wanted}\nLIMIT 100"
    assert rows_statement(board(watched, model="3")).endswith("AND CAST(`model_version` AS STRING) = '3'\nLIMIT 100")

    # What the address chooses.
    version = board(watched, model="3")
    assert all(20 < count < 80 for count in version.rows_per_window)
    united = board(watched, slice="carrier|UA")
    assert max(united.rows_per_window) < 200
    days = board(watched, since=f"{whole.windows[3]:%Y-%m-%d}", until=f"{whole.windows[4]:%Y-%m-%d}")
    assert days.windows == whole.windows[3:5]
    before = board(watched, drift="CONSECUTIVE")
    turn = before.heat["distance"][13]
    assert turn == max(score for score in before.heat["distance"] if score is not None)
    unknown = board(watched, model="99", slice="x|y", granularity="1 year", drift="SIDEWAYS")
    assert (unknown.chosen.model, unknown.chosen.slice, unknown.chosen.granularity) == ("", "", "1 day")
    with pytest.raises(InvalidParameter, match="since"):
        board(watched, since="yesterday")

    # One column, held against what it was trained on.
    closer = board(watched, column="distance", window=whole.windows[15].isoformat())
    assert set(closer.detail.shapes) == {"this window", "baseline"}
    assert closer.detail.window == whole.windows[15]
    titles = [chart.title for chart in column_charts(closer.detail, [])]
    assert titles == ["Values of distance", "How far it moved", "Mean and median", "Null, zero and distinct values"]
    carriers = board(watched, column="carrier", drift="CONSECUTIVE").detail
    assert set(carriers.shapes) == {"this window", "window before"}
    bars = column_charts(carriers, [])[0].figure["data"]
    assert [bar["type"] for bar in bars] == ["bar", "bar"]
    assert sum(bars[0]["y"]) == pytest.approx(100)
    heat = heat_chart(whole, lambda **changes: f"/x?{changes['column']}").figure
    assert heat["data"][0]["customdata"][0][0] == "/x?distance#column"

    rows = list(export_metrics(actor=watched.owner, table=TABLE, chosen=Chosen(column="distance"), which="drift"))
    assert len(rows) == 21
    assert {row["drift_type"] for row in rows} == {"BASELINE"}
    told = list(export_metrics(actor=watched.owner, table=TABLE, chosen=Chosen(), which="insights"))
    assert {"MULTIVARIATE_DRIFT", "ESTIMATED_ACCURACY", "MODEL_COMPARISON", "MOST_CHANGED"} <= {
        row["insight"] for row in told
    }


def test_who_may_read_the_metric_tables_sees_it(watched):
    with pytest.raises(NotFound):
        board(watched, "outsider")
    catalog = [Change("reader@example.com", (Privilege.USE_CATALOG, Privilege.USE_SCHEMA))]
    update_grants(actor=watched.metastore_admin, type_=SecurableType.CATALOG, full_name="prod", changes=catalog)
    grant(watched, Privilege.SELECT)
    with pytest.raises((AccessDenied, NotFound)):
        board(watched, "reader")
    for suffix in ("profile_metrics", "drift_metrics", "insights"):
        grant(watched, Privilege.SELECT, table=f"{TABLE}_{suffix}")
    assert board(watched, "reader").windows

    browser = Browser()
    browser.force_login(watched.principals["reader"])
    page = browser.get(PATH, {"tab": "quality", "column": "distance"}).content.decode()
    assert "What changed most" in page
    assert "Versions compared" in page
    assert "the probabilities promise an accuracy of" in page
    assert "Stop monitoring" not in page
    csv = browser.get(f"/explore/quality/{TABLE}/metrics.csv", {"which": "profile", "column": "distance"})
    assert b"".join(csv.streaming_content).count(b"\n") == 22
    refused = browser.post(f"/explore/quality/{TABLE}/refresh")
    assert refused.status_code == 403
    browser.force_login(watched.principals["owner"])
    page = browser.get(PATH, {"tab": "quality"}).content.decode()
    assert "Stop monitoring" in page
    assert "Alert me" in page
    assert "metric=PROFILE%3Aaccuracy_score&amp;column_name=%3Atable" in page
    assert "metric=PROFILE%3Af1_score.weighted" in page
    assert TABLE in browser.get("/monitoring").content.decode()
    assert "Distances drift from training" in browser.get("/alerts").content.decode()
    browser.force_login(watched.principals["outsider"])
    assert TABLE not in browser.get("/monitoring").content.decode()
    assert browser.get(f"/explore/quality/{TABLE}/metrics.csv").status_code == 404


def test_before_the_first_refresh_it_says_what_it_waits_for(watched):
    from monitoring.models import Monitor

    Monitor.objects.update(profile_table=None, drift_table=None, insights_table=None)
    assert board(watched).notices == ["No metrics yet: they are there after the first refresh."]


def test_a_window_that_is_not_over_is_not_the_latest_one(watched):
    whole = board(watched)
    newest, before = whole.windows[-1], whole.windows[-2]
    early = build_dashboard(actor=watched.owner, table=TABLE, chosen=Chosen(), now=newest)
    assert early.last_window == before
    assert "not over yet" in early.notices[0]
    assert board(watched, window=newest.isoformat()).last_window == newest
