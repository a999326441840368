"""From an experiment of a real tracking server to a registered version, in a real browser."""
# ruff: noqa: F401, F811  (fixtures of other folders, imported by name)

import re

import pytest
from playwright.sync_api import expect

from registry.models import Operation
from registry.privileges import Privilege, SecurableType
from registry.services.grants import Change, update_grants
from registry.services.operation_runner import run_operation
from tests.tracking.conftest import tracking_server
from tests.web.conftest import enter
from tests.web.factories import make_schema
from tests.web.test_runs import lab

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_model_is_registered_from_a_run_and_its_version_becomes_ready(with_passwords, lab, open_browser):
    people = with_passwords
    make_schema(people.metastore_admin, "prod.flights")
    privileges = (Privilege.USE_CATALOG, Privilege.USE_SCHEMA, Privilege.CREATE_MODEL)
    changes = [Change("owner@example.com", privileges)]
    update_grants(actor=people.metastore_admin, type_=SecurableType.CATALOG, full_name="prod", changes=changes)
    lab.run("worse", metrics={"rmse": [0.9, 0.8]})
    best = lab.run("better", metrics={"rmse": [0.5, 0.4, 0.3]}, params={"depth": "5"})
    lab.log_model(best)

    page = open_browser()
    enter(page, "/experiments", "owner@example.com")
    main, dialog = page.get_by_role("main"), page.get_by_role("dialog")
    page.keyboard.press("/")
    page.keyboard.type(lab.name)
    page.keyboard.press("Enter")
    main.get_by_role("link", name=lab.name).click()
    main.get_by_role("searchbox").fill("metrics.rmse < 0.35")
    page.keyboard.press("Enter")
    expect(main.get_by_role("link", name="worse")).to_have_count(0)
    main.get_by_role("link", name="better").click()
    main.get_by_role("link", name="Metrics", exact=True).click()
    expect(main.get_by_role("img", name="rmse").locator("svg").first).to_be_visible(timeout=30_000)

    main.get_by_role("link", name="Register model").click()
    dialog.get_by_label("Destination").fill("hr.pay.x")
    expect(dialog.get_by_text("'hr.pay' does not exist")).to_be_visible()
    expect(dialog.get_by_role("button", name="Register")).to_be_disabled()
    dialog.get_by_label("Destination").fill("prod.flights.delay")
    expect(dialog.get_by_text("You have CREATE_MODEL")).to_be_visible()
    expect(dialog.get_by_text("1 input, 1 output")).to_be_visible()
    dialog.get_by_label("Tags").fill("team=ops")
    dialog.get_by_role("button", name="Register").click()
    expect(page).to_have_url(re.compile("/explore/data/models/prod/flights/delay/version/1$"), timeout=30_000)
    expect(main.get_by_text("Pending").first).to_be_visible()
    run_operation(operation_id=Operation.objects.get().pk)
    # Nobody reloads: the page looks by itself.
    expect(main.get_by_text("Ready").first).to_be_visible(timeout=60_000)

    stranger = open_browser()
    enter(stranger, lab.page(best), "outsider@example.com")
    expect(stranger.get_by_role("main")).to_contain_text("not found")
    expect(stranger.get_by_role("main")).not_to_contain_text(lab.name)
