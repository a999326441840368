"""The call that mlflow makes after a registration with env_pack."""
