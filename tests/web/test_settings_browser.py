"""Settings walked in a real browser."""

import re

import pytest
from playwright.sync_api import expect

from registry.models import Delivery
from registry.services import delivery_queue
from registry.services.archives import export_models
from registry.services.delivery_runner import deliver
from registry.services.registered_models import create_model
from tests.web.conftest import enter
from tests.web.factories import make_schema, make_stored_version
from tests.webhooks.receiver import receiving

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def receiver(settings):
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    with receiving() as made:
        yield made


def test_a_webhook_is_made_tested_and_replayed(with_passwords, open_browser, receiver, monkeypatch):
    monkeypatch.setattr(delivery_queue.current_app, "send_task", lambda *_, **__: None)
    page = open_browser()
    enter(page, "/settings/webhooks")
    page.get_by_role("link", name="New webhook").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Name").fill("nightly")
    form.get_by_label("Address").fill("ftp://nowhere")
    form.get_by_role("button", name="Create webhook").click()
    expect(form.locator(".field-error")).to_be_visible()
    form.get_by_label("Address").fill(receiver.url)
    form.get_by_role("button", name="Create webhook").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("nightly")
    page.get_by_role("link", name="Send test").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Send test").click()
    expect(dialog.get_by_text("It arrived")).to_be_visible()
    assert receiver.wait_for_one().headers["X-MLflow-Signature"].startswith("v1,")
    page.reload()
    page.get_by_role("link", name="model_version.created").click()
    expect(page.get_by_role("dialog").get_by_text("thanks")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Replay").click()
    replayed = page.get_by_role("row", name=re.compile("replay"))
    expect(replayed.get_by_text("Waiting")).to_be_visible()
    again = Delivery.objects.get(state="PENDING")
    deliver(delivery_id=again.pk)
    assert receiver.wait_for_one().headers["X-Modelkeep-Replay-Of"] == str(again.replay_of_id)
    page.reload()
    expect(replayed.get_by_text("Delivered")).to_be_visible()
    page.get_by_label("More").click()
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_text("Disabled", exact=True)).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("Enabled", exact=True)).to_be_visible()


def test_an_archive_is_uploaded_with_its_report(with_passwords, open_browser, settings, tmp_path):
    settings.ARTIFACT_ROOT = str(tmp_path / "artifacts")
    admin = with_passwords.metastore_admin
    make_schema(admin, "prod.flights")
    make_schema(admin, "dev.flights")
    create_model(actor=admin, name="prod.flights.delay")
    make_stored_version(admin, "prod.flights.delay")
    archive = tmp_path / "models.tar"
    archive.write_bytes(b"".join(export_models(actor=admin, names=["prod.flights.delay"]).pieces()))
    page = open_browser()
    enter(page, "/settings/moving")
    with page.expect_download() as download:
        page.get_by_label("prod.flights.delay").check()
        page.get_by_role("button", name="Download archive").click()
    assert download.value.path().stat().st_size == archive.stat().st_size
    page.get_by_label("Archive", exact=True).set_input_files(archive)
    page.get_by_label("Into schema").last.fill("dev.flights")
    page.get_by_role("button", name="Upload archive").click()
    expect(page.get_by_text("1 version imported")).to_be_visible()
    damaged = tmp_path / "damaged.tar"
    damaged.write_bytes(b"no archive")
    page.get_by_label("Archive", exact=True).set_input_files(damaged)
    page.get_by_role("button", name="Upload archive").click()
    expect(page.locator("#uploaded").get_by_role("alert")).to_be_visible()
