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
    page = open_page()
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


WIDE_OR_NARROW = [
    *("/", "/profile", "/profile/password", "/explore/data", "/explore/data/prod", "/explore/data/prod/flights"),
    *(MODEL, f"{MODEL}?tab=permissions", f"{MODEL}?tab=aliases", f"{MODEL}/version/1"),
    *(f"{MODEL}/version/1?tab=files", f"{MODEL}/version/1?tab=signature", f"{MODEL}/version/1?tab=environment"),
]


@pytest.mark.parametrize("width", [400, 1280])
def test_no_page_is_wider_than_the_screen(open_page, width):
    page = open_page(viewport={"width": width, "height": 800})
    enter(page)
    for path in WIDE_OR_NARROW:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0.99) return c;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.body.querySelectorAll("*")) {
    const text = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!text || !element.checkVisibility() || element.closest(".visually-hidden, .skip-link, option")) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const name = element.className || element.tagName;
    if (ratio < 4.5) poor.push(`${name}: ${element.textContent.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return poor;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(open_page, scheme):
    page = open_page(color_scheme=scheme)
    enter(page)
    for path in WIDE_OR_NARROW:
        page.goto(path, wait_until="networkidle")
        assert page.evaluate(CONTRAST) == [], path
