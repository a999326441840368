"""A dashboard in a real browser: its charts are drawn, react to what is chosen, and are taken out."""

import re

import pytest
from playwright.sync_api import expect

from monitoring.models import Alert
from monitoring.services.alerts import evaluate_alert_now
from registry.models import Operation
from registry.privileges import Privilege, SecurableType
from registry.services.catalogs import create_catalog
from registry.services.grants import Change, update_grants
from registry.services.operation_runner import run_operation
from registry.services.schemas import create_schema
from tests.screens.monitored import TABLE, add_monitor
from tests.web.conftest import enter

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OWNER, PATIENCE = "owner@example.com", 30_000


@pytest.fixture
def site(transactional_db, with_passwords, settings, tmp_path):
    """The owner's monitored table, measured once, beside one that nothing watches."""
    settings.TABLE_ROOT, settings.DATA_DIR = str(tmp_path / "tables"), tmp_path
    people = with_passwords
    create_catalog(actor=people.metastore_admin, name="prod")
    create_schema(actor=people.metastore_admin, catalog="prod", name="flights")
    privileges = (Privilege.USE_CATALOG, Privilege.USE_SCHEMA, Privilege.CREATE_TABLE)
    changes = [Change(OWNER, privileges)]
    update_grants(actor=people.metastore_admin, type_=SecurableType.CATALOG, full_name="prod", changes=changes)
    add_monitor(people.owner)
    evaluate_alert_now(actor=people.owner, alert_id=Alert.objects.get().pk)
    return people


def test_a_dashboard_is_looked_at_filtered_and_taken_out(site, open_browser):
    page = open_browser()
    enter(page, "/monitoring", OWNER)
    main, dialog = page.get_by_role("main"), page.get_by_role("dialog")
    expect(main.get_by_text("is triggered")).to_be_visible()
    main.get_by_role("link", name=TABLE, exact=True).click()
    drawn = page.locator("[data-chart].is-drawn")
    expect(page.locator("[data-chart='drift-heatmap'].is-drawn")).to_be_visible(timeout=PATIENCE)
    expect(drawn).to_have_count(page.locator("[data-chart]").count(), timeout=PATIENCE)
    for chart in ("together", "estimated", "versus"):
        expect(page.locator(f"[data-chart='{chart}'].is-drawn")).to_be_visible()
    expect(main.get_by_role("region", name="Versions compared")).to_contain_text("answers most")
    with page.expect_download() as picture:
        page.get_by_role("button", name="Save How far each column moved as a picture").click()
    assert picture.value.path().read_bytes().startswith(b"\x89PNG")

    # A cell of the heat map leads to its column in its window.
    cells = page.locator("[data-chart='drift-heatmap'] .nsewdrag")
    box = cells.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.98, box["y"] + box["height"] * 0.08)
    page.mouse.click(box["x"] + box["width"] * 0.98, box["y"] + box["height"] * 0.08)
    expect(page).to_have_url(re.compile("column=distance.*window="), timeout=PATIENCE)
    expect(page.get_by_role("heading", name="Column distance")).to_be_visible()
    expect(page.locator("[data-chart='column-shape'].is-drawn")).to_be_visible(timeout=PATIENCE)
    page.get_by_label("Held against").select_option("CONSECUTIVE")
    expect(page).to_have_url(re.compile("drift=CONSECUTIVE"))
    page.get_by_role("combobox", name="Slice").select_option("carrier|UA")
    expect(page).to_have_url(re.compile("slice=carrier"))
    page.locator("summary", has_text="Export").click()
    with page.expect_download() as numbers:
        page.get_by_role("link", name="Drift, CSV").click()
    lines = numbers.value.path().read_text().splitlines()
    assert "ks_test" in lines[0]
    assert all("CONSECUTIVE" in line for line in lines[1:])

    # An alert is made beside the number that it is about, tried, and looked at.
    page.goto("/explore/data/prod/flights/delay_answers?tab=quality")
    main.get_by_role("row", name=re.compile("^carrier")).first.get_by_role("link", name="Alert me").click()
    dialog.get_by_label("Threshold").fill("0.99")
    dialog.get_by_role("button", name="Try it now, send nothing").click()
    expect(dialog.get_by_text("Fine: 0.")).to_be_visible(timeout=PATIENCE)
    dialog.get_by_role("button", name="Create alert").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("carrier of delay_answers drifts")

    # Another table: watched after a look at its last day.
    page.goto("/explore/data/prod/flights/delay_answers_training?tab=quality")
    main.get_by_role("link", name="Enable monitoring").click()
    dialog.get_by_role("button", name="Preview the last day").click()
    expect(dialog.get_by_role("region", name="Columns").get_by_text("distance")).to_be_visible(timeout=PATIENCE)
    dialog.get_by_role("button", name="Start monitoring").click()
    expect(main.get_by_text("Waiting for a worker")).to_be_visible()
    run_operation(operation_id=Operation.objects.get(state="PENDING").pk)
    expect(main.get_by_text("success").first).to_be_visible(timeout=PATIENCE)
