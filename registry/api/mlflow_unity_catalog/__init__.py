"""The registry protocol of mlflow's `databricks-uc` client: /api/2.0/mlflow/unity-catalog/..."""
