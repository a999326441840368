"""Alerts as databricks-sdk's alerts_v2 calls them."""
