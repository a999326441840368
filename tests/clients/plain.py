"""The lifecycle of one who ran `mlflow server` and changed a URL: plain http for everything, flat and full names.

Usage: python plain.py SCHEMA PREFIX. Prints one line a step: `ok NAME` or `failed NAME`, its traceback before it.
Nothing but MLFLOW_TRACKING_URI and a token is set in its environment.
"""

import contextlib
import os
import sys
import tempfile
import traceback
from pathlib import Path

import mlflow
import mlflow.sklearn
import numpy as np
import pandas as pd
import sklearn
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

SCHEMA, PREFIX = sys.argv[1:]
FLAT, FULL = f"{PREFIX} churn #1", f"{SCHEMA}.churn"
X = pd.DataFrame(np.random.default_rng(7).normal(size=(60, 4)), columns=["a", "b", "c", "d"])
Y = (X["a"] > 0).astype(int)
FITTED = LogisticRegression(C=3.0).fit(X, Y)
# Named requirements need not be found out: for that the client loads each model in a process more.
LOGGED = {"serialization_format": "cloudpickle", "pip_requirements": [f"scikit-learn=={sklearn.__version__}"]}
client = MlflowClient()
state: dict[str, str] = {}
steps = []


def step(function):
    steps.append(function)
    return function


def refused(call, *words, code=None):
    error = None
    try:
        call()
    except MlflowException as raised:
        error = raised
    assert error is not None, "was not refused"
    assert code in {None, error.error_code}, error.error_code
    for word in words:
        assert word in str(error), error


def loads(uri):
    assert (mlflow.pyfunc.load_model(uri).predict(X) == FITTED.predict(X)).all(), uri


def log(name="m"):
    with mlflow.start_run() as run:
        mlflow.log_metric("acc", 0.9)
        info = mlflow.sklearn.log_model(FITTED, name=name, input_example=X.head(2), **LOGGED)
    return run.info.run_id, info


@step
def nothing_but_the_url_is_set():
    assert mlflow.get_registry_uri() == mlflow.get_tracking_uri() == os.environ["MLFLOW_TRACKING_URI"]
    assert not [name for name in os.environ if name.startswith("DATABRICKS")]
    mlflow.set_experiment(f"/Shared/{PREFIX}")


@step
def log_model_registers_under_flat_and_full_names():
    for number, name in enumerate((FLAT, FULL, FLAT), start=1):
        with mlflow.start_run():
            info = mlflow.sklearn.log_model(
                FITTED, name="m", input_example=X.head(2), registered_model_name=name, **LOGGED
            )
        version = client.get_model_version(name, str(info.registered_model_version))
        assert (version.name, version.status) == (name, "READY"), (number, version)
    assert [version.version for version in client.search_model_versions(f"name='{FULL}'")] == ["1"]


@step
def runs_and_logged_models_are_sources():
    run_id, info = log()
    state["run"], state["model"] = run_id, info.model_id
    version = mlflow.register_model(f"runs:/{run_id}/m", FLAT, tags={"from": "run"})
    found = client.get_model_version(FLAT, version.version)
    assert (found.name, found.run_id, found.tags) == (FLAT, run_id, {"from": "run"}), found
    assert found.source == info.model_uri
    version = mlflow.register_model(info.model_uri, FLAT)
    assert (version.name, version.version) == (FLAT, "4"), version
    assert client.get_model_version(FLAT, "4").status == "READY", "the client has waited"
    raw = client.create_model_version(FLAT, client.get_logged_model(info.model_id).artifact_location, run_id=run_id)
    assert client.get_model_version(FLAT, raw.version).status == "READY"


@step
def a_run_that_really_holds_the_model_is_a_source():
    with tempfile.TemporaryDirectory() as folder, mlflow.start_run() as run:
        path = str(Path(folder) / "inside")
        mlflow.sklearn.save_model(FITTED, path, signature=infer_signature(X, FITTED.predict(X)), **LOGGED)
        mlflow.log_artifacts(path, "inside")
    version = mlflow.register_model(f"runs:/{run.info.run_id}/inside", f"{PREFIX}_inside")
    assert client.get_model_version(version.name, version.version).run_id == run.info.run_id
    loads(f"models:/{PREFIX}_inside/1")


@step
def a_source_elsewhere_and_a_model_without_signature_are_refused():
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model")
        mlflow.sklearn.save_model(FITTED, path, **LOGGED)
        refused(lambda: mlflow.register_model(path, f"{PREFIX}_local"), "runs:/", code="INVALID_PARAMETER_VALUE")
    with mlflow.start_run():
        info = mlflow.sklearn.log_model(FITTED, name="unsigned", **LOGGED)
    refused(lambda: mlflow.register_model(info.model_uri, f"{PREFIX}_unsigned"), "signature")


@step
def models_load_by_number_alias_latest_and_flavor():
    client.set_registered_model_alias(FLAT, "Champion", 1)
    client.set_registered_model_alias(FULL, "Champion", "1")
    uris = [f"models:/{name}{which}" for name in (FLAT, FULL) for which in ("/1", "@Champion", "/latest", "@latest")]
    for uri in uris:
        loads(uri)
    assert (mlflow.sklearn.load_model(f"models:/{FLAT}/2").predict(X) == FITTED.predict(X)).all()


@step
def files_are_downloaded_as_folder_and_one_by_one():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(mlflow.artifacts.download_artifacts(f"models:/{FLAT}@Champion", dst_path=folder))
        assert (path / "MLmodel").is_file()
        assert FLAT in (path / "registered_model_meta").read_text()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(mlflow.artifacts.download_artifacts(f"models:/{FULL}/1/MLmodel", dst_path=folder))
        assert "flavors" in path.read_text()
    uri = client.get_model_version_download_uri(FLAT, "1")
    assert uri.startswith("mlflow-artifacts:/"), uri
    for folder in (uri, f"models:/{FULL}/1"):
        listed = {info.path.rpartition("/")[2]: info for info in mlflow.artifacts.list_artifacts(folder)}
        assert listed["MLmodel"].file_size > 0, listed
    copied = client.create_model_version(f"{PREFIX}_by_uri", uri)
    assert copied.status == "READY", copied


@step
def aliases_move_and_versions_list_them():
    client.set_registered_model_alias(FLAT, "Champion", 2)
    assert client.get_model_version_by_alias(FLAT, "Champion").version == "2"
    assert client.get_model_version(FLAT, "2").aliases == ["Champion"]
    assert client.get_registered_model(FLAT).aliases == {"Champion": "2"}
    client.delete_registered_model_alias(FLAT, "Champion")
    refused(lambda: client.get_model_version_by_alias(FLAT, "Champion"), "does not exist")


@step
def stages_are_refused_with_a_way():
    refused(lambda: client.transition_model_version_stage(FLAT, "1", "Production"), "alias")
    refused(lambda: mlflow.pyfunc.load_model(f"models:/{FLAT}/Production"), "alias")
    assert [version.version for version in client.get_latest_versions(FLAT)] == ["5"]
    assert [version.current_stage for version in client.get_latest_versions(FLAT, stages=["None"])] == ["None"]


@step
def tags_and_descriptions():
    for name in (FLAT, FULL):
        client.set_registered_model_tag(name, "task", "classification")
        client.set_model_version_tag(name, "1", "checked", "yes")
        assert client.update_registered_model(name, description="Who leaves").name == name
        assert client.update_model_version(name, "1", description="The first").name == name
        model, version = client.get_registered_model(name), client.get_model_version(name, "1")
        assert (model.tags, model.description) == ({"task": "classification"}, "Who leaves")
        assert (version.tags, version.description) == ({"checked": "yes"}, "The first")
        client.delete_registered_model_tag(name, "task")
        client.delete_model_version_tag(name, "1", "checked")
        assert (client.get_registered_model(name).tags, client.get_model_version(name, "1").tags) == ({}, {})


@step
def searches_with_filter_and_order():
    for number, team in enumerate(["risk", "risk", "sales"]):
        client.create_registered_model(f"{PREFIX}_page{number}", tags={"team": team})
    names = [
        model.name
        for model in client.search_registered_models(
            f"name LIKE '{PREFIX}_page%' AND tags.team = 'risk'", order_by=["name DESC"]
        )
    ]
    assert names == [f"{PREFIX}_page1", f"{PREFIX}_page0"], names
    page = client.search_registered_models(f"name ILIKE '{PREFIX.upper()}_PAGE%'", max_results=2)
    assert page.token
    rest = client.search_registered_models(
        f"name ILIKE '{PREFIX.upper()}_PAGE%'", max_results=2, page_token=page.token
    )
    assert [model.name for model in [*page, *rest]] == [f"{PREFIX}_page{number}" for number in range(3)]
    assert {FLAT, FULL} <= {model.name for model in mlflow.search_registered_models()}
    found = mlflow.search_model_versions(filter_string=f"run_id = '{state['run']}'", order_by=["version_number ASC"])
    assert [(version.name, version.version) for version in found] == [(FLAT, "3"), (FLAT, "4"), (FLAT, "5")], found
    refused(lambda: client.search_registered_models("owner = 'x'"), "filter", code="INVALID_PARAMETER_VALUE")


@step
def names_are_taken_missing_and_impossible():
    refused(lambda: client.create_registered_model(FLAT), code="RESOURCE_ALREADY_EXISTS")
    refused(lambda: client.get_registered_model(f"{PREFIX}_nothing"), code="RESOURCE_DOES_NOT_EXIST")
    refused(lambda: client.get_model_version(FLAT, "99"), code="RESOURCE_DOES_NOT_EXIST")
    refused(lambda: client.create_registered_model(f"{PREFIX}.v2"), f"{PREFIX}_v2", code="INVALID_PARAMETER_VALUE")


@step
def versions_are_copied_between_flat_and_full_names():
    client.set_model_version_tag(FLAT, "1", "checked", "yes")
    copy = client.copy_model_version(f"models:/{FLAT}/1", f"{SCHEMA}.promoted")
    assert (copy.name, copy.version, copy.status) == (f"{SCHEMA}.promoted", "1", "READY"), copy
    assert (copy.tags, copy.description) == ({"checked": "yes"}, "The first")
    back = client.copy_model_version(f"models:/{SCHEMA}.promoted/1", f"{PREFIX}_back")
    assert (back.name, back.status) == (f"{PREFIX}_back", "READY")
    for uri in (f"models:/{SCHEMA}.promoted/1", f"models:/{PREFIX}_back/1"):
        loads(uri)


@step
def a_model_is_renamed_and_still_loads():
    uri = client.get_model_version_download_uri(FLAT, "1")
    client.rename_registered_model(FLAT, f"{PREFIX}_renamed")
    assert client.get_registered_model(f"{PREFIX}_renamed").name == f"{PREFIX}_renamed"
    loads(f"models:/{PREFIX}_renamed/1")
    assert mlflow.artifacts.list_artifacts(uri), "an address outlives a rename"
    refused(lambda: client.get_registered_model(FLAT), code="RESOURCE_DOES_NOT_EXIST")
    refused(lambda: client.rename_registered_model(FULL, f"{PREFIX}_moved"), "schema")


@step
def versions_and_models_are_deleted():
    client.delete_model_version(f"{PREFIX}_renamed", "1")
    refused(lambda: client.get_model_version(f"{PREFIX}_renamed", "1"), code="RESOURCE_DOES_NOT_EXIST")
    client.delete_registered_model(f"{PREFIX}_renamed")
    loads(f"models:/{PREFIX}_back/1")
    version = mlflow.register_model(f"models:/{state['model']}", FULL)
    client.delete_logged_model(state["model"])
    loads(f"models:/{FULL}/{version.version}")
    client.delete_registered_model(FULL)
    refused(lambda: client.get_registered_model(FULL), code="RESOURCE_DOES_NOT_EXIST")


def main() -> int:
    failed = 0
    for function in steps:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                function()
        except BaseException:  # every step is told of, whatever it raises
            traceback.print_exc()
            failed += 1
            print("failed", function.__name__, flush=True)
        else:
            print("ok", function.__name__, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
