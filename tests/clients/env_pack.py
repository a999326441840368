"""Registration with a packed environment, as a data scientist types it. Usage: python env_pack.py SCHEMA."""

import sys

import mlflow
import mlflow.sklearn
import pandas as pd
from mlflow import MlflowClient
from sklearn.linear_model import LogisticRegression

NAME = f"{sys.argv[1]}.packed"
X = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0]})
mlflow.set_experiment(f"/Shared/{sys.argv[1]}")
with mlflow.start_run():
    info = mlflow.sklearn.log_model(
        LogisticRegression().fit(X, [0, 0, 1, 1]),
        name="model",
        input_example=X,
        pip_requirements=["mlflow-skinny==3.17.2", "scikit-learn"],
    )
before = sorted(mlflow.artifacts.list_artifacts(info.model_uri), key=lambda file: file.path)

# The shorthand: MLflow makes of it EnvPackConfig("databricks_model_serving", install_dependencies=True).
mlflow.register_model(info.model_uri, NAME, env_pack="databricks_model_serving")
print("ok packed")

after = sorted(mlflow.artifacts.list_artifacts(info.model_uri), key=lambda file: file.path)
assert [file.path for file in before] == [file.path for file in after]
assert (mlflow.pyfunc.load_model(info.model_uri).predict(X) == [0, 0, 1, 1]).all()
print("ok source intact")
assert (mlflow.pyfunc.load_model(f"models:/{NAME}/1").predict(X) == [0, 0, 1, 1]).all()
assert MlflowClient().get_model_version(NAME, "1").status == "READY"
print("ok loads")
