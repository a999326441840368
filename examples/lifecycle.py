"""The life of a model by stock clients: trained in dev, validated, promoted to prod, challenged, rolled back, served.

Run it in a shell that has what `python3 manage.py client-env` prints, with mlflow, databricks-sdk, scikit-learn and
pandas installed. Whoever runs it may create catalogs. `--serve` also makes an endpoint, which takes a minute;
`--clean` removes in the end what was made.
"""

import argparse

import mlflow
import pandas as pd
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import NotFound
from databricks.sdk.service.serving import EndpointCoreConfigInput, ServedEntityInput
from mlflow import MlflowClient
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

DEV, PROD = "lifecycle_dev.wine.origin", "lifecycle_prod.wine.origin"
ENDPOINT = "wine-origin"

features, target = load_wine(as_frame=True, return_X_y=True)
known, held_out, known_target, held_out_target = train_test_split(features, target, random_state=0, stratify=target)


def make_places(workspace: WorkspaceClient) -> None:
    """A catalog for each environment; everybody may read what is in production."""
    for full_name in (DEV, PROD):
        catalog, schema, _ = full_name.split(".")
        try:
            workspace.catalogs.get(catalog)
        except NotFound:
            workspace.catalogs.create(catalog, comment="Made by examples/lifecycle.py")
            workspace.schemas.create(schema, catalog)
    api = f"/api/2.1/unity-catalog/permissions/catalog/{catalog}"
    readers = {"principal": "account users", "add": ["USE_CATALOG", "USE_SCHEMA", "EXECUTE", "BROWSE"]}
    workspace.api_client.do("PATCH", api, body={"changes": [readers]})


def train(client: MlflowClient, *, depth: int) -> str:
    """Train, log and register in dev. Returns the number of the new version."""
    with mlflow.start_run(run_name=f"depth {depth}") as run:
        forest = RandomForestClassifier(30, max_depth=depth, random_state=0).fit(known, known_target)
        mlflow.log_params({"depth": depth, "trees": 30})
        mlflow.log_metric("accuracy", forest.score(held_out, held_out_target))
        logged = mlflow.sklearn.log_model(forest, name="model", input_example=known.head(3))
    version = mlflow.register_model(logged.model_uri, DEV, tags={"trained_by": "examples/lifecycle.py"})
    client.update_model_version(DEV, version.version, f"Forest of depth {depth}, run {run.info.run_id}")
    return version.version


def accuracy(uri: str) -> float:
    """How good a version is on data that it has not seen."""
    answers = mlflow.pyfunc.load_model(uri).predict(held_out)
    return float((pd.Series(answers, index=held_out.index) == held_out_target).mean())


def promote(client: MlflowClient, version: str) -> str:
    """Validate a version of dev and copy it to prod as Challenger. Returns its number there."""
    found = accuracy(f"models:/{DEV}/{version}")
    client.set_model_version_tag(DEV, version, "validation_status", "passed" if found > 0.5 else "failed")
    if found <= 0.5:
        raise SystemExit(f"Version {version} is no better than a guess: {found:.0%}")
    copied = client.copy_model_version(f"models:/{DEV}/{version}", PROD)
    client.set_registered_model_alias(PROD, "Challenger", copied.version)
    return copied.version


def serve(workspace: WorkspaceClient) -> None:
    """An endpoint that follows the Champion, wherever the alias goes."""
    champion = ServedEntityInput(
        name="champion",
        entity_name=PROD,
        entity_version="@Champion",
        workload_size="Small",
        scale_to_zero_enabled=True,
    )
    config = EndpointCoreConfigInput(name=ENDPOINT, served_entities=[champion])
    workspace.serving_endpoints.create_and_wait(ENDPOINT, config=config)
    rows = held_out.head(2)
    answer = workspace.serving_endpoints.query(ENDPOINT, dataframe_records=rows.to_dict("records"))
    print("The endpoint answers", answer.predictions)


def main() -> None:
    """Everything in its order; run again, it adds versions."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--serve", action="store_true")
    options.add_argument("--clean", action="store_true")
    given = options.parse_args()
    workspace, client = WorkspaceClient(), MlflowClient()
    make_places(workspace)
    mlflow.set_experiment("/Shared/lifecycle")

    first = promote(client, train(client, depth=1))
    client.set_registered_model_alias(PROD, "Champion", first)
    client.update_registered_model(PROD, "Tells from which of three growers a wine comes.")
    print(f"Champion: version {first}, {accuracy(f'models:/{PROD}@Champion'):.0%} right")

    second = promote(client, train(client, depth=6))
    champion, challenger = accuracy(f"models:/{PROD}@Champion"), accuracy(f"models:/{PROD}@Challenger")
    print(f"Champion {champion:.0%}, Challenger {challenger:.0%}")
    if challenger >= champion:
        client.set_registered_model_alias(PROD, "Champion", second)
        client.delete_registered_model_alias(PROD, "Challenger")
    print("Champion:", client.get_model_version_by_alias(PROD, "Champion").version)

    # Back to what was there before, and forward again: an alias is one call.
    client.set_registered_model_alias(PROD, "Champion", first)
    client.set_registered_model_alias(PROD, "Champion", second)
    print("Aliases:", client.get_registered_model(PROD).aliases)
    for version in client.search_model_versions(f"name = '{PROD}'"):
        print(f"Version {version.version} of run {version.run_id}")

    if given.serve:
        serve(workspace)
    if given.clean:
        if given.serve:
            workspace.serving_endpoints.delete(ENDPOINT)
        for name in (DEV, PROD):
            client.delete_registered_model(name)
            workspace.catalogs.delete(name.split(".")[0], force=True)


if __name__ == "__main__":
    main()
