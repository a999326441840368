"""Notification destinations as databricks-sdk knows them."""
