"""From an empty catalog to a promoted model in a real browser: as owner, reader and outsider."""

import re

import pytest
from playwright.sync_api import expect

from registry.models import ModelAlias, ModelVersion, Operation, Securable
from registry.privileges import Privilege, SecurableType
from registry.services.grants import Change, update_grants
from registry.services.operation_runner import run_operation
from tests.web.conftest import enter
from tests.web.factories import make_stored_version

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OWNER, READER, OUTSIDER = "owner@example.com", "reader@example.com", "outsider@example.com"


@pytest.fixture
def site(transactional_db, with_passwords, settings, tmp_path):
    """People with passwords; the owner may make catalogs."""
    settings.ARTIFACT_ROOT = str(tmp_path / "artifacts")
    people = with_passwords
    grant(people, SecurableType.METASTORE, "metastore", OWNER, Privilege.CREATE_CATALOG)
    return people


def grant(people, type_, name, who, *privileges):
    update_grants(actor=people.metastore_admin, type_=type_, full_name=name, changes=[Change(who, tuple(privileges))])


def dialog_of(page):
    return page.get_by_role("dialog")


def test_an_owner_makes_catalog_schema_and_model_then_copies_promotes_and_deletes(site, open_browser):
    page = open_browser()
    enter(page, "/explore/data", OWNER)
    tree, main, dialog = page.get_by_role("tree"), page.get_by_role("main"), dialog_of(page)

    main.get_by_role("link", name="Create catalog").click()
    dialog.get_by_label("Name").fill("a.b")
    dialog.get_by_role("button", name="Create catalog").click()
    expect(dialog.get_by_text("must not contain")).to_be_visible()
    dialog.get_by_label("Name").fill("lab")
    dialog.get_by_label("Description").fill("Where we **try** things")
    dialog.get_by_role("button", name="Create catalog").click()
    expect(page).to_have_url(re.compile("/explore/data/lab$"))
    expect(page.locator(".prose strong")).to_have_text("try")
    expect(tree.get_by_role("treeitem", name="lab")).to_have_attribute("aria-current", "page")

    main.get_by_role("link", name="Create schema").click()
    expect(dialog.get_by_label("Catalog")).to_have_value("lab")
    dialog.get_by_label("Name").fill("flights")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/explore/data/lab/flights$"))
    expect(tree.get_by_role("treeitem", name="flights")).to_be_visible()

    main.get_by_role("link", name="Create model").click()
    dialog.get_by_label("Name").fill("delay")
    dialog.get_by_role("button", name="Create model").click()
    expect(page).to_have_url(re.compile("/explore/data/models/lab/flights/delay$"))
    make_stored_version(site.owner, "lab.flights.delay")

    # Copied to a model that is made on the way, chosen from what is suggested.
    page.goto("/explore/data/models/lab/flights/delay/version/1")
    main.get_by_role("link", name="Copy this version").click()
    dialog.get_by_label("Destination").press_sequentially("lab.fl")
    page.get_by_role("option", name="lab.flights.…").wait_for()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(dialog.get_by_label("Destination")).to_have_value("lab.flights.")
    dialog.get_by_label("Destination").press_sequentially("gold")
    expect(dialog.get_by_text("a new model")).to_be_visible()
    expect(dialog.get_by_text("are shared with the source")).to_be_visible()
    dialog.get_by_role("button", name="Copy").click()
    expect(page).to_have_url(re.compile("/explore/data/models/lab/flights/gold/version/1$"))
    run_operation(operation_id=Operation.objects.get().pk)
    page.reload()
    expect(main.get_by_text("Ready").first).to_be_visible()
    expect(tree.get_by_role("treeitem", name="gold")).to_be_visible()

    # Promoted: copied and pointed at by an alias in one step, which makes the catalog and the schema too.
    page.goto("/explore/copy?source=lab.flights.delay/1")
    page.get_by_label("Destination").fill("prod.rides.delay")
    expect(page.get_by_text("Schema 'prod.rides' does not exist")).to_be_visible()
    page.get_by_label("Create the schema").check()
    expect(page.get_by_text("the catalog prod and the schema prod.rides")).to_be_visible()
    page.get_by_label("Point an alias at the copy").fill("Champion")
    page.get_by_role("button", name="Copy").click()
    expect(page).to_have_url(re.compile("/explore/data/models/prod/rides/delay/version/1$"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("@Champion")
    expect(tree.get_by_role("treeitem", name="prod")).to_be_visible()
    assert ModelAlias.objects.get().version.model.securable.full_name == "prod.rides.delay"

    # The schema is renamed, the renaming taken back, and at last it is deleted with all in it.
    page.goto("/explore/data/lab/flights")
    page.get_by_label("More").click()
    main.get_by_role("link", name="Rename").click()
    dialog.get_by_label("Name").fill("air")
    dialog.get_by_role("button", name="Rename").click()
    expect(page).to_have_url(re.compile("/explore/data/lab/air$"))
    page.get_by_role("button", name="Undo").click()
    expect(page).to_have_url(re.compile("/explore/data/lab/flights$"))
    page.get_by_label("More").click()
    main.get_by_role("link", name="Delete").click()
    expect(dialog.get_by_text("2 with 2 versions")).to_be_visible()
    dialog.get_by_role("button", name="Delete for ever").click()
    expect(dialog.get_by_text("required")).to_be_visible()
    dialog.get_by_label("Type flights to confirm").fill("flights")
    dialog.get_by_role("button", name="Delete for ever").click()
    expect(page).to_have_url(re.compile("/explore/data/lab$"))
    expect(main.get_by_text("No schemas yet")).to_be_visible()
    expect(tree.get_by_role("treeitem", name="flights")).to_have_count(0)
    assert [version.model.securable.full_name for version in ModelVersion.objects.all()] == ["prod.rides.delay"]


def test_tags_and_descriptions_are_changed_and_taken_back_in_place(site, open_browser):
    from tests.web.factories import make_schema

    make_schema(site.owner, "lab.flights")
    page = open_browser()
    enter(page, "/explore/data/lab", OWNER)
    main, dialog = page.get_by_role("main"), dialog_of(page)
    main.get_by_role("link", name="Tag", exact=True).click()
    dialog.get_by_label("Key").fill("team")
    dialog.get_by_label("Value").fill("ops")
    dialog.get_by_role("button", name="Save").click()
    expect(main.get_by_text("ops")).to_be_visible()
    main.get_by_role("button", name="Remove the tag team").click()
    expect(main.get_by_text("ops")).to_have_count(0)
    page.get_by_role("button", name="Undo").last.click()
    expect(main.get_by_text("ops")).to_be_visible()
    main.get_by_role("link", name="Description").click()
    dialog.get_by_label("Description").fill("For **all**")
    expect(dialog.locator(".prose strong")).to_have_text("all")
    dialog.get_by_role("button", name="Save").click()
    expect(main.locator(".prose strong")).to_have_text("all")


def test_a_reader_is_told_what_is_missing_and_an_outsider_nothing(site, open_browser):
    from tests.web.factories import make_model, make_schema

    make_schema(site.owner, "lab.flights")
    make_model(site.owner, "lab.flights.delay")
    make_stored_version(site.owner, "lab.flights.delay")
    Securable.objects.filter(key="lab").update(comment="hush")
    use = (Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
    grant(site, SecurableType.CATALOG, "lab", READER, *use, Privilege.EXECUTE)
    page = open_browser()
    enter(page, "/explore/data/lab/flights", READER)
    main, dialog = page.get_by_role("main"), dialog_of(page)
    expect(main.get_by_role("link", name="delay", exact=True)).to_be_visible()
    for offered in ("Create model", "Tag", "Description"):
        expect(main.get_by_role("link", name=offered, exact=True)).to_have_count(0)
    expect(page.get_by_label("More")).to_have_count(0)
    page.goto("/explore/data/models/lab/flights/delay/version/1")
    main.get_by_role("link", name="Copy this version").click()
    dialog.get_by_label("Destination").fill("lab.flights.mine")
    expect(dialog.get_by_text("You lack")).to_contain_text("You lack")
    expect(dialog.get_by_text("CREATE_MODEL")).to_be_visible()
    expect(dialog.get_by_role("button", name="Copy", exact=True)).to_be_disabled()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox").last.fill("create")
    expect(page.get_by_role("option", name="Create catalog")).to_have_count(0)

    other = open_browser()
    enter(other, "/explore/data/lab", OUTSIDER)
    expect(other.get_by_role("main")).to_contain_text("does not exist")
    expect(other.get_by_role("main")).not_to_contain_text("hush")
