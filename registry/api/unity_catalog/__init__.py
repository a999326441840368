"""The Unity Catalog REST protocol: /api/2.1/unity-catalog/..., spoken by databricks-sdk and by mlflow's native client."""
