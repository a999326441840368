"""Operations, the bell, the audit trail and SQL walked in a real browser."""

import json
import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from registry.models import Operation, OperationState
from registry.services.catalogs import create_catalog
from registry.services.operations import submit_operation
from registry.services.schemas import create_schema
from tests.web.conftest import enter

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PATIENCE = 20_000
"""Milliseconds for what the page asks for by itself, a few seconds apart."""


@pytest.fixture
def site(transactional_db, with_passwords, settings, tmp_path):
    """People with passwords, and a catalog."""
    settings.TABLE_ROOT, settings.SQL_ROOT = str(tmp_path / "tables"), str(tmp_path / "sql")
    create_catalog(actor=with_passwords.metastore_admin, name="prod")
    create_schema(actor=with_passwords.metastore_admin, catalog="prod", name="ml")
    return with_passwords


def test_progress_moves_and_stops_and_what_waits_is_canceled_and_tried_again(site, open_browser):
    running = Operation.objects.create(
        kind="sweep_artifacts",
        subject="artifacts",
        actor=site.metastore_admin.principal,
        state=OperationState.RUNNING,
        progress=10,
        step="Looking",
        created_at=timezone.now(),
        started_at=timezone.now(),
    )
    row = Operation.objects.filter(pk=running.pk)
    page = open_browser()
    enter(page, "/operations")
    expect(page.get_by_text("1 operation going on.")).to_be_attached()
    row.update(progress=40)
    expect(page.get_by_role("main").get_by_text("40 %").last).to_be_visible(timeout=PATIENCE)
    page.get_by_role("main").get_by_role("link", name="Sweep artifacts").click()
    log = page.get_by_role("list", name="Log")
    running.log.create(at=timezone.now(), text="first line")
    expect(log.get_by_text("first line")).to_be_visible(timeout=PATIENCE)
    running.log.create(at=timezone.now(), text="second line")
    row.update(progress=80, step="Deleting")
    expect(page.get_by_text("Deleting")).to_be_visible(timeout=PATIENCE)
    expect(log.get_by_role("listitem")).to_have_count(2)
    row.update(state=OperationState.FAILED, error="The disk is full.", finished_at=timezone.now())
    expect(page.get_by_text("The disk is full.")).to_be_visible(timeout=PATIENCE)
    expect(page.locator("#operation-live[hx-get]")).to_have_count(0)

    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("Waiting for a worker")).to_be_visible()
    page.wait_for_load_state()
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop it").click()
    expect(page.get_by_text("Canceled by").first).to_be_visible()
    assert Operation.objects.get(retry_of=running).state == OperationState.CANCELED


def test_the_bell_tells_of_a_failure_once(site, open_browser):
    operation = submit_operation(actor=site.metastore_admin, kind="sweep_artifacts", params={}, subject="artifacts")
    now = timezone.now()
    Operation.objects.filter(pk=operation.pk).update(state="FAILED", error="The disk is full.", finished_at=now)
    page = open_browser(viewport={"width": 400, "height": 800})
    enter(page)
    bell = page.locator("[data-bell]")
    expect(bell.locator(".bell-count")).to_have_text("1")
    bell.locator("summary").click()
    expect(bell.get_by_text("The disk is full.")).to_be_visible()
    expect(bell.locator(".bell-count")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.keyboard.press("Escape")
    expect(bell.get_by_text("The disk is full.")).to_have_count(0)


def test_the_trail_is_filtered_read_and_taken_out(site, open_browser):
    page = open_browser()
    enter(page, "/audit")
    page.keyboard.press("/")
    page.keyboard.type("prod.ml")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("name=prod.ml"))
    main = page.get_by_role("main")
    expect(main.get_by_role("row")).to_have_count(2)
    main.get_by_role("link", name="Create schema").click()
    expect(page.get_by_role("dialog").get_by_text("Place on the trail")).to_be_visible()
    page.keyboard.press("Escape")
    page.locator("summary", has_text="Export").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON lines").click()
    lines = download.value.path().read_text().splitlines()
    assert [json.loads(line)["action"] for line in lines] == ["createSchema"]
    page.get_by_label("Outcome").select_option("Denied")
    expect(page.get_by_text("No event is like that")).to_be_visible()


def test_sql_is_run_refused_and_run_again_by_the_keyboard(site, open_browser):
    page = open_browser()
    enter(page, "/sql")
    editor = page.get_by_label("Statement", exact=True)
    editor.press_sequentially("SHOW SCHEMAS IN pr")
    page.get_by_role("option", name="prod").wait_for()
    editor.press("ArrowDown")
    editor.press("Enter")
    expect(editor).to_have_value("SHOW SCHEMAS IN prod")
    editor.press_sequentially(".m")
    page.get_by_role("option", name="prod.ml").wait_for()
    editor.press("Escape")
    expect(page.get_by_role("listbox", name="Suggestions")).to_be_hidden()
    editor.press("Control+ ")
    page.get_by_role("option", name="prod.ml").wait_for()
    editor.press("Tab")
    expect(editor).to_have_value("SHOW SCHEMAS IN prod.ml")
    editor.fill("SHOW SCHEMAS IN prod")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("cell", name="ml")).to_be_visible()
    expect(page).to_have_url(re.compile("statement="))
    history = page.locator("#history")
    expect(history.get_by_role("listitem")).to_have_count(1)
    editor.fill("SHOW GRANTS AT SCHEMA prod.ml")
    page.keyboard.press("Control+Enter")
    expect(page.locator("mark.sql-wrong")).to_have_text("SCHEMA")
    expect(history.get_by_role("listitem")).to_have_count(2)
    page.reload()
    expect(editor).to_have_value("SHOW GRANTS AT SCHEMA prod.ml")
    history.get_by_role("button", name="Run again: SHOW SCHEMAS").click()
    expect(page.get_by_role("cell", name="ml")).to_be_visible()
    editor.fill("SELECT")
    editor.press("Tab")
    expect(editor).to_have_value("SELECT  ")
    editor.press("Escape")
    editor.press("Tab")
    expect(editor).not_to_be_focused()
