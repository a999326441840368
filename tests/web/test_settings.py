"""Settings: what each person sees there, the figures, and what the installation says of itself."""

import re

import pytest
from django.conf import settings as configured

from registry.models import ModelVersion, Operation
from registry.services.archives import export_models
from registry.services.registered_models import create_model
from registry.web.limits import LIMITS, NOT_LIMITS
from tests.web.factories import make_model, make_schema, make_stored_version

MODEL = "prod.flights.delay"
EVERYBODYS = ["/profile", "/profile/tokens", "/settings/webhooks", "/settings/moving", "/settings/limits"]


@pytest.mark.parametrize("path", [*EVERYBODYS, "/settings/about"])
@pytest.mark.parametrize("who", ["outsider", "metastore_admin"])
def test_every_section_answers_and_says_which_it_is(sign_in, who, path):
    page = sign_in(who).get(path)
    assert page.status_code == 200
    current = re.search(r'href="([^"]*)" aria-current="page"', page.content.decode())
    assert current.group(1) == path


def test_what_is_for_administrators_is_offered_to_them_alone(sign_in):
    assert "/settings/destinations" not in sign_in("reader").get("/settings/limits").content.decode()
    assert "/settings/destinations" in sign_in("metastore_admin").get("/settings/limits").content.decode()
    assert sign_in("reader").get("/settings/destinations").status_code == 403
    assert sign_in("reader").get("/settings/about/health").status_code == 403
    assert "Asking each part" not in sign_in("reader").get("/settings/about").content.decode()


def test_every_number_of_the_environment_is_a_limit_on_the_page(sign_in, settings, monkeypatch):
    told = {limit.variable for limits in LIMITS.values() for limit in limits}
    assert told == set(configured.NUMBER_DEFAULTS) - NOT_LIMITS
    settings.MAX_ALIASES_PER_MODEL = 77
    monkeypatch.setenv("MODELKEEP_MAX_ALIASES_PER_MODEL", "77")
    text = sign_in("reader").get("/settings/limits").content.decode()
    row = text[text.index("Aliases of a model") :].partition("</tr>")[0]
    assert "<strong>77</strong>" in row
    assert 'faint wide-only">10<' in row
    assert "MODELKEEP_MAX_ALIASES_PER_MODEL" in row


def test_about_names_release_licences_and_what_does_not_answer(sign_in, settings, tmp_path):
    settings.MLFLOW_SOCKET = str(tmp_path / "nobody-listens.sock")
    browser = sign_in("metastore_admin")
    text = browser.get("/settings/about").content.decode()
    assert re.search(r"Release \d+\.\d+", text)
    django = text[text.index(">Django<") :].partition("</tr>")[0]
    assert "BSD" in django
    health = browser.get("/settings/about/health").content.decode()
    assert "PostgreSQL" in health
    assert "Does not answer" in health
    assert "each content once" in health


@pytest.fixture
def delay(people, settings, tmp_path):
    """A model with one version that has bytes."""
    settings.ARTIFACT_ROOT = str(tmp_path / "artifacts")
    make_schema(people.metastore_admin, "prod.flights")
    create_model(actor=people.metastore_admin, name=MODEL)
    return make_stored_version(people.metastore_admin, MODEL)


def archive(actor) -> bytes:
    return b"".join(export_models(actor=actor, names=[MODEL]).pieces())


def test_models_are_taken_out_and_brought_in_again(sign_in, people, delay):
    browser = sign_in("metastore_admin")
    assert MODEL in browser.get("/settings/moving").content.decode()
    answer = browser.get("/settings/moving/archive", {"model": MODEL})
    taken = b"".join(answer.streaming_content)
    assert answer["Content-Disposition"] == 'attachment; filename="models.tar"'
    make_schema(people.metastore_admin, "dev.flights")
    brought = browser.post("/settings/moving/upload?into=dev.flights", taken, content_type="application/x-tar")
    assert "1 version imported" in brought.content.decode()
    assert ModelVersion.objects.filter(model__securable__parent__parent__key="dev", status="READY").count() == 1


def test_a_damaged_archive_is_refused_with_the_reason(sign_in, people, delay):
    browser = sign_in("metastore_admin")
    refused = browser.post("/settings/moving/upload", b"no archive at all", content_type="application/x-tar")
    assert refused.status_code == 400
    assert 'role="alert"' in refused.content.decode()


def test_archives_over_rest_need_rights_and_are_streamed(sign_in, people, delay):
    taken = archive(people.metastore_admin)
    make_schema(people.metastore_admin, "dev.flights")
    admin = sign_in("metastore_admin")
    address = "/api/modelkeep/archive?into=dev.flights"
    brought = admin.post(address, taken, content_type="application/x-tar").json()
    assert brought["report"]["counts"]["imported"] == 1
    assert admin.post(address, taken, content_type="application/json").json()["report"]["counts"]["present"] == 1
    refused = sign_in("reader").post(address, taken, content_type="application/x-tar")
    assert refused.status_code in {403, 404}


def test_what_one_may_not_load_is_not_offered_for_export(sign_in, people, delay):
    browser = sign_in("reader")
    assert MODEL not in browser.get("/settings/moving").content.decode()
    assert browser.get("/settings/moving/archive", {"model": MODEL}).status_code == 404


def test_the_list_to_export_is_filtered_and_costs_the_same(sign_in, people, delay, django_assert_num_queries):
    browser = sign_in("metastore_admin")
    browser.get("/settings/moving")
    with django_assert_num_queries(7, exact=False):
        browser.get("/settings/moving")
    for number in range(20):
        make_model(people.metastore_admin, f"prod.flights.m{number}")
    with django_assert_num_queries(7, exact=False):
        assert "prod.flights.m7" in browser.get("/settings/moving").content.decode()
    filtered = browser.get("/settings/moving?q=flights.m7").content.decode()
    assert 'value="prod.flights.m7"' in filtered
    assert 'value="prod.flights.m8"' not in filtered


def test_an_import_is_asked_for_and_errors_stand_at_their_fields(sign_in, people, delay, monkeypatch):
    browser = sign_in("metastore_admin")
    wrong = browser.post("/settings/moving/import", {"source_url": "http://127.0.0.1:5000", "into": "prod.flights"})
    assert wrong.status_code == 400
    assert "field-error" in wrong.content.decode()
    monkeypatch.setattr("registry.services.imports.resolve", lambda *_, **__: [])
    asked = {"source_url": "https://mlflow.example.com", "into": "prod.flights", "token": "s3cret", "dry_run": "on"}
    assert browser.post("/settings/moving/import", asked).status_code == 302
    operation = Operation.objects.get(kind="import_models")
    page = browser.get("/settings/moving").content.decode()
    assert "dry run" in page
    assert "s3cret" not in page
    assert "load delay:1s" in page
    rows = browser.get("/settings/moving?wait=1", headers={"HX-Request": "true"}).content.decode()
    assert "load delay:2s" in rows
    assert "Take models with you" not in rows
    report = browser.get(f"/settings/moving/imports/{operation.pk}").content.decode()
    assert "Waiting" in report
    assert sign_in("reader").get(f"/settings/moving/imports/{operation.pk}").status_code == 404


def test_a_report_escapes_what_the_other_server_says(sign_in, people, delay, monkeypatch):
    monkeypatch.setattr("registry.services.imports.resolve", lambda *_, **__: [])
    browser = sign_in("metastore_admin")
    browser.post("/settings/moving/import", {"source_url": "https://mlflow.example.com"})
    operation = Operation.objects.get(kind="import_models")
    model = {"source_name": "<script>x</script>", "name": "", "is_new": False, "reason": "<b>bad</b>"}
    operation.result = {
        "counts": {"models": 1, "models_failed": 1, "imported": 0, "present": 0, "failed": 0},
        "models": [{**model, "aliases": {}, "notes": [], "versions": []}],
    }
    operation.state = "SUCCEEDED"
    operation.finished_at = operation.created_at
    operation.save()
    assert "load delay" not in browser.get("/settings/moving").content.decode()
    report = browser.get(f"/settings/moving/imports/{operation.pk}").content.decode()
    assert "&lt;script&gt;x" in report
    assert "<b>bad" not in report
    assert "What needs an eye" in report


@pytest.mark.parametrize("path", ["/profile", "/settings/limits"])
def test_the_main_navigation_says_that_one_is_in_settings(sign_in, path):
    text = sign_in("reader").get(path).content.decode()
    rail = text[text.index('href="/settings"') :].partition(">")[0]
    assert 'aria-current="true"' in rail
