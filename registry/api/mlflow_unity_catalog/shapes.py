"""How models and versions look in this dialect: snake case, int64 as text, descriptions."""

from datetime import datetime
from typing import Any

from registry.models import ModelVersion, RegisteredModel
from registry.services.model_rows import related_rows
from registry.services.temporary_credentials import TemporaryCredentials


def millis(moment: datetime | None) -> str:
    """Epoch milliseconds as text, the protocol's int64."""
    return str(int(moment.timestamp() * 1000)) if moment else ""


def _tags(row: Any) -> list[dict[str, str]]:
    return [{"key": tag.key, "value": tag.value} for tag in related_rows(row, "tags")]


def registered_model(model: RegisteredModel) -> dict[str, Any]:
    """A model with its aliases and tags. No query when they are prefetched."""
    securable = model.securable
    return {
        "name": securable.full_name,
        "creation_timestamp": millis(securable.created_at),
        "last_updated_timestamp": millis(securable.updated_at),
        "user_id": securable.owner.name,
        "description": securable.comment,
        "aliases": [
            {"alias": alias.name, "version": str(alias.version.version)} for alias in related_rows(model, "aliases")
        ],
        "tags": _tags(securable),
        "deployment_job_id": model.deployment_job_id,
        "deployment_job_state": "CONNECTED" if model.deployment_job_id else "NOT_SET_UP",
    }


def model_version(version: ModelVersion) -> dict[str, Any]:
    """A version with its aliases and tags. No query when they are prefetched."""
    full_name = version.model.securable.full_name
    return {
        "name": full_name,
        "version": str(version.version),
        "creation_timestamp": millis(version.created_at),
        "last_updated_timestamp": millis(version.updated_at),
        "user_id": version.created_by.name if version.created_by else "",
        "description": version.comment,
        "source": version.source,
        "run_id": version.run_id,
        "run_experiment_id": version.run_experiment_id,
        "run_tracking_server_id": version.run_workspace_id,
        "status": version.status,
        "status_message": version.status_message,
        "storage_location": f"dbfs:/Models/{full_name.replace('.', '/')}/{version.version}",
        "aliases": [
            {"alias": alias.name, "version": str(version.version)} for alias in related_rows(version, "aliases")
        ],
        "tags": _tags(version),
        "model_id": version.logged_model_id,
        "model_params": version.params,
        "model_metrics": version.metrics,
        "model_version_dependencies": version.dependencies,
    }


def temporary_credentials(credentials: TemporaryCredentials) -> dict[str, Any]:
    """Credentials for the S3 door; the storage mode tells stock clients that signed links serve them without any."""
    return {
        "expiration_time": millis(credentials.expires_at),
        "storage_mode": "DEFAULT_STORAGE",
        "aws_temp_credentials": {
            "access_key_id": credentials.access_key_id,
            "secret_access_key": credentials.secret_access_key,
            "session_token": credentials.session_token,
        },
    }
