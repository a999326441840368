"""Log a model, register it, call it Champion, and load it back by that name.

Run it in a shell that has what `python3 manage.py client-env` prints, with mlflow, scikit-learn and pandas installed.
"""

import mlflow
from mlflow import MlflowClient
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

NAME = "workspace.default.iris"

features, target = load_iris(as_frame=True, return_X_y=True)
mlflow.set_experiment("/Shared/first")
with mlflow.start_run():
    forest = RandomForestClassifier(max_depth=7).fit(features, target)
    mlflow.sklearn.log_model(forest, name="model", input_example=features.head(3), registered_model_name=NAME)

newest = max(int(version.version) for version in MlflowClient().search_model_versions(f"name='{NAME}'"))
MlflowClient().set_registered_model_alias(NAME, "Champion", newest)
model = mlflow.pyfunc.load_model(f"models:/{NAME}@Champion")
print(model.predict(features.head(3)))
