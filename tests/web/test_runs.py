"""Experiments and runs on their pages, of a real tracking server, and registering from them."""
# ruff: noqa: F401, F811  (the tracking server is a fixture of another folder, imported by name)

import json
from pathlib import Path

import pytest
from django.urls import reverse

from registry.models import Experiment, ExperimentGrant, ModelVersion, Operation
from registry.privileges import Privilege, SecurableType
from registry.services import tracking
from registry.services.experiment_lifecycle import create_experiment
from registry.services.grants import Change, update_grants
from registry.services.operation_runner import run_operation
from tests.tracking.conftest import URL, tracking_server, unique
from tests.web.factories import make_model, make_schema

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true", "HTTP_HX_CURRENT_URL": "http://testserver/experiments"}
API = "/api/2.0/mlflow"
SIGNED = {"inputs": '[{"type": "double", "name": "x"}]', "outputs": '[{"type": "double"}]'}
XSS = '<script>alert("x")</script>'


def ask(method, path, body):
    return tracking.ask(method, f"{API}/{path}", body=body)


class Lab:
    """An experiment of the owner's, and what one logs into it."""

    def __init__(self, people, root):
        self.people, self.root = people, root
        self.name = unique("lab")
        self.id = create_experiment(actor=people.owner, name=self.name, tags=[])

    def run(self, name="first", *, metrics=None, params=None, tags=None):
        body = {"experiment_id": self.id, "run_name": name, "start_time": 1_700_000_000_000}
        run_id = ask("POST", "runs/create", body)["run"]["info"]["run_id"]
        rows = [
            {"key": key, "value": value, "timestamp": 1, "step": step}
            for key, values in (metrics or {}).items()
            for step, value in enumerate(values)
        ]
        params = [{"key": key, "value": value} for key, value in (params or {}).items()]
        tags = [{"key": key, "value": value} for key, value in (tags or {}).items()]
        ask("POST", "runs/log-batch", {"run_id": run_id, "metrics": rows, "params": params, "tags": tags})
        return run_id

    def log_model(self, run_id, folder="model", *, signature=True):
        path = Path(self.root, self.id, run_id, "artifacts", folder, "MLmodel")
        path.parent.mkdir(parents=True)
        mlmodel = {"flavors": {"python_function": {}}, **({"signature": SIGNED} if signature else {})}
        path.write_text(json.dumps(mlmodel))
        return f"runs:/{run_id}/{folder}"

    def share(self, who):
        ExperimentGrant.objects.create(experiment_id=self.id, principal=self.people.principals[who], level="CAN_READ")

    def page(self, run_id=""):
        return reverse("run", args=[self.id, run_id]) if run_id else reverse("experiment", args=[self.id])


@pytest.fixture
def lab(tracking_server, people, settings, tmp_path):
    settings.MLFLOW_SOCKET = str(tracking_server.socket)
    settings.MLFLOW_URL = URL
    settings.TRACKING_ROOT = str(tracking_server.root)
    settings.ARTIFACT_ROOT = str(tmp_path)
    return Lab(people, tracking_server.root)


def text_of(browser, path, data=None, status=200):
    response = browser.get(path, data)
    assert response.status_code == status, response.content.decode()
    return response.content.decode()


def test_experiments_are_listed_for_who_may_read_them(lab, sign_in):
    assert lab.name in text_of(sign_in("owner"), "/experiments", {"q": lab.name.upper()})
    assert lab.name in text_of(sign_in("metastore_admin"), "/experiments", {"q": lab.name})
    assert "No experiment has that" in text_of(sign_in("reader"), "/experiments", {"q": lab.name})
    lab.share("reader")
    assert lab.name in text_of(sign_in("reader"), "/experiments", {"q": lab.name, "order": "-name"})
    assert "No experiment has that" in text_of(sign_in("owner"), "/experiments", {"q": "it's not % here"})


def test_an_experiment_and_a_run_of_others_read_as_missing(lab, sign_in):
    run = lab.run()
    outsider = sign_in("outsider")
    for path in (lab.page(), lab.page(run), reverse("register-run", args=[lab.id, run])):
        text_of(outsider, path, status=404)
    missing = text_of(outsider, lab.page("0" * 32), status=404)
    assert "0" * 32 in missing
    shown = text_of(outsider, reverse("register-plan", args=[lab.id, run]), {"source": f"runs:/{run}/model"})
    assert "facts-list" not in shown
    lab.share("outsider")
    for path in (lab.page(), lab.page(run)):
        text_of(outsider, path)


def test_runs_are_filtered_and_ordered_in_mlflows_own_words(lab, sign_in):
    for number, rmse in enumerate((0.5, 0.3, 0.4)):
        lab.run(f"try-{number}", metrics={"rmse": [rmse]}, params={"depth": str(number), "wide": "x"})
    browser = sign_in("owner")

    def names(**query):
        return [run.name for run in browser.get(lab.page(), query).context["page"].items]

    assert names(order="metrics.rmse") == ["try-1", "try-2", "try-0"]
    assert names(q="metrics.rmse < 0.45 and params.depth = '2'") == ["try-2"]
    shown = text_of(browser, lab.page(), {"column": "params.wide"})
    assert "metrics.rmse" in shown
    assert "order=metrics.rmse" not in shown.split("<thead>")[1].split("</thead>")[0]
    refused = text_of(browser, lab.page(), {"q": "rmse is small"}, status=400)
    assert "Write it as in" in refused
    text_of(browser, lab.page(), {"order": "metrics.`x` DESC, 1"}, status=400)


def test_a_run_shows_what_it_logged_as_text(lab, sign_in):
    run = lab.run(metrics={"rmse": [0.5, 0.4, 0.3]}, params={"depth": XSS}, tags={"team": XSS})
    browser = sign_in("owner")
    for tab in ("overview", "params", "artifacts", "metrics"):
        shown = text_of(browser, lab.page(run), {"tab": tab})
        assert "<script>alert" not in shown
    assert "data-chart-place" in shown
    assert browser.get(lab.page(run), {"tab": "metrics"}).context["history"] == [(0, 0.5), (1, 0.4), (2, 0.3)]
    assert "&lt;script&gt;" in text_of(browser, lab.page(run))
    text_of(browser, lab.page(run), {"tab": "metrics", "metric": "nothing"}, status=404)
    elsewhere = browser.get(reverse("run", args=["0", run]))
    assert (elsewhere.status_code, elsewhere["Location"]) == (302, lab.page(run))


def test_a_run_without_a_model_cannot_be_registered(lab, sign_in):
    run, browser = lab.run(), sign_in("owner")
    assert reverse("register-run", args=[lab.id, run]) not in text_of(browser, lab.page(run))
    assert "nothing to register" in text_of(browser, reverse("register-run", args=[lab.id, run]))


@pytest.fixture
def prod(people):
    """Where the owner may make models."""
    make_schema(people.metastore_admin, "prod.flights")
    privileges = (Privilege.USE_CATALOG, Privilege.CREATE_SCHEMA, Privilege.USE_SCHEMA, Privilege.CREATE_MODEL)
    changes = [Change("owner@example.com", privileges)]
    update_grants(actor=people.metastore_admin, type_=SecurableType.CATALOG, full_name="prod", changes=changes)
    return "prod.flights"


def test_what_a_registration_takes_is_told_before(people, lab, prod, sign_in):
    run = lab.run()
    good, bad = lab.log_model(run), lab.log_model(run, "unsigned", signature=False)
    browser, address = sign_in("owner"), reverse("register-plan", args=[lab.id, run])
    plan = browser.get(address, {"source": good, "destination": "prod.flights.delay"}).context["plan"]
    assert (plan.allowed, plan.file_count, plan.destination.next_version) == (True, 1, 1)
    fresh = {"source": good, "destination": "prod.fresh.delay", "create_containers": "on"}
    plan = browser.get(address, fresh).context["plan"]
    assert (plan.allowed, plan.destination.creates) == (True, ["prod.fresh"])
    plan = browser.get(address, {"source": bad, "destination": "prod.flights.delay"}).context["plan"]
    assert "no signature" in plan.blockers[0]
    make_model(people.metastore_admin, "prod.flights.others")
    shown = text_of(browser, address, {"source": good, "destination": "dev.flights.x"})
    assert "does not exist" in shown
    assert "no MLmodel" in text_of(browser, address, {"source": f"runs:/{run}/nothing"})


def test_a_run_is_registered_and_the_version_becomes_ready(people, lab, prod, sign_in):
    run = lab.run(metrics={"rmse": [0.4]})
    source, browser = lab.log_model(run), sign_in("owner")
    address = reverse("register-run", args=[lab.id, run])
    assert address in text_of(browser, lab.page(run))
    asked = {"source": source, "destination": "prod.fresh.delay", "comment": "Nightly", "tags": "team=ops\ndry"}
    assert browser.post(address, asked, **HTMX).status_code == 404
    done = browser.post(address, asked | {"create_containers": "on"}, **HTMX)
    assert done["HX-Redirect"] == "/explore/data/models/prod/fresh/delay/version/1"
    version = ModelVersion.objects.get()
    assert (version.status, version.run_id, version.comment) == ("PENDING_REGISTRATION", run, "Nightly")
    assert {tag.key: tag.value for tag in version.tags.all()} == {"team": "ops", "dry": ""}
    run_operation(operation_id=Operation.objects.get().pk)
    version.refresh_from_db()
    assert (version.status, version.metrics[0]["key"]) == ("READY", "rmse")


@pytest.mark.parametrize(
    ("change", "status", "field", "words"),
    [
        ({"destination": "hr.pay.x"}, 404, "__all__", "does not exist"),
        ({"destination": "x"}, 400, "__all__", "not a valid name"),
        ({"source": "runs:/other/model"}, 400, "source", "valid choice"),
        ({"tags": "a.b=1"}, 400, "__all__", "not allowed"),
    ],
)
def test_what_cannot_be_registered_is_said_on_the_form(lab, prod, sign_in, change, status, field, words):
    run = lab.run()
    asked = {"source": lab.log_model(run), "destination": "prod.flights.delay", **change}
    answer = sign_in("owner").post(reverse("register-run", args=[lab.id, run]), asked, **HTMX)
    assert answer.status_code == status
    assert words in answer.context["form"].errors[field][0]
    assert not ModelVersion.objects.exists()


def test_pages_cost_the_same_for_one_row_and_many(lab, sign_in, django_assert_max_num_queries):
    lab.run(metrics={"a": [1.0]})
    browser = sign_in("owner")
    browser.get("/experiments")
    paths = ("/experiments", lab.page())
    few = []
    for path in paths:
        with django_assert_max_num_queries(30) as counted:
            text_of(browser, path)
        few.append(len(counted))
    for number in range(4):
        create_experiment(actor=lab.people.owner, name=unique("more"), tags=[])
        lab.run(f"run {number}", metrics={f"m{number}": [1.0, 2.0]})
    for path, count in zip(paths, few, strict=True):
        with django_assert_max_num_queries(count):
            text_of(browser, path)


def test_a_tracking_server_that_is_away_is_said_so(sign_in, settings, tmp_path):
    settings.MLFLOW_SOCKET = str(tmp_path / "nobody.sock")
    assert "Not available just now" in text_of(sign_in("owner"), "/experiments", status=503)


def test_the_palette_finds_runs_by_name_and_id_for_who_may_read_them(lab, sign_in):
    run = lab.run("nightly boosting")
    owner, outsider = sign_in("owner"), sign_in("outsider")
    for text in ("nightly boosting", "BOOST", run):
        assert lab.page(run) in text_of(owner, "/search", {"q": text}), text
        assert lab.page(run) not in text_of(outsider, "/search", {"q": text}), text
    assert lab.page(run) not in text_of(owner, "/search", {"q": "f" * 32})
