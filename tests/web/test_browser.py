"""The screens in a real browser: walked, watched for errors, measured at both widths."""

import re

import pytest
from playwright.sync_api import expect

from registry.services.aliases import set_alias
from tests.web.conftest import PASSWORD, enter
from tests.web.factories import make_model, make_schema, make_version

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
MODEL = "/explore/data/models/prod/flights/delay"


@pytest.fixture
def site(transactional_db, people, live_server):
    """A live site with one model, and an administrator who has a password."""
    user = people.principals["metastore_admin"]
    user.set_password(PASSWORD)
    user.save()
    make_schema(people.metastore_admin, "prod.flights")
    model = make_model(people.metastore_admin, "prod.flights.delay", comment="Predicts **delay**.")
    for _ in range(2):
        make_version(people.metastore_admin, model, metrics=[{"key": "rmse", "value": 1.5}])
    set_alias(actor=people.metastore_admin, name="prod.flights.delay", alias="Champion", version=2)
    return live_server.url


@pytest.fixture
def open_page(site, open_browser):
    """Opens pages of the site."""
    return open_browser


def test_walking_from_the_door_to_a_version(open_page):
    page = open_page(timezone_id="Asia/Kathmandu", locale="en-GB")
    enter(page)
    tree = page.get_by_role("tree")
    tree.get_by_role("treeitem", name="prod").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("prod")
    page.get_by_role("main").get_by_role("link", name="flights").click()
    page.get_by_role("main").get_by_role("link", name="delay").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("delay")
    expect(page.locator(".prose strong")).to_have_text("delay")
    expect(tree.get_by_role("treeitem", name="delay")).to_have_attribute("aria-current", "page")
    page.get_by_role("link", name="Version 2").last.click()
    expect(page).to_have_url(re.compile(f"{MODEL}/version/2$"))
    expect(page).to_have_title(re.compile("version 2"))
    # In the zone of who reads it, and in UTC.
    made = page.get_by_role("main").locator("time").first
    expect(made).to_have_attribute("title", re.compile(r"GMT\+5:45 · \d{4}-\d\d-\d\d [\d:]{8} UTC$"))
    tabs = {"Signature": "distance", "Files": "model.pkl", "Lineage": "No lineage", "Environment": "scikit-learn"}
    for tab, text in tabs.items():
        page.get_by_role("link", name=tab, exact=True).click()
        expect(page.get_by_role("link", name=tab, exact=True)).to_have_attribute("aria-current", "page")
        expect(page.get_by_role("main")).to_contain_text(text)
    page.go_back()
    expect(page.get_by_role("main")).to_contain_text("No lineage")


def test_the_tree_is_walked_with_the_keyboard(open_page):
    page = open_page()
    enter(page, "/explore/data")
    tree = page.get_by_role("tree")
    tree.get_by_role("treeitem", name="prod").focus()
    page.keyboard.press("ArrowRight")
    flights = tree.get_by_role("treeitem", name="flights")
    expect(flights).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(flights).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(tree.get_by_role("treeitem", name="delay")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"{MODEL}$"))
    page.goto("/explore/data")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()


def test_the_theme_follows_the_system_until_it_is_chosen(open_page):
    page = open_page(color_scheme="dark")
    enter(page)
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Switch between light and dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    assert page.evaluate(ground) != dark
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


def test_a_new_token_is_copied_and_gone_after_a_visit(open_page):
    page = open_page()
    enter(page, "/profile/tokens")
    page.get_by_label("What it is for").fill("laptop")
    page.get_by_role("button", name="Create token").click()
    value = page.locator("#new-token").text_content()
    page.get_by_role("button", name="Copy token").click()
    expect(page.get_by_role("status").last).to_contain_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == value
    page.goto("/profile/tokens")
    expect(page.locator("#new-token")).to_have_count(0)
    page.get_by_role("button", name=re.compile("^Revoke")).click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("No tokens yet")).to_be_visible()


@pytest.mark.parametrize("hash_", ["#/experiments/1/runs/abc", "#/models"])
def test_links_that_mlflow_prints_lead_on_even_through_the_door(open_page, hash_):
    page = open_page()
    enter(page, f"/{hash_}")
    expect(page).to_have_url(re.compile(f"/mlflow/{hash_}$"))
    page.goto("about:blank")
    page.goto(f"/{hash_}")
    expect(page).to_have_url(re.compile(f"/mlflow/{hash_}$"))
