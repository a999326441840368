"""The plain MLflow registry dialect, for its own UI and for plain http clients."""
