"""Models and versions in a real browser, as their owner, a reader and an outsider walk them."""

import re
import shutil

import pytest
from django.utils import timezone
from playwright.sync_api import expect, sync_playwright

from registry.models import ModelAlias, ModelVersion, Operation, OperationLogLine, OperationState, VersionStatus
from registry.privileges import Privilege, SecurableType
from registry.services.aliases import set_alias
from registry.services.grants import Change, update_grants
from registry.services.registrations import REGISTER
from tests.web.conftest import PASSWORD
from tests.web.factories import make_model, make_schema, make_version

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
MODEL = "/explore/data/models/prod/flights/delay"
NAME = "prod.flights.delay"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


def _grant(people, type_, name, who, *privileges):
    change = Change(f"{who}@example.com", privileges)
    update_grants(actor=people.metastore_admin, type_=type_, full_name=name, changes=[change])


@pytest.fixture
def site(transactional_db, people, live_server, monkeypatch):
    """A live site with one model of the owner's, which the reader may load."""
    # Playwright's loop runs in this thread, and Django would take the test for asynchronous code.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    for who in ("owner", "reader", "outsider"):
        user = people.principals[who]
        user.set_password(PASSWORD)
        user.save()
    make_schema(people.metastore_admin, "prod.flights")
    for who in ("owner", "reader"):
        _grant(people, SecurableType.CATALOG, "prod", who, Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
    model = make_model(people.metastore_admin, NAME, comment="Predicts **delay**.")
    model.securable.owner = people.principals["owner"]
    model.securable.save()
    _grant(people, SecurableType.REGISTERED_MODEL, NAME, "reader", Privilege.EXECUTE)
    for number in range(1, 4):
        version = make_version(people.owner, model, metrics=[{"key": "rmse", "value": 2.0 - number / 10}])
        version.lineage.create(direction="UPSTREAM", kind="DATASET", name="weather")
    set_alias(actor=people.owner, name=NAME, alias="Champion", version=1)
    return live_server.url


@pytest.fixture
def visit(site):
    """Opens a page as somebody; at the end no page may have logged an error or broken the security policy."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    complaints = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)

        def heard(message):
            refused = re.search(r"status of 40[03489]", message.text)
            if message.type == "error" and not refused:
                complaints.append(message.text)

        def visited(who, path, **options):
            page = browser.new_context(base_url=site, **options).new_page()
            page.on("console", heard)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.goto(path)
            page.get_by_label("Name").fill(f"{who}@example.com")
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url(lambda url: "/sign-in" not in url)
            return page

        yield visited
        browser.close()
    assert complaints == []


def row(page, number):
    return page.locator(f"tr[data-drop-version='{number}']")


def champion():
    return ModelAlias.objects.get(key="champion").version.version


def test_an_alias_is_dragged_undone_moved_by_keyboard_and_rolled_back(visit):
    page = visit("owner", f"{MODEL}?tab=versions")
    row(page, 1).locator("[data-alias=Champion]").drag_to(row(page, 3))
    expect(row(page, 3)).to_contain_text("@Champion")
    assert champion() == 3
    page.get_by_role("button", name="Undo").click()
    expect(row(page, 1)).to_contain_text("@Champion")
    assert champion() == 1

    page.get_by_role("link", name="Move @Champion").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("To version")).to_be_focused()
    page.keyboard.type("99")
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text("Version 99")
    page.get_by_label("To version").fill("2")
    page.keyboard.press("Enter")
    expect(row(page, 2)).to_contain_text("@Champion")
    assert champion() == 2

    page.get_by_role("link", name="Aliases", exact=True).click()
    page.get_by_role("button", name="Roll back @Champion to version 3").click()
    expect(page.get_by_role("status").last).to_contain_text("@Champion is on version 3")
    assert champion() == 3


def test_versions_are_ticked_and_compared(visit):
    page = visit("reader", f"{MODEL}?tab=versions")
    compare = page.locator("[data-compare-button]")
    expect(compare).to_be_disabled()
    page.get_by_label("Compare version 1").check()
    page.get_by_label("Compare version 3").check()
    expect(compare).to_have_text("Compare 2")
    compare.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Compare 2 versions")
    expect(page.locator("td.best")).to_contain_text("1.7")
    expect(page.get_by_role("tree")).to_be_visible()


def test_a_description_is_written_and_a_tag_removed_and_undone(visit):
    page = visit("owner", MODEL)
    page.get_by_role("link", name="Change the description").click()
    page.get_by_role("textbox", name="Description").fill("Says *when*.")
    expect(page.get_by_label("Preview").locator("em")).to_have_text("when")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("main .prose em")).to_have_text("when")
    page.get_by_role("link", name="Tag", exact=True).click()
    page.get_by_role("dialog").get_by_label("Key").fill("team")
    page.get_by_label("Value").fill("ops")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Remove the tag team").click()
    expect(page.get_by_role("button", name="Remove the tag team")).to_have_count(0)
    page.get_by_role("button", name="Undo").last.click()
    expect(page.get_by_role("button", name="Remove the tag team")).to_be_visible()


def test_a_slow_registration_is_followed_until_it_is_ready(visit, people):
    version = make_version(
        people.owner, ModelVersion.objects.first().model, status=VersionStatus.PENDING_REGISTRATION
    )
    asked = {"version_id": str(version.pk), "name": NAME, "version": version.version}
    operation = Operation.objects.create(
        kind=REGISTER,
        params=asked,
        actor=people.principals["owner"],
        securable=version.model.securable,
        state=OperationState.RUNNING,
        progress=10,
        created_at=timezone.now(),
    )
    page = visit("owner", f"{MODEL}/version/{version.version}")
    bar = page.get_by_role("progressbar")
    expect(bar).to_have_attribute("value", "10")
    Operation.objects.filter(pk=operation.pk).update(progress=70, step="Copying model.pkl")
    OperationLogLine.objects.create(operation=operation, at=timezone.now(), text="half of it")
    expect(bar).to_have_attribute("value", "70", timeout=20_000)
    expect(page.locator(".progress-log")).to_contain_text("half of it")
    Operation.objects.filter(pk=operation.pk).update(state=OperationState.SUCCEEDED, progress=100)
    ModelVersion.objects.filter(pk=version.pk).update(status=VersionStatus.READY)
    expect(page.get_by_role("main")).to_contain_text("Use it", timeout=20_000)
    expect(bar).to_have_count(0)


def test_lineage_is_walked_with_the_keys(visit):
    page = visit("reader", f"{MODEL}/version/2?tab=lineage")
    dataset = page.locator("[data-node=up-0]")
    dataset.focus()
    expect(page.locator(".graph-line.is-lit")).to_have_count(1)
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-node=here]")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(dataset).to_be_focused()


def test_a_model_is_deleted_when_its_name_is_typed(visit):
    page = visit("owner", MODEL)
    page.get_by_role("main").get_by_label("More").click()
    page.get_by_role("link", name="Delete").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("@Champion")
    dialog.get_by_label("Type delay to confirm").fill("nope")
    dialog.get_by_role("button", name="Delete for ever").click()
    expect(dialog).to_contain_text("This is not 'delay'")
    dialog.get_by_label("Type delay to confirm").fill("delay")
    dialog.get_by_role("button", name="Delete for ever").click()
    expect(page).to_have_url(re.compile("/explore/data/prod/flights$"))
    expect(page.get_by_role("status").last).to_contain_text("is deleted")


def test_a_reader_looks_and_changes_nothing_and_an_outsider_sees_nothing(visit):
    page = visit("reader", f"{MODEL}?tab=versions")
    expect(row(page, 1)).to_contain_text("@Champion")
    expect(page.locator("[draggable=true][data-alias]")).to_have_count(0)
    page.get_by_role("main").get_by_label("More").click()
    expect(page.get_by_text("Score a table")).to_be_visible()
    for forbidden in ("Rename", "Transfer ownership", "Delete"):
        expect(page.get_by_role("main").get_by_text(forbidden, exact=True)).to_have_count(0)
    outsider = visit("outsider", MODEL)
    expect(outsider.get_by_role("main")).to_contain_text("does not exist")


@pytest.mark.parametrize("width", [400, 1280])
def test_no_page_scrolls_sideways(visit, width):
    page = visit("owner", MODEL, viewport={"width": width, "height": 800})
    paths = [f"{MODEL}?tab={tab}" for tab in ("overview", "versions", "aliases", "lineage", "details", "activity")]
    paths += [f"{MODEL}/compare?versions=1,2,3", f"{MODEL}/version/1", f"{MODEL}/version/1?tab=lineage"]
    paths += [f"{MODEL}/version/1?tab=files", f"{MODEL}/version/1?tab=checks", f"{MODEL}/delete"]
    for path in paths:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
