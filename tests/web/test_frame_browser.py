"""The frame in a real browser: the palette by keyboard alone, keys that go places, the tree's filter and memory."""

import re

import pytest
from playwright.sync_api import expect

from registry.services.aliases import set_alias
from tests.web.conftest import enter
from tests.web.factories import make_model, make_schema

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
MODEL = "/explore/data/models/prod/flights/delay"


@pytest.fixture
def site(transactional_db, with_passwords):
    admin = with_passwords.metastore_admin
    make_schema(admin, "prod.flights")
    make_model(admin, "prod.flights.delay", versions=2)
    set_alias(actor=admin, name="prod.flights.delay", alias="Champion", version=2)
    return with_passwords


def test_the_palette_goes_anywhere_and_begins_things_by_keyboard_alone(site, open_browser):
    page = open_browser()
    enter(page)
    page.keyboard.press("Control+k")
    box = page.get_by_role("combobox", name=re.compile("^Search models"))
    expect(box).to_be_focused()
    page.keyboard.type("delay@champ")
    expect(page.get_by_role("option").first).to_contain_text("delay version 2")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"{MODEL}/version/2$"))
    page.keyboard.press("Control+k")
    page.keyboard.type("prod fli")
    expect(page.get_by_role("option", selected=True)).to_contain_text("flights")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/explore/data/prod/flights$"))
    page.keyboard.press("Control+k")
    page.keyboard.type("create catalog")
    expect(page.get_by_role("option", selected=True)).to_contain_text("Create")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    page.keyboard.type("staging")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/explore/data/staging$"))
    page.keyboard.press("Control+k")
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()


def test_keys_go_places_and_tell_what_they_do(site, open_browser):
    page = open_browser()
    enter(page)
    page.keyboard.press("g")
    page.keyboard.press("o")
    expect(page).to_have_url(re.compile("/operations$"))
    page.keyboard.press("?")
    keys = page.get_by_role("dialog")
    expect(keys).to_contain_text("Operations")
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    page.goto("/explore/data/prod/flights")
    page.keyboard.press("/")
    expect(page.locator("main [data-search]")).to_be_focused()
    page.keyboard.type("g")
    expect(page).to_have_url(re.compile("/explore/data/prod/flights"))


def test_the_tree_filters_as_one_types_and_remembers_what_is_open(site, open_browser):
    page = open_browser()
    enter(page, "/explore/data")
    tree = page.get_by_role("tree")
    tree.get_by_role("treeitem", name="prod").focus()
    page.keyboard.press("ArrowRight")
    expect(tree.get_by_role("treeitem", name="flights")).to_be_visible()
    page.reload()
    expect(tree.get_by_role("treeitem", name="flights")).to_be_visible()
    field = page.get_by_label("Filter catalogs, schemas, models and tables")
    field.fill("dela")
    expect(tree.get_by_role("treeitem")).to_have_count(1)
    field.press("ArrowDown")
    expect(tree.get_by_role("treeitem", name="prod.flights.delay")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"{MODEL}$"))
    field.fill("")
    expect(tree.get_by_role("treeitem", name="delay", exact=True)).to_have_attribute("aria-current", "page")


def test_a_lost_connection_is_told(site, open_browser):
    page = open_browser()
    enter(page)
    expect(page.get_by_text("You are offline")).to_be_hidden()
    page.context.set_offline(True)
    expect(page.get_by_text("You are offline")).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_text("You are offline")).to_be_hidden()
