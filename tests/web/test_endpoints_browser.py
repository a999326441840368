"""Serving walked in a real browser: an endpoint created, edited with shares that stay at 100, and rolled back."""

import pytest

from serving.models import ServingEndpoint
from tests.serving.endpoints.conftest import MODEL, deploy, iris, let, served, supervisor  # noqa: F401  (fixtures)
from tests.web.conftest import enter

pytestmark = pytest.mark.browser


def test_an_endpoint_is_created_edited_and_rolled_back(open_browser, with_passwords, iris, supervisor):  # noqa: F811
    page = open_browser()
    enter(page, "/serving", name="owner@example.com")
    page.get_by_role("link", name="Create endpoint").click()
    page.get_by_label("Name", exact=True).first.fill("rides")
    page.get_by_label("Model", exact=True).fill("iris")
    page.get_by_role("option", name=MODEL).click()
    page.get_by_label("Version", exact=True).fill("1")
    page.get_by_label("Version", exact=True).press("Tab")
    page.get_by_text("You have").wait_for()
    page.get_by_text("How large must it be?").click()
    page.get_by_label("Queries a second, at most").fill("40")
    page.get_by_text("6.0 at a time, so 8: Medium holds that.").wait_for()
    page.get_by_role("button", name="Create endpoint").click()
    page.get_by_text("is being made ready").first.wait_for()
    deploy("rides")
    page.get_by_text("Ready", exact=True).first.wait_for()

    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_role("button", name="Add a served entity").click()
    page.get_by_label("Version", exact=True).nth(1).fill("2")
    shares = page.locator("[data-traffic-number]")
    shares.nth(1).fill("30")
    assert shares.nth(0).input_value() == "70"
    page.get_by_text("100 % of the traffic").wait_for()
    page.locator("#endpoint-plan").get_by_text("Starts processes for 1 served entity").wait_for()
    page.get_by_role("button", name="Deploy").click()
    page.get_by_text("Configuration 1 answers until it is").wait_for()
    deploy("rides")
    page.get_by_role("cell", name="30 %").wait_for()

    page.get_by_role("link", name="Configurations").click()
    page.get_by_role("link", name="Roll back to this").click()
    page.get_by_label("Reason").fill("too slow")
    page.get_by_role("button", name="Roll back").click()
    page.get_by_text("is being made ready").first.wait_for()
    deploy("rides")
    page.get_by_role("cell", name="100 %").wait_for()
    active = ServingEndpoint.objects.get(name="rides").active_config
    assert [entity.name for entity in active.entities.all()] == ["iris-1"]

    page.get_by_role("tab", name="Python").click()
    assert page.get_by_role("tabpanel").get_by_text("WorkspaceClient()").is_visible()
    page.get_by_label("Request, as JSON").fill("{")
    page.get_by_role("button", name="Send").click()
    page.get_by_text("This is no JSON").wait_for()
