"""The lifecycle over the registry of open-source Unity Catalog. Runs in a process of its own with stock mlflow alone.

Usage: python uc_oss.py SCHEMA. Prints a line a step: `ok NAME`, or `failed NAME` behind the traceback.
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
import requests
import sklearn
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

SCHEMA = sys.argv[1]
NAME = f"{SCHEMA}.iris"
HOST = os.environ["DATABRICKS_HOST"]
TOKEN = os.environ["MLFLOW_UC_OSS_TOKEN"]
API = f"{HOST}/api/2.1/unity-catalog"
X = pd.DataFrame(np.random.default_rng(7).normal(size=(60, 4)), columns=["a", "b", "c", "d"])
Y = (X["a"] > 0).astype(int)

# Named requirements need not be found out: for that the client loads each model in a process more.
LOGGED = {"serialization_format": "cloudpickle", "pip_requirements": [f"scikit-learn=={sklearn.__version__}"]}
mlflow.set_registry_uri(f"uc:{HOST}")
client = MlflowClient()
steps = []


def step(function):
    steps.append(function)
    return function


def fitted(seed=1):
    return LogisticRegression(C=seed).fit(X, Y)


def refused(call, *words):
    error = None
    try:
        call()
    except MlflowException as raised:
        error = str(raised)
    assert error is not None, "was not refused"
    for word in words:
        assert word in error, error


def saved(folder, *, signature=True, artifacts=None):
    """A model as a folder; with `artifacts`, a pyfunc that carries files."""
    path = str(Path(folder) / "model")
    described = infer_signature(X, fitted().predict(X)) if signature else None
    if artifacts is None:
        mlflow.sklearn.save_model(fitted(), path, signature=described, **LOGGED)
    else:
        carried = {"artifacts": artifacts, "pip_requirements": ["mlflow"]}
        mlflow.pyfunc.save_model(path, python_model=Carrier(), signature=described, **carried)
    return path


class Carrier(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input):
        return [0] * len(model_input)


@step
def an_experiment_is_made():
    mlflow.set_experiment(f"/Shared/{SCHEMA}")


@step
def a_model_is_registered_at_log_time():
    with mlflow.start_run():
        mlflow.sklearn.log_model(fitted(), name="m", input_example=X.head(3), registered_model_name=NAME, **LOGGED)
    found = client.get_model_version(NAME, "1")
    assert (found.status, found.version) == ("READY", 1), found
    assert found.source.startswith("models:/m-"), found


@step
def a_folder_becomes_a_version():
    with tempfile.TemporaryDirectory() as folder:
        version = mlflow.register_model(saved(folder), NAME)
    assert str(version.version) == "2", version


@step
def the_location_is_never_this_machines_disk():
    uri = client.get_model_version_download_uri(NAME, "1")
    assert uri.startswith("s3://modelkeep/"), uri


@step
def versions_load_by_number():
    for version in (1, 2):
        loaded = mlflow.pyfunc.load_model(f"models:/{NAME}/{version}")
        assert (np.asarray(loaded.predict(X)) == fitted().predict(X)).all()


@step
def files_are_listed_and_fetched():
    from mlflow.artifacts import download_artifacts, list_artifacts

    names = {entry.path for entry in list_artifacts(artifact_uri=f"models:/{NAME}/1")}
    assert {"MLmodel", "requirements.txt"} <= names, names
    with tempfile.TemporaryDirectory() as folder:
        path = download_artifacts(artifact_uri=f"models:/{NAME}/1/MLmodel", dst_path=folder)
        assert "signature" in Path(path).read_text()


@step
def a_large_file_goes_in_parts_and_comes_back_whole():
    with tempfile.TemporaryDirectory() as folder:
        big = Path(folder) / "weights.bin"
        content = np.random.default_rng(1).bytes(23 * 1024**2)
        big.write_bytes(content)
        mlflow.register_model(saved(folder, artifacts={"weights": str(big)}), f"{SCHEMA}.big")
    from mlflow.artifacts import download_artifacts

    with tempfile.TemporaryDirectory() as folder:
        path = download_artifacts(artifact_uri=f"models:/{SCHEMA}.big/1", dst_path=folder)
        found = list(Path(path).rglob("weights.bin"))
        assert len(found) == 1
        assert found[0].read_bytes() == content


@step
def a_model_without_signature_is_refused_and_says_why():
    with tempfile.TemporaryDirectory() as folder:
        path = saved(folder, signature=False)
        refused(lambda: mlflow.register_model(path, f"{SCHEMA}.unsigned"), "signature")
    assert client.get_model_version(f"{SCHEMA}.unsigned", "1").status == "FAILED_REGISTRATION"


@step
def descriptions_change():
    client.update_registered_model(NAME, description="flowers")
    client.update_model_version(NAME, "1", description="the first")
    assert client.get_registered_model(NAME).description == "flowers"
    assert client.get_model_version(NAME, "1").description == "the first"


@step
def models_and_versions_are_listed_page_by_page():
    assert {int(one.version) for one in client.search_model_versions(f"name = '{NAME}'")} == {1, 2}
    names, token = set(), None
    while True:
        page = client.search_registered_models(max_results=1, page_token=token)
        names |= {model.name for model in page}
        token = page.token
        if not token:
            break
    assert {NAME, f"{SCHEMA}.big"} <= names, names


@step
def a_version_is_copied():
    copied = client.copy_model_version(f"models:/{NAME}/1", f"{SCHEMA}.prod")
    assert str(copied.version) == "1", copied
    loaded = mlflow.pyfunc.load_model(f"models:/{SCHEMA}.prod/1")
    assert (np.asarray(loaded.predict(X)) == fitted().predict(X)).all()


@step
def a_new_name_leaves_the_files_where_they_are():
    headers = {"Authorization": f"Bearer {TOKEN}"}
    before = client.get_model_version_download_uri(f"{SCHEMA}.prod", "1")
    answer = requests.patch(f"{API}/models/{SCHEMA}.prod", json={"new_name": "live"}, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    assert client.get_model_version_download_uri(f"{SCHEMA}.live", "1") == before
    mlflow.pyfunc.load_model(f"models:/{SCHEMA}.live/1")


@step
def versions_and_models_are_deleted():
    client.delete_model_version(NAME, "2")
    refused(lambda: client.get_model_version(NAME, "2"), "does not exist")
    client.delete_registered_model(NAME)
    refused(lambda: client.get_registered_model(NAME), "does not exist")
    mlflow.pyfunc.load_model(f"models:/{SCHEMA}.live/1")


@step
def a_wrong_token_is_refused():
    right, os.environ["MLFLOW_UC_OSS_TOKEN"] = os.environ["MLFLOW_UC_OSS_TOKEN"], "mkwrong"
    try:
        refused(lambda: MlflowClient().get_registered_model(f"{SCHEMA}.live"), "token is not valid")
    finally:
        os.environ["MLFLOW_UC_OSS_TOKEN"] = right


def main():
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
