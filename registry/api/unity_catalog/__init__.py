"""The Unity Catalog REST protocol, /api/2.1/unity-catalog/...: databricks-sdk and mlflow's native client speak it."""
