"""The registry lifecycle as a data scientist types it. Runs in a process of its own with nothing but stock mlflow.

Usage: python lifecycle.py SCHEMA. Prints one line a step: `ok NAME` or `failed NAME`, with the traceback before it.
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
from sklearn.ensemble import RandomForestClassifier

SCHEMA = sys.argv[1]
NAME = f"{SCHEMA}.iris"
DATABRICKS = os.environ["MLFLOW_TRACKING_URI"] == "databricks"
# With an http tracking URI this client's default format refuses forests; the choice is the client's own.
FORMAT = {} if DATABRICKS else {"serialization_format": "cloudpickle"}
# Named requirements need not be found out: for that the client loads each model in a process more, most of the time
# of a walk. The autologged run shows it once.
LOGGED = {**FORMAT, "pip_requirements": [f"scikit-learn=={sklearn.__version__}"]}
X = pd.DataFrame(np.random.default_rng(7).normal(size=(60, 4)), columns=["a", "b", "c", "d"])
Y = (X["a"] > 0).astype(int)
client = MlflowClient()
state: dict[str, str] = {}
steps = []


def step(function):
    steps.append(function)
    return function


def fitted():
    return RandomForestClassifier(n_estimators=7, max_depth=3, random_state=1).fit(X, Y)


def refused(call, *words):
    error = None
    try:
        call()
    except MlflowException as raised:
        error = str(raised)
    assert error is not None, "was not refused"
    for word in words:
        assert word in error, error


@step
def an_experiment_is_made():
    mlflow.set_experiment(f"/Shared/{SCHEMA}")


@step
def an_autologged_run_is_registered():
    mlflow.sklearn.autolog(log_input_examples=True, **FORMAT)
    with mlflow.start_run() as run:
        fitted()
        mlflow.log_metric("acc", 0.9)
    mlflow.sklearn.autolog(disable=True)
    state["run"] = run.info.run_id
    version = mlflow.register_model(f"runs:/{run.info.run_id}/model", NAME)
    assert (version.name, str(version.version)) == (NAME, "1"), version
    found = client.get_model_version(NAME, "1")
    assert found.status == "READY", found
    assert found.run_id == run.info.run_id, found


@step
def log_model_registers_under_a_name():
    with mlflow.start_run():
        info = mlflow.sklearn.log_model(
            fitted(), name="forest", input_example=X.head(3), registered_model_name=NAME, **LOGGED
        )
    state["logged_model"] = info.model_id
    assert str(info.registered_model_version) == "2", info.registered_model_version


@step
def a_logged_model_is_a_source():
    version = mlflow.register_model(f"models:/{state['logged_model']}", NAME, tags={"origin": "logged"})
    assert str(version.version) == "3"
    assert client.get_model_version(NAME, "3").tags == {"origin": "logged"}


@step
def a_model_without_signature_is_refused():
    with mlflow.start_run():
        info = mlflow.sklearn.log_model(fitted(), name="unsigned", **LOGGED)
    refused(lambda: mlflow.register_model(info.model_uri, f"{SCHEMA}.unsigned"), "signature")


@step
def an_alias_is_made_moved_resolved_and_deleted():
    client.set_registered_model_alias(NAME, "Champion", 1)
    assert str(client.get_model_version_by_alias(NAME, "Champion").version) == "1"
    client.set_registered_model_alias(NAME, "Champion", 2)
    assert str(client.get_model_version_by_alias(NAME, "Champion").version) == "2"
    assert client.get_registered_model(NAME).aliases == {"Champion": "2"}
    client.set_registered_model_alias(NAME, "Challenger", 1)
    client.delete_registered_model_alias(NAME, "Challenger")
    refused(lambda: client.get_model_version_by_alias(NAME, "Challenger"), "does not exist")


@step
def bad_aliases_are_refused():
    refused(lambda: client.set_registered_model_alias(NAME, "latest", 1), "latest")
    refused(lambda: client.set_registered_model_alias(NAME, "v7", 1), "version")
    for number in range(9):
        client.set_registered_model_alias(NAME, f"a{number}", 1)
    refused(lambda: client.set_registered_model_alias(NAME, "eleventh", 1), "10 aliases")
    for number in range(9):
        client.delete_registered_model_alias(NAME, f"a{number}")


@step
def models_load_by_number_alias_and_flavor():
    expected = fitted().predict(X)
    for uri in (f"models:/{NAME}/1", f"models:/{NAME}@Champion"):
        assert (mlflow.pyfunc.load_model(uri).predict(X) == expected).all(), uri
    assert (mlflow.sklearn.load_model(f"models:/{NAME}/2").predict(X) == expected).all()


@step
def artifacts_download_as_directory_and_as_file():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(mlflow.artifacts.download_artifacts(f"models:/{NAME}@Champion", dst_path=folder))
        assert (path / "MLmodel").is_file()
        assert (path / "requirements.txt").is_file()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(mlflow.artifacts.download_artifacts(f"models:/{NAME}/1/MLmodel", dst_path=folder))
        assert "flavors" in path.read_text()


@step
def tags_and_descriptions():
    client.set_registered_model_tag(NAME, "task", "classification")
    client.set_model_version_tag(NAME, "1", "validation_status", "pending")
    client.set_model_version_tag(NAME, "1", "validation_status", "approved")
    client.update_registered_model(NAME, description="Irises, *three* kinds")
    client.update_model_version(NAME, "1", description="The first")
    model, version = client.get_registered_model(NAME), client.get_model_version(NAME, "1")
    assert model.tags == {"task": "classification"}, model.tags
    assert model.description == "Irises, *three* kinds"
    assert version.tags == {"validation_status": "approved"}, version.tags
    assert version.description == "The first"
    client.delete_registered_model_tag(NAME, "task")
    client.delete_model_version_tag(NAME, "1", "validation_status")
    assert client.get_registered_model(NAME).tags == {}
    assert client.get_model_version(NAME, "1").tags == {}


@step
def a_forbidden_tag_key_is_refused_by_name():
    refused(lambda: client.set_registered_model_tag(NAME, "cost/center", "1"), "cost/center")


@step
def models_and_versions_are_listed_in_pages():
    for number in range(4):
        client.create_registered_model(f"{SCHEMA}.page{number}")
    names, token = [], None
    while True:
        page = client.search_registered_models(max_results=2, page_token=token)
        names += [model.name for model in page]
        token = page.token
        if not token:
            break
    assert {NAME, *(f"{SCHEMA}.page{number}" for number in range(4))} <= set(names), names
    assert len(names) == len(set(names))
    versions = client.search_model_versions(f"name='{NAME}'")
    assert sorted(int(version.version) for version in versions) == [1, 2, 3]
    assert len(client.search_model_versions(f"name='{SCHEMA}.nothing'")) == 0
    for bad in (f"name LIKE '{NAME}'", "tags.a = 'b'", f"name != '{NAME}'"):
        refused(lambda bad=bad: client.search_model_versions(bad))


@step
def a_missing_model_and_a_short_name_are_told_apart():
    refused(lambda: client.get_registered_model(f"{SCHEMA}.nothing"), "does not exist")
    refused(lambda: client.get_model_version(NAME, "99"), "does not exist")
    refused(lambda: client.create_registered_model("short"))


@step
def a_version_is_copied():
    copy = client.copy_model_version(f"models:/{NAME}/2", f"{SCHEMA}.promoted")
    assert (copy.name, str(copy.version)) == (f"{SCHEMA}.promoted", "1")
    again = client.copy_model_version(f"models:/{NAME}@Champion", f"{SCHEMA}.promoted")
    assert str(again.version) == "2"
    assert (mlflow.pyfunc.load_model(f"models:/{SCHEMA}.promoted/2").predict(X) == fitted().predict(X)).all()


@step
def a_copy_of_a_copy_and_of_a_local_model_works():
    client.copy_model_version(f"models:/{SCHEMA}.promoted/1", f"{SCHEMA}.prod")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model")
        signature = infer_signature(X, fitted().predict(X))
        mlflow.sklearn.save_model(fitted(), path, signature=signature, **LOGGED)
        mlflow.register_model(path, f"{SCHEMA}.local")
    client.copy_model_version(f"models:/{SCHEMA}.local/1", f"{SCHEMA}.local_copy")


@step
def a_model_is_renamed_and_still_loads():
    client.rename_registered_model(f"{SCHEMA}.promoted", f"{SCHEMA}.renamed")
    assert client.get_registered_model(f"{SCHEMA}.renamed").name == f"{SCHEMA}.renamed"
    assert (mlflow.pyfunc.load_model(f"models:/{SCHEMA}.renamed/1").predict(X) == fitted().predict(X)).all()
    refused(lambda: client.get_registered_model(f"{SCHEMA}.promoted"), "does not exist")


@step
def deleting_one_copy_harms_no_other():
    client.delete_model_version(NAME, 2)
    refused(lambda: client.get_model_version(NAME, "2"), "does not exist")
    refused(lambda: client.get_model_version_by_alias(NAME, "Champion"), "does not exist")
    client.delete_registered_model(f"{SCHEMA}.prod")
    assert (mlflow.pyfunc.load_model(f"models:/{SCHEMA}.renamed/2").predict(X) == fitted().predict(X)).all()
    version = mlflow.register_model(f"models:/{state['logged_model']}", NAME)
    assert str(version.version) == "4", "a number is never given again"
    client.delete_registered_model(NAME)
    refused(lambda: client.get_registered_model(NAME), "does not exist")


@step
def run_inputs_become_lineage():
    from mlflow.data.delta_dataset_source import DeltaDatasetSource

    source = DeltaDatasetSource(delta_table_name=f"{SCHEMA}.flowers", delta_table_version="0")
    with mlflow.start_run() as run:
        mlflow.log_input(mlflow.data.from_pandas(X, source=source, name="flowers"), "training")
        mlflow.sklearn.log_model(
            fitted(), name="m", input_example=X.head(2), registered_model_name=f"{SCHEMA}.lineage", **LOGGED
        )
    state["lineage_run"] = run.info.run_id


@step
def a_run_of_another_name_is_found_and_its_params_show():
    with mlflow.start_run():
        mlflow.log_param("depth", 3)
        info = mlflow.sklearn.log_model(fitted(), name="p", input_example=X.head(2), **LOGGED)
    version = mlflow.register_model(info.model_uri, f"{SCHEMA}.params")
    found = client.get_model_version(version.name, version.version)
    assert [(param.key, param.value) for param in found.params] == [("depth", "3")], found.params


@step
def requirements_of_a_logged_model_are_updated():
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(fitted(), name="model", input_example=X.head(2), **LOGGED)
    for uri in (f"runs:/{run.info.run_id}/model", info.model_uri):
        mlflow.models.update_model_requirements(uri, "add", ["tabulate==0.9.0"])
        with tempfile.TemporaryDirectory() as folder:
            files = Path(mlflow.artifacts.download_artifacts(info.model_uri, dst_path=folder))
            assert "tabulate==0.9.0" in (files / "requirements.txt").read_text(), uri
        mlflow.models.update_model_requirements(uri, "remove", ["tabulate"])


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
