"""Data and model monitoring, built on the registry and on serving."""
