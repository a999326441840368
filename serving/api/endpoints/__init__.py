"""Serving endpoints as databricks-sdk and mlflow.deployments call them, and what no client of theirs knows."""
