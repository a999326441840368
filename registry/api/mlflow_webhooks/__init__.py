"""MLflow's webhooks: made, shown, changed, deleted and tried as by MlflowClient."""
