"""How models and versions look to plain MLflow: numbers as numbers, aliases of a version as text, no stages."""

from datetime import datetime
from typing import Any

from registry.api.mlflow_registry.names import Spell
from registry.models import ModelVersion, RegisteredModel
from registry.services.model_rows import related_rows


def _millis(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _tags(row: Any) -> list[dict[str, str]]:
    return [{"key": tag.key, "value": tag.value} for tag in related_rows(row, "tags")]


def registered_model(model: RegisteredModel, latest: ModelVersion | None, spell: Spell) -> dict[str, Any]:
    """A model with its newest version. No query when everything is prefetched."""
    securable = model.securable
    return {
        "name": spell(securable.full_name),
        "creation_timestamp": _millis(securable.created_at),
        "last_updated_timestamp": _millis(securable.updated_at),
        "user_id": securable.owner.name,
        "description": securable.comment,
        "latest_versions": [model_version(latest, spell)] if latest else [],
        "tags": _tags(securable),
        "aliases": [
            {"alias": alias.name, "version": str(alias.version.version)} for alias in related_rows(model, "aliases")
        ],
        "deployment_job_id": model.deployment_job_id,
    }


def model_version(version: ModelVersion, spell: Spell) -> dict[str, Any]:
    """A version. No query when everything is prefetched."""
    return {
        "name": spell(version.model.securable.full_name),
        "version": str(version.version),
        "creation_timestamp": _millis(version.created_at),
        "last_updated_timestamp": _millis(version.updated_at),
        "user_id": version.created_by.name if version.created_by else "",
        "current_stage": "None",
        "description": version.comment,
        "source": version.source,
        "run_id": version.run_id,
        "status": version.status,
        "status_message": version.status_message,
        "tags": _tags(version),
        "run_link": "",
        "aliases": [alias.name for alias in related_rows(version, "aliases")],
        "model_id": version.logged_model_id,
        "model_params": version.params,
        "model_metrics": version.metrics,
    }
