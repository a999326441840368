"""The page of a version: its tabs, its files, live registration, and drafts of descriptions."""

import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.utils import timezone

from registry.models import AuditEvent, ModelVersion, Operation, OperationLogLine, OperationState, VersionStatus
from registry.privileges import Privilege, SecurableType
from registry.services import operation_handlers, operation_kinds, version_uses  # noqa: F401  (registers the kinds)
from registry.services.file_previews import bitmap_type
from registry.services.grants import Change, update_grants
from registry.services.operation_kinds import require_kind
from registry.services.registrations import REGISTER
from registry.services.tables import NewTable, create_table
from registry.services.tags import Tags, tag_version
from registry.services.version_comparison import read_requirements
from registry.services.version_uses import Use
from registry.web.polling import LONGEST_SECONDS, next_wait
from tests.screens.versions import picture, put_files
from tests.web.factories import make_model, make_version

pytestmark = pytest.mark.django_db
NAME = "prod.flights.delay"
VERSION = "/explore/data/models/prod/flights/delay/version/1"
HTMX = {"HTTP_HX_REQUEST": "true", "HTTP_HX_CURRENT_URL": f"http://testserver{VERSION}"}
TABS = ["overview", "signature", "files", "environment", "lineage", "checks", "uses"]
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def grant(people, type_, name, who, *privileges):
    change = Change(f"{who}@example.com", tuple(privileges))
    update_grants(actor=people.metastore_admin, type_=type_, full_name=name, changes=[change])


@pytest.fixture(autouse=True)
def _store(settings, tmp_path):
    settings.ARTIFACT_ROOT = str(tmp_path / "artifacts")


@pytest.fixture
def delay(people, flights):
    """A model of the owner's with a version that has real files; the reader may load it."""
    admin = people.metastore_admin
    for who in ("owner", "reader"):
        grant(people, SecurableType.CATALOG, "prod", who, Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
    model = make_model(admin, NAME)
    model.securable.owner = people.principals["owner"]
    model.securable.save()
    grant(people, SecurableType.REGISTERED_MODEL, NAME, "reader", Privilege.EXECUTE)
    flavors = {"python_function": {"python_version": "3.11.9"}}
    pending = VersionStatus.PENDING_REGISTRATION
    version = make_version(people.owner, model, mlmodel={"flavors": flavors}, status=pending)
    files = {
        "plots/residuals.png": picture(),
        "plots/not-a-picture.png": SVG,
        "plots/drawing.svg": SVG,
        "notes/äöü & co.txt": b"<b>bold</b>",
        "notes/table.csv": b"a,b\n1,<i>2</i>\n",
        "notes/odd.json": b'{"a":1}',
    }
    put_files(version, {**files, "notes/raw.bin": bytes(range(256))})
    return model


def text_of(browser, path, status=200):
    response = browser.get(path)
    assert response.status_code == status, response.content.decode()[:2000]
    return response.content.decode()


# --- Tabs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["owner", "reader", "metastore_admin"])
@pytest.mark.parametrize("tab", TABS)
def test_every_tab_is_shown_to_who_sees_the_model(sign_in, delay, tab, who):
    text = text_of(sign_in(who), f"{VERSION}?tab={tab}")
    assert (f"{VERSION}/delete" in text) == (who != "reader")
    assert (f"{VERSION}/description" in text) == (who != "reader" and tab == "overview")


def test_activity_is_for_who_administers_the_model(sign_in, people, delay):
    tag_version(actor=people.owner, name=NAME, version=1, change=Tags(set={"team": "ops"}))
    assert "team: ops" in text_of(sign_in("owner"), f"{VERSION}?tab=activity")
    assert "team: ops" not in text_of(sign_in("reader"), f"{VERSION}?tab=activity")
    make_version(people.owner, delay)
    second = VERSION.replace("version/1", "version/2")
    assert "team: ops" not in text_of(sign_in("owner"), f"{second}?tab=activity")


def test_lineage_goes_both_ways_and_hides_what_one_may_not_see(sign_in, people, delay):
    admin = people.metastore_admin
    table = create_table(actor=admin, catalog="prod", schema="flights", name="raw", new=NewTable()).securable
    version = make_version(people.owner, delay, run_id="abc123", run_experiment_id="7")
    page = VERSION.replace("version/1", "version/2")
    version.lineage.create(direction="UPSTREAM", kind="TABLE", name="prod.flights.raw", table=table)
    version.lineage.create(direction="DOWNSTREAM", kind="JOB", name="nightly")
    make_version(admin, make_model(admin, "prod.flights.hidden"), copied_from=version)
    everything = text_of(sign_in("metastore_admin"), f"{page}?tab=lineage")
    for name in ("/explore/data/prod/flights/raw", "abc123", "nightly", "models/prod/flights/hidden/version/1"):
        assert name in everything
    reader = text_of(sign_in("reader"), f"{page}?tab=lineage")
    assert "nightly" in reader
    assert "flights/raw" not in reader
    assert "hidden version 1" not in reader
    assert "hidden version 1" not in text_of(sign_in("reader"), f"{page}?tab=uses")
    assert "models/prod/flights/hidden/version/1" in text_of(sign_in("metastore_admin"), f"{page}?tab=uses")
    model = VERSION.partition("/version/")[0]
    assert "prod.flights.hidden version 1" in text_of(sign_in("metastore_admin"), f"{model}?tab=lineage")
    assert "hidden version 1" not in text_of(sign_in("reader"), f"{model}?tab=lineage")


def test_a_renamed_table_is_linked_where_it_is_now(sign_in, people, delay):
    admin = people.metastore_admin
    table = create_table(actor=admin, catalog="prod", schema="flights", name="raw", new=NewTable()).securable
    delay.versions.get().lineage.create(direction="UPSTREAM", kind="TABLE", name="prod.flights.raw", table=table)
    table.name = table.key = "cooked"
    table.save()
    assert "/explore/data/prod/flights/cooked" in text_of(sign_in("metastore_admin"), f"{VERSION}?tab=lineage")


def test_apps_above_tell_what_uses_a_version(sign_in, people, delay, monkeypatch):
    monkeypatch.setattr(version_uses, "_sources", [])
    version_uses.add_source(lambda actor, model, version: [Use("Endpoint", "delays", 1, url="/serving/delays")])
    for page in (f"{VERSION}?tab=uses", f"{VERSION}?tab=lineage", f"{VERSION}/delete"):
        assert 'href="/serving/delays"' in text_of(sign_in("owner"), page)


def test_checks_come_from_the_files_and_from_tags(sign_in, people, delay):
    make_version(people.owner, delay, requirements="mlflow==3.1\nnumpy\n", uses_defaults_channel=True)
    tags = {"validation_status": "approved", "bias_check": "failed", "team": "ops"}
    tag_version(actor=people.owner, name=NAME, version=2, change=Tags(set=tags))
    page = VERSION.replace("version/1", "version/2")
    checks = sign_in("reader").get(f"{page}?tab=checks").context["checks"]
    assert {check.title: check.verdict for check in checks} == {
        "Registration": "PASSED",
        "Signature": "PASSED",
        "Input example": "OPEN",
        "Requirements": "WARNING",
        "Conda channel": "WARNING",
        "bias_check": "FAILED",
        "validation_status": "PASSED",
    }


def test_requirements_are_read_line_by_line():
    lines = ["# made by mlflow", "", "mlflow==3.1", "scikit_learn[x]>=1,<2 ; python_version > '3'", "numpy  # any"]
    assert read_requirements(lines) == [
        ("mlflow", "==3.1"),
        ("scikit-learn", "[x]>=1,<2 ; python_version > '3'"),
        ("numpy", ""),
    ]


# --- Files ------------------------------------------------------------------------------------------------


def test_folders_are_walked(sign_in, delay):
    root = text_of(sign_in("reader"), f"{VERSION}?tab=files")
    assert "folder=plots" in root
    assert "residuals.png" not in root
    plots = text_of(sign_in("reader"), f"{VERSION}?tab=files&folder=plots")
    assert "residuals.png" in plots
    assert "There is no folder" in text_of(sign_in("reader"), f"{VERSION}?tab=files&folder=nope", 404)


def test_a_large_folder_comes_in_pages(sign_in, delay, monkeypatch):
    monkeypatch.setattr("registry.web.versions.PAGE_SIZE", 2)
    browser = sign_in("reader")
    first = browser.get(f"{VERSION}?tab=files&folder=notes")
    assert [row.child.name for row in first.context["rows"]] == ["odd.json", "raw.bin"]
    second = browser.get(VERSION + first.context["next_files"])
    assert [row.child.name for row in second.context["rows"]] == ["table.csv", "äöü & co.txt"]
    assert second.context["next_files"] == ""


def test_text_and_tables_are_shown_as_text(sign_in, delay):
    browser = sign_in("reader")
    for path, shown in {
        "notes/äöü & co.txt": "&lt;b&gt;bold&lt;/b&gt;",
        "notes/table.csv": "&lt;i&gt;2&lt;/i&gt;",
        "notes/odd.json": "&quot;a&quot;: 1",
        "notes/raw.bin": "cannot be shown",
    }.items():
        assert shown in browser.get(f"{VERSION}/view", {"path": path}).content.decode()
    assert AuditEvent.objects.filter(action="generateTemporaryModelVersionCredential").count() == 4


def test_only_bitmaps_are_pictures_and_nothing_can_run(sign_in, delay):
    browser = sign_in("reader")
    shown = browser.get(f"{VERSION}/picture", {"path": "plots/residuals.png"})
    assert shown.headers["Content-Type"] == "image/png"
    for path in ("plots/not-a-picture.png", "plots/drawing.svg", "notes/table.csv"):
        assert browser.get(f"{VERSION}/picture", {"path": path}).status_code == 404
    drawing = browser.get(f"{VERSION}/download", {"path": "plots/drawing.svg"})
    assert drawing.headers["Content-Disposition"].startswith("attachment")
    assert drawing.headers["Content-Type"] == "application/octet-stream"
    assert b"".join(drawing.streaming_content) == SVG
    for response in (shown, drawing):
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert "&lt;script&gt;" in browser.get(f"{VERSION}/view", {"path": "plots/drawing.svg"}).content.decode()


@pytest.mark.parametrize(
    ("head", "type_"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a..", "image/gif"),
        (b"RIFF....WEBPVP8", "image/webp"),
        (b"<svg", ""),
    ],
)
def test_pictures_are_known_by_their_first_bytes(head, type_):
    assert bitmap_type(head) == type_


@pytest.mark.parametrize(("who", "status"), [("metastore_admin", 403), ("outsider", 404)])
@pytest.mark.parametrize("verb", ["view", "download", "picture"])
def test_bytes_are_for_who_may_load(sign_in, delay, verb, who, status):
    assert sign_in(who).get(f"{VERSION}/{verb}", {"path": "plots/residuals.png"}).status_code == status


@pytest.mark.parametrize("path", ["", "..", "../2/MLmodel", "nope.txt", "plots", "a\x00b"])
@pytest.mark.parametrize("verb", ["view", "download", "picture"])
def test_paths_that_lead_nowhere_are_refused(sign_in, delay, verb, path):
    assert sign_in("reader").get(f"{VERSION}/{verb}", {"path": path}).status_code in {400, 404}


# --- On its way -------------------------------------------------------------------------------------------


def operation_for(people, version, **fields):
    securable = version.model.securable
    asked = {"version_id": str(version.pk), "name": securable.full_name, "version": version.version}
    asked |= {"source": "runs:/x/model", "run_id": "", "comment": "", "tags": {}}
    return Operation.objects.create(
        kind=REGISTER,
        params=asked,
        actor=people.principals["owner"],
        securable=securable,
        created_at=timezone.now(),
        **fields,
    )


def test_progress_is_followed_until_it_is_over(sign_in, people, delay):
    version = make_version(people.owner, delay, status=VersionStatus.PENDING_REGISTRATION)
    page = VERSION.replace("version/1", "version/2")
    operation = operation_for(people, version, state=OperationState.RUNNING, progress=42, step="Copying <model>")
    OperationLogLine.objects.create(operation=operation, at=timezone.now(), text="line <one>")
    shown = text_of(sign_in("owner"), page)
    assert 'value="42"' in shown
    assert "Copying &lt;model&gt;" in shown
    assert "line &lt;one&gt;" in shown
    asked = sign_in("owner").get(f"{page}/progress?wait=4", **HTMX)
    assert "wait=7" in asked.content.decode()
    assert "delay:7s" in asked.content.decode()
    # Who may not see the operation sees what has arrived.
    assert "have arrived" in text_of(sign_in("reader"), page)
    ModelVersion.objects.filter(pk=version.pk).update(status=VersionStatus.READY)
    over = sign_in("reader").get(f"{page}/progress", **HTMX)
    assert over.status_code == 204
    assert json.loads(over.headers["HX-Location"])["target"] == "#main"
    assert 'hx-trigger="load delay' not in text_of(sign_in("owner"), page)
    assert sign_in("outsider").get(f"{page}/progress").status_code == 404


def test_waiting_grows_to_a_limit():
    waits, wait = [], ""
    for _ in range(9):
        wait = str(next_wait(wait))
        waits.append(int(wait))
    assert waits[0] == 1
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_SECONDS
    assert next_wait("99999999") == next_wait("x") == 1


def test_what_has_failed_says_why_and_can_be_tried_again(sign_in, people, delay, monkeypatch):
    message = "No signature <b>."
    version = make_version(people.owner, delay, status=VersionStatus.FAILED_REGISTRATION, status_message=message)
    page = VERSION.replace("version/1", "version/2")
    assert "register it again" in text_of(sign_in("owner"), page)
    operation = operation_for(people, version, state=OperationState.FAILED, error=message)
    shown = text_of(sign_in("owner"), page)
    assert "No signature &lt;b&gt;." in shown
    assert f"{page}/retry" in shown
    assert f"{page}/retry" not in text_of(sign_in("reader"), page)

    def again(*, actor, operation):
        third = make_version(actor, delay, status=VersionStatus.PENDING_REGISTRATION)
        return operation_for(people, third, retry_of=operation)

    # No tracking server runs here that a real registration could read from.
    monkeypatch.setitem(operation_kinds._kinds, REGISTER, replace(require_kind(REGISTER), resubmit=again))
    response = sign_in("owner").post(f"{page}/retry", **HTMX)
    assert "version/3" in response.headers["HX-Location"]
    assert "It was tried again" in text_of(sign_in("owner"), page)
    assert operation.retries.count() == 1


# --- Drafts -----------------------------------------------------------------------------------------------


class _Model(BaseHTTPRequestHandler):
    """An OpenAI-compatible endpoint of this test."""

    answer: tuple[int, bytes] = (200, b"")
    asked: list[dict] = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append({"path": self.path, "authorization": self.headers.get("Authorization"), **body})
        status, answer = self.answer
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def language_model(settings):
    _Model.asked = []
    _Model.answer = (200, json.dumps({"choices": [{"message": {"content": "It **predicts**."}}]}).encode())
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.AI_URL, settings.AI_KEY = f"http://127.0.0.1:{server.server_port}/v1/", "k-1"
    yield _Model
    server.shutdown()
    server.server_close()


def test_nothing_is_offered_or_sent_without_a_language_model(sign_in, delay):
    assert "Generate with AI" not in text_of(sign_in("owner"), f"{VERSION}/description")
    refused = sign_in("owner").post(f"{VERSION}/description/draft", {"comment": "mine"}, **HTMX).content.decode()
    assert "MODELKEEP_AI_URL" in refused
    assert "mine" in refused


def test_a_draft_is_put_into_the_field_and_not_saved(sign_in, people, delay, language_model):
    assert "Generate with AI" in text_of(sign_in("owner"), f"{VERSION}/description")
    draft = sign_in("owner").post(f"{VERSION}/description/draft", {"comment": ""}, **HTMX).content.decode()
    assert "It **predicts**." in draft
    assert "This is a draft" in draft
    assert delay.versions.get().comment == ""
    (asked,) = language_model.asked
    assert asked["path"] == "/v1/chat/completions"
    assert asked["authorization"] == "Bearer k-1"
    assert NAME in asked["messages"][1]["content"]
    assert AuditEvent.objects.filter(action="suggestDescription", decision="ALLOW").count() == 1
    model = VERSION.partition("/version/")[0]
    assert "predicts" in sign_in("owner").post(f"{model}/description/draft", **HTMX).content.decode()


def test_who_may_not_describe_sends_nothing(sign_in, delay, language_model):
    refused = sign_in("reader").post(f"{VERSION}/description/draft", {"comment": "x"}, **HTMX).content.decode()
    assert "lacks ownership" in refused
    assert language_model.asked == []


@pytest.mark.parametrize(
    "answer",
    [(500, b"x"), (302, b""), (200, b"no json"), (200, b'{"choices": []}'), (200, b"[1]"), (200, b" " * 300_000)],
)
def test_a_language_model_that_misbehaves_loses_no_text(sign_in, delay, language_model, answer):
    language_model.answer = answer
    text = sign_in("owner").post(f"{VERSION}/description/draft", {"comment": "my words"}, **HTMX).content.decode()
    assert "my words" in text
    assert "The language model" in text
    assert len(language_model.asked) == 1
