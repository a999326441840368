"""Model serving, built on the registry."""
