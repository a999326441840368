"""Rights in real browsers: granted in one window and seen in another, asked for, answered, explained, foreseen."""

import re

import pytest
from playwright.sync_api import expect

from registry.models import Securable
from registry.privileges import Privilege, SecurableType
from registry.services.grants import Change, update_grants
from tests.web.conftest import enter
from tests.web.factories import make_model, make_schema

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OWNER, READER, OUTSIDER, ADMIN = (f"{who}@example.com" for who in ("owner", "reader", "outsider", "admin"))
MODEL = "/explore/data/models/prod/flights/delay"
TAB = f"{MODEL}?tab=permissions"


@pytest.fixture
def site(transactional_db, with_passwords):
    """The owner's model in a schema of the owner; the outsider may use the catalog, the reader may only browse."""
    people = with_passwords
    make_schema(people.metastore_admin, "prod.flights")
    model = make_model(people.metastore_admin, "prod.flights.delay", versions=1).securable
    Securable.objects.filter(pk__in=[model.pk, model.parent_id]).update(owner=people.principals["owner"])
    for who, *privileges in (
        (OWNER, Privilege.USE_CATALOG),
        (OUTSIDER, Privilege.USE_CATALOG),
        (READER, Privilege.BROWSE),
    ):
        change = Change(who, tuple(privileges))
        update_grants(actor=people.metastore_admin, type_=SecurableType.CATALOG, full_name="prod", changes=[change])
    return people


def sees_the_model(page) -> bool:
    return page.goto(MODEL).status == 200


def test_an_owner_grants_and_the_other_window_sees_it_until_it_is_revoked_and_again_by_undo(site, open_browser):
    owner, other = open_browser(), open_browser()
    enter(other, "/", OUTSIDER)
    assert not sees_the_model(other)
    enter(owner, TAB, OWNER)
    main, dialog, toasts = owner.get_by_role("main"), owner.get_by_role("dialog"), owner.locator("#toasts")

    main.get_by_role("link", name="Grant", exact=True).click()
    dialog.get_by_label("Who").press_sequentially("outs")
    # The list of fewer letters, which has more in it, may still stand there.
    expect(dialog.get_by_role("option")).to_have_count(1)
    expect(dialog.get_by_role("option", name=OUTSIDER)).to_be_visible()
    owner.keyboard.press("ArrowDown")
    owner.keyboard.press("Enter")
    expect(dialog.get_by_label("Who")).to_have_value(OUTSIDER)
    dialog.get_by_role("button", name="Read", exact=True).click()
    expect(dialog.get_by_label("EXECUTE")).to_be_checked()
    way = dialog.get_by_label("Grant the way in as well")
    expect(way).to_be_checked()
    expect(dialog.locator(".grant-preview")).to_contain_text("load, download and copy its versions")
    way.uncheck()
    expect(dialog.locator(".grant-preview")).to_contain_text("do nothing yet")
    assert not sees_the_model(other)
    dialog.get_by_label("Grant the way in as well").check()
    expect(dialog.locator(".grant-preview")).to_contain_text("load, download and copy its versions")
    dialog.get_by_role("button", name="Grant", exact=True).click()

    expect(dialog).to_have_count(0)
    expect(toasts).to_contain_text(f"Granted EXECUTE to {OUTSIDER}.")
    assert sees_the_model(other)
    main.get_by_role("button", name=f"Revoke EXECUTE from {OUTSIDER}").click()
    expect(toasts).to_contain_text(f"Revoked EXECUTE from {OUTSIDER}.")
    expect(main.get_by_role("button", name=f"Revoke EXECUTE from {OUTSIDER}")).to_have_count(0)
    assert other.goto(MODEL).status == 404
    toasts.get_by_role("button", name="Undo").last.click()
    expect(toasts).to_contain_text("The change is taken back.")
    expect(main.get_by_role("button", name=f"Revoke EXECUTE from {OUTSIDER}")).to_be_visible()
    assert sees_the_model(other)


def test_a_reader_asks_from_the_lock_and_is_let_in(site, open_browser):
    reader, admin = open_browser(), open_browser()
    enter(reader, "/explore/data/prod/flights", READER)
    tree, dialog = reader.get_by_role("tree"), reader.get_by_role("dialog")
    tree.get_by_role("treeitem", name="prod").first.focus()
    reader.keyboard.press("ArrowRight")
    reader.goto(MODEL)
    reader.get_by_role("main").get_by_role("link", name="Request access").click()
    expect(dialog.get_by_label("EXECUTE")).to_be_checked()
    dialog.get_by_label("What for").fill("For the booking page.")
    dialog.get_by_role("button", name="Send request").click()
    expect(reader.locator("#toasts")).to_contain_text("Asked.")

    enter(admin, "/requests", ADMIN)
    expect(admin.get_by_text("For the booking page.")).to_be_visible()
    admin.get_by_role("main").get_by_role("link", name="Approve", exact=True).click()
    answering = admin.get_by_role("dialog")
    expect(answering.locator(".grant-preview")).to_contain_text("load, download and copy its versions")
    answering.get_by_label("CREATE MODEL VERSION").check()
    expect(answering.locator(".grant-preview")).to_contain_text("register versions")
    answering.get_by_label("CREATE MODEL VERSION").uncheck()
    expect(answering.locator(".grant-preview")).not_to_contain_text("register versions")
    answering.get_by_role("button", name="Approve").click()
    expect(admin.locator("#toasts")).to_contain_text(f"Granted EXECUTE to {READER}.")
    expect(admin.get_by_text("Nothing to answer")).to_be_visible()

    reader.goto(MODEL)
    expect(reader.get_by_role("heading", level=1)).to_have_text("delay")
    expect(reader.get_by_text("You may browse this model, not load it")).to_have_count(0)
    reader.goto("/requests?box=mine")
    expect(reader.get_by_role("main")).to_contain_text("Approved")


def test_why_is_answered_for_yes_and_no_and_leads_to_the_grant(site, open_browser):
    page = open_browser()
    enter(page, TAB, ADMIN)
    main, dialog = page.get_by_role("main"), page.get_by_role("dialog")
    main.get_by_role("link", name="Why can …?").click()
    expect(dialog.get_by_role("status")).to_contain_text("No.")
    dialog.get_by_label("do this").select_option("describe the model")
    expect(dialog.get_by_role("status")).to_contain_text("Yes. You can describe the model.")
    expect(dialog.get_by_role("status")).to_contain_text("METASTORE ADMIN")
    dialog.get_by_label("Can").fill(OUTSIDER)
    dialog.get_by_label("Can").press("Enter")
    expect(dialog.get_by_role("status")).to_contain_text(f"No. {OUTSIDER} lacks USE SCHEMA on schema prod.flights")
    dialog.get_by_role("link", name="Grant it").click()
    expect(dialog.get_by_label("Who")).to_have_value(OUTSIDER)
    expect(dialog.get_by_label("USE SCHEMA")).to_be_checked()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_an_administrator_makes_a_user_a_group_and_a_secret(site, open_browser):
    page, other = open_browser(), open_browser()
    enter(page, "/settings/users", ADMIN)
    main, dialog = page.get_by_role("main"), page.get_by_role("dialog")
    main.get_by_role("link", name="Create user").click()
    dialog.get_by_label("E-mail").fill("new@example.com")
    dialog.get_by_label("Display name").fill("New Person")
    dialog.get_by_role("button", name="Create").click()
    password = dialog.locator("#shown-once").text_content()
    dialog.get_by_role("link", name="Open user").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("New Person")
    other.goto("/")
    other.get_by_label("Name").fill("new@example.com")
    other.get_by_label("Password").fill(password)
    other.get_by_role("button", name="Sign in").click()
    expect(other).to_have_url(re.compile("/profile/password"))

    page.goto("/settings/groups")
    main.get_by_role("link", name="Create group").click()
    dialog.get_by_label("Name").fill("pilots")
    dialog.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("pilots")
    main.get_by_role("link", name="Add member").click()
    dialog.get_by_label("Who").fill("new@example.com")
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(main.get_by_role("link", name="New Person")).to_be_visible()
    page.locator("#toasts").get_by_role("button", name="Undo").click()
    expect(main.get_by_text("No members yet")).to_be_visible()

    page.goto("/settings/service-principals")
    main.get_by_role("link", name="Create service principal").click()
    dialog.get_by_label("Name").fill("nightly")
    dialog.get_by_role("button", name="Create").click()
    main.get_by_role("link", name="Create secret").click()
    dialog.get_by_role("button", name="Create").click()
    secret = dialog.locator("#shown-once").text_content()
    assert secret.startswith("mks")
    dialog.get_by_role("link", name="Done").click()
    expect(main).to_contain_text(secret[:8])
    expect(main).not_to_contain_text(secret)
    main.get_by_role("button", name=re.compile("^Delete mks")).click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(main).to_contain_text("None yet")
