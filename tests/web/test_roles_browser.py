"""Work, the trail, SQL and settings as a reader and as an outsider meet them in a real browser."""

import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from registry.models import Operation, OperationState
from registry.privileges import Privilege, SecurableType
from registry.services.grants import Change, update_grants
from tests.web.conftest import enter
from tests.web.factories import make_model, make_schema

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
READER, OUTSIDER = "reader@example.com", "outsider@example.com"


@pytest.fixture
def site(transactional_db, with_passwords, settings, tmp_path):
    """The owner's schema with a model that the reader may load, and an operation of the owner."""
    settings.TABLE_ROOT, settings.SQL_ROOT = str(tmp_path / "tables"), str(tmp_path / "sql")
    people = with_passwords
    may_begin = [Change("owner@example.com", (Privilege.CREATE_CATALOG,))]
    update_grants(
        actor=people.metastore_admin, type_=SecurableType.METASTORE, full_name="metastore", changes=may_begin
    )
    make_schema(people.owner, "prod.ml")
    make_model(people.owner, "prod.ml.ranker")
    use = (Privilege.USE_CATALOG, Privilege.USE_SCHEMA, Privilege.EXECUTE)
    change = [Change(READER, use)]
    update_grants(actor=people.metastore_admin, type_=SecurableType.CATALOG, full_name="prod", changes=change)
    Operation.objects.create(
        kind="sweep_artifacts",
        subject="the owner's work",
        actor=people.owner.principal,
        state=OperationState.FAILED,
        error="secret reason",
        created_at=timezone.now(),
        finished_at=timezone.now(),
    )
    return people


def test_a_reader_sees_and_does_what_is_the_readers(site, open_browser):
    page = open_browser()
    enter(page, "/operations?whose=all", READER)
    main = page.get_by_role("main")
    expect(main.get_by_text("No operations")).to_be_visible()
    other = Operation.objects.get()
    page.goto(f"/operations/{other.pk}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Not here")
    expect(page.get_by_text("secret reason")).to_have_count(0)

    page.goto("/sql")
    editor = page.get_by_label("Statement", exact=True)
    editor.fill("SHOW MODELS IN prod.ml")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("cell", name="ranker")).to_be_visible()
    editor.fill("GRANT EXECUTE ON MODEL prod.ml.ranker TO `outsider@example.com`")
    page.keyboard.press("Control+Enter")
    expect(main.get_by_text(re.compile("lacks|owner@example.com")).first).to_be_visible()

    # The trail holds what the reader did, the refusal too, and nothing of others.
    page.goto("/audit?decision=DENY")
    refused = main.get_by_role("row", name=re.compile("lacks ownership or MANAGE.*Denied"))
    expect(refused.first).to_be_visible()
    page.goto("/audit")
    expect(main.get_by_role("cell", name="reader@example.com").first).to_be_visible()
    expect(main.get_by_role("cell", name="owner@example.com", exact=True)).to_have_count(0)

    page.goto("/settings")
    expect(page.get_by_role("link", name="Destinations")).to_have_count(0)
    page.goto("/settings/destinations")
    expect(page.get_by_role("heading", level=1)).to_have_text("You lack a right for this")


def test_an_outsider_meets_closed_doors_that_tell_nothing(site, open_browser):
    page = open_browser()
    enter(page, "/explore/data", OUTSIDER)
    main = page.get_by_role("main")
    expect(main.get_by_text("prod")).to_have_count(0)
    for path in ("/explore/data/prod", "/explore/data/prod/ml", "/explore/data/models/prod/ml/ranker"):
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_contain_text("Not here")
        expect(page.get_by_text("owner@example.com")).to_have_count(0)
    page.goto("/sql")
    page.get_by_label("Statement", exact=True).fill("SHOW MODELS IN prod.ml")
    page.keyboard.press("Control+Enter")
    expect(main.get_by_text("does not exist").first).to_be_visible()
    page.goto("/operations?whose=all")
    expect(main.get_by_text("No operations")).to_be_visible()
    page.goto("/audit")
    expect(main.get_by_text("owner@example.com")).to_have_count(0)
