"""MLflow's own pages on the governed registry, in a real browser: search, aliases, promotion."""

import io
import shutil

import pytest
from playwright.sync_api import expect, sync_playwright

from registry.services.files import write_file
from registry.services.model_versions import NewVersion, begin_version, finalize_version
from registry.services.registered_models import create_model
from tests.mlflow_registry.test_downloads import MLMODEL

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


@pytest.fixture
def models(transactional_db, web, alice, settings, tmp_path):
    settings.ARTIFACT_ROOT = str(tmp_path / "artifacts")
    for name in ("workspace.default.churn", "workspace.default.price"):
        create_model(actor=alice.actor, name=name)
    begin_version(actor=alice.actor, name="workspace.default.churn", new=NewVersion(source="x", comment="First"))
    path = "Models/workspace/default/churn/1/MLmodel"
    write_file(actor=alice.actor, path=path, source=io.BytesIO(MLMODEL), expected=len(MLMODEL))
    finalize_version(actor=alice.actor, name="workspace.default.churn", version=1)


@pytest.fixture
def page(models, web, alice):
    """Alice's browser. At the end no call to the registry may have failed."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    failed = []

    def heard(response):
        if response.status >= 400 and ("registered-models" in response.url or "model-versions" in response.url):
            failed.append((response.status, response.url))

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        context = browser.new_context(base_url=web, extra_http_headers=alice.headers)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("response", heard)
        yield page
        browser.close()
    assert failed == []


def test_models_are_found_given_an_alias_and_promoted(page):
    expect.set_options(timeout=60_000)
    page.goto("/mlflow/#/models")
    page.get_by_role("button", name="Try it now").click()
    expect(page.get_by_role("link", name="churn")).to_be_visible()
    search = page.get_by_placeholder("Search regist").first
    search.fill("PRI")
    search.press("Enter")
    expect(page.get_by_role("link", name="churn")).to_have_count(0)
    expect(page.get_by_role("link", name="price")).to_be_visible()

    page.goto("/mlflow/#/models/churn/versions/1")
    expect(page.get_by_text("Inputs (1)")).to_be_visible()
    page.get_by_role("button", name="Add", exact=True).first.click()
    dialog = page.get_by_role("dialog").filter(has_text="alias")
    aliases = dialog.get_by_role("combobox")
    aliases.fill("champion")
    aliases.press("Enter")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    shown = page.request.get("/api/2.0/mlflow/model-versions/get?name=churn&version=1").json()["model_version"]
    assert shown["aliases"] == ["champion"]

    page.get_by_role("button", name="Promote model").click()
    dialog = page.get_by_role("dialog").filter(has_text="Promote churn")
    dialog.get_by_role("combobox").click()
    page.get_by_role("option", name="price").or_(page.get_by_text("price", exact=True)).last.click()
    dialog.get_by_role("button", name="Promote").click()
    expect(dialog).to_have_count(0)
    copy = page.request.get("/api/2.0/mlflow/model-versions/get?name=price&version=1").json()["model_version"]
    assert (copy["status"], copy["source"]) == ("READY", "models:/workspace.default.churn/1")
