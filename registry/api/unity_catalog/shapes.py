"""How securables look in this dialect: comments, created_at as a number, one name part a field."""

from datetime import datetime
from typing import Any
from uuid import UUID

from registry.models import ModelVersion, RegisteredModel, Securable, Table
from registry.services.model_rows import related_rows
from registry.services.temporary_credentials import TemporaryCredentials
from registry.services.version_locations import model_location, version_location


def millis(moment: datetime | None) -> int | None:
    """Epoch milliseconds."""
    return int(moment.timestamp() * 1000) if moment else None


def _history(row: Any) -> dict[str, Any]:
    return {
        "created_at": millis(row.created_at),
        "created_by": row.created_by.name if row.created_by else None,
        "updated_at": millis(row.updated_at),
        "updated_by": row.updated_by.name if row.updated_by else None,
    }


def tags(row: Any) -> list[dict[str, str]]:
    """Tags as a list of keys and values."""
    return [{"key": tag.key, "value": tag.value} for tag in related_rows(row, "tags")]


def metastore(securable: Securable) -> dict[str, Any]:
    """The metastore's summary."""
    return {
        "metastore_id": str(securable.pk),
        "name": securable.name,
        "owner": securable.owner.name,
        "cloud": "aws",
        "region": "local",
        "global_metastore_id": f"aws:local:{securable.pk}",
        "privilege_model_version": "1.0",
        "delta_sharing_scope": "INTERNAL",
        **{key: value for key, value in _history(securable).items() if key.endswith("_at")},
    }


def catalog(securable: Securable) -> dict[str, Any]:
    """A catalog."""
    return {
        "name": securable.name,
        "full_name": securable.name,
        "id": str(securable.pk),
        "catalog_type": "MANAGED_CATALOG",
        "securable_type": "CATALOG",
        "comment": securable.comment,
        "properties": securable.properties,
        "owner": securable.owner.name,
        # There is one workspace, so every catalog is open to all of them.
        "isolation_mode": "OPEN",
        "metastore_id": str(securable.parent_id),
        **_history(securable),
    }


def schema(securable: Securable) -> dict[str, Any]:
    """A schema. Reads the parent: select it with the row."""
    parent = securable.parent
    return {
        "name": securable.name,
        "catalog_name": parent.name if parent else "",
        "full_name": securable.full_name,
        "schema_id": str(securable.pk),
        "securable_type": "SCHEMA",
        "catalog_type": "MANAGED_CATALOG",
        "comment": securable.comment,
        "properties": securable.properties,
        "owner": securable.owner.name,
        "metastore_id": str(parent.parent_id) if parent else None,
        **_history(securable),
    }


def shown(body: dict[str, Any], securable: Securable, browse_only: set[UUID]) -> dict[str, Any]:
    """The same with `browse_only`, for a caller who asked which objects it may look at and not use."""
    return {**body, "browse_only": securable.pk in browse_only}


def _metastore_id(securable: Securable) -> str | None:
    """The id of the metastore above a model or table. Reads the parents: select them with the row."""
    schema = securable.parent
    catalog = schema.parent if schema else None
    return str(catalog.parent_id) if catalog else None


def _place(securable: Securable) -> dict[str, str]:
    catalog_name, schema_name, _ = securable.full_name.split(".")
    return {"catalog_name": catalog_name, "schema_name": schema_name}


def table(row: Table) -> dict[str, Any]:
    """A table with its columns."""
    securable = row.securable
    return {
        "name": securable.name,
        **_place(securable),
        "full_name": securable.full_name,
        "table_id": str(securable.pk),
        "table_type": row.table_type,
        "data_source_format": row.data_source_format,
        "securable_type": "TABLE",
        "columns": row.columns,
        "storage_location": row.storage_location,
        "comment": securable.comment,
        "properties": securable.properties,
        "owner": securable.owner.name,
        "metastore_id": _metastore_id(securable),
        **_history(securable),
    }


def table_summary(row: Table) -> dict[str, Any]:
    """A table's name and kind."""
    return {"full_name": row.securable.full_name, "table_type": row.table_type}


def registered_model(
    model: RegisteredModel, *, include_aliases: bool = True, browse_only: bool = False
) -> dict[str, Any]:
    """A model; its aliases when asked for."""
    securable = model.securable
    place = _place(securable)
    body = {
        "name": securable.name,
        **place,
        "full_name": securable.full_name,
        "id": str(securable.pk),
        "comment": securable.comment,
        "owner": securable.owner.name,
        "storage_location": model_location(model),
        "tags": tags(securable),
        "deployment_job_id": model.deployment_job_id,
        "metastore_id": _metastore_id(securable),
        "browse_only": browse_only,
        **_history(securable),
    }
    if include_aliases:
        body["aliases"] = [
            {
                "alias_name": alias.name,
                "version_num": alias.version.version,
                "model_name": securable.name,
                "id": str(alias.pk),
                **place,
            }
            for alias in related_rows(model, "aliases")
        ]
    return body


def model_version(version: ModelVersion, *, include_aliases: bool = True) -> dict[str, Any]:
    """A version; its aliases when asked for."""
    securable = version.model.securable
    place = _place(securable)
    body = {
        "version": version.version,
        "id": str(version.pk),
        "model_name": securable.name,
        **place,
        "source": version.source,
        "run_id": version.run_id,
        "run_workspace_id": int(version.run_workspace_id) if version.run_workspace_id.isdigit() else None,
        "status": version.status,
        "status_message": version.status_message,
        "comment": version.comment,
        "storage_location": version_location(version),
        "tags": tags(version),
        "model_id": version.logged_model_id,
        "model_params": version.params,
        "model_metrics": version.metrics,
        "metastore_id": _metastore_id(securable),
        "model_version_dependencies": {"dependencies": version.dependencies},
        **_history(version),
    }
    if include_aliases:
        body["aliases"] = [
            {
                "alias_name": alias.name,
                "version_num": version.version,
                "model_name": securable.name,
                "id": str(alias.pk),
                **place,
            }
            for alias in related_rows(version, "aliases")
        ]
    return body


def temporary_credentials(credentials: TemporaryCredentials) -> dict[str, Any]:
    """Credentials for the S3 door, for clients that move files with an object-store library.

    The storage mode tells those that know it that the Files API and signed links serve them without any.
    """
    return {
        "expiration_time": millis(credentials.expires_at),
        "storage_mode": "DEFAULT_STORAGE",
        "aws_temp_credentials": {
            "access_key_id": credentials.access_key_id,
            "secret_access_key": credentials.secret_access_key,
            "session_token": credentials.session_token,
        },
    }
