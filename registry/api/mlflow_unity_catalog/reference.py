"""What this dialect's calls take and answer, for the OpenAPI document. Tests hold real answers against it."""

from registry.api.openapi.dialects import Call, Dialect
from registry.api.openapi.shapes import (
    ANYTHING,
    AWS_CREDENTIALS,
    EMPTY,
    FLAG,
    FULL_NAME,
    KEY_AND_VALUE,
    MILLIS_TEXT,
    PAGE,
    TAGS_GIVEN,
    TEXT,
    VERSION,
    Named,
    Schema,
    choice,
    fields,
    listed,
    noted,
    page_of,
)
from registry.models import VersionStatus

_ALIASES = listed(fields({"alias": TEXT, "version": TEXT}))
MODEL = Named(
    "UcRegisteredModel",
    fields(
        {
            "name": FULL_NAME,
            "creation_timestamp": MILLIS_TEXT,
            "last_updated_timestamp": MILLIS_TEXT,
            "user_id": TEXT,
            "description": TEXT,
            "aliases": _ALIASES,
            "tags": listed(KEY_AND_VALUE),
            "deployment_job_id": TEXT,
            "deployment_job_state": choice("CONNECTED", "NOT_SET_UP"),
        }
    ),
)
MODEL_VERSION = Named(
    "UcModelVersion",
    fields(
        {
            "name": FULL_NAME,
            "version": TEXT,
            "creation_timestamp": MILLIS_TEXT,
            "last_updated_timestamp": MILLIS_TEXT,
            "user_id": TEXT,
            "description": TEXT,
            "source": TEXT,
            "run_id": TEXT,
            "run_experiment_id": TEXT,
            "run_tracking_server_id": TEXT,
            "status": choice(*VersionStatus.values),
            "status_message": TEXT,
            "storage_location": TEXT,
            "aliases": _ALIASES,
            "tags": listed(KEY_AND_VALUE),
            "model_id": TEXT,
            "model_params": listed(ANYTHING),
            "model_metrics": listed(ANYTHING),
            "model_version_dependencies": listed(ANYTHING),
        }
    ),
)
_ONE_MODEL = fields({"registered_model": MODEL})
_ONE_VERSION = fields({"model_version": MODEL_VERSION})
_NAME: dict[str, Schema] = {"name": FULL_NAME}
_OF_VERSION: dict[str, Schema] = {"name": FULL_NAME, "version": VERSION}
_KEY: dict[str, Schema] = {"key": TEXT}
_ALIAS: dict[str, Schema] = {"alias": TEXT}

_MODELS = "/api/2.0/mlflow/unity-catalog/registered-models"
_VERSIONS = "/api/2.0/mlflow/unity-catalog/model-versions"

DIALECT = Dialect(
    slug="mlflow_uc",
    title="MLflow registry: databricks-uc",
    text="Models and versions as MLflow's client calls them with MLFLOW_REGISTRY_URI=databricks-uc.",
    paths={
        f"{_MODELS}/create": {
            "POST": Call(
                "create_model",
                _ONE_MODEL,
                body=fields(_NAME, description=TEXT, tags=TAGS_GIVEN, deployment_job_id=TEXT),
            )
        },
        f"{_MODELS}/get": {"GET": Call("get_model", _ONE_MODEL, query=_NAME, needs=("name",))},
        f"{_MODELS}/update": {
            "PATCH": Call(
                "update_model",
                _ONE_MODEL,
                body=fields(_NAME, new_name=TEXT, description=TEXT, deployment_job_id=TEXT),
            )
        },
        f"{_MODELS}/delete": {"DELETE": Call("delete_model", EMPTY, body=fields(_NAME))},
        f"{_MODELS}/search": {"GET": Call("search_models", page_of("registered_models", MODEL), query=PAGE)},
        f"{_MODELS}/set-tag": {"POST": Call("set_model_tag", EMPTY, body=fields(_NAME | _KEY, value=TEXT))},
        f"{_MODELS}/delete-tag": {"DELETE": Call("delete_model_tag", EMPTY, body=fields(_NAME | _KEY))},
        f"{_MODELS}/alias": {
            "GET": Call("get_version_by_alias", _ONE_VERSION, query=_NAME | _ALIAS, needs=("name", "alias")),
            "POST": Call("set_alias", EMPTY, body=fields(_OF_VERSION | _ALIAS)),
            "DELETE": Call("delete_alias", EMPTY, body=fields(_NAME | _ALIAS)),
        },
        f"{_MODELS}:is-databricks-sdk-models-artifact-repository-enabled": {
            "GET": Call("streams_files", fields({"is_databricks_sdk_models_artifact_repository_enabled": FLAG}))
        },
        f"{_VERSIONS}/create": {
            "POST": Call(
                "create_version",
                _ONE_VERSION,
                headers={"X-Databricks-Lineage-Identifier": noted(TEXT, "The notebook or job that registers it.")},
                body=fields(
                    _NAME,
                    source=TEXT,
                    run_id=TEXT,
                    run_tracking_server_id=TEXT,
                    model_id=TEXT,
                    description=TEXT,
                    tags=TAGS_GIVEN,
                    model_version_dependencies=listed(ANYTHING),
                    feature_deps=TEXT,
                ),
            )
        },
        f"{_VERSIONS}/finalize": {"POST": Call("finalize_version", _ONE_VERSION, body=fields(_OF_VERSION))},
        f"{_VERSIONS}/get": {"GET": Call("get_version", _ONE_VERSION, query=_OF_VERSION, needs=("name", "version"))},
        f"{_VERSIONS}/update": {
            "PATCH": Call("update_version", _ONE_VERSION, body=fields(_OF_VERSION, description=TEXT))
        },
        f"{_VERSIONS}/delete": {"DELETE": Call("delete_version", EMPTY, body=fields(_OF_VERSION))},
        f"{_VERSIONS}/search": {
            "GET": Call(
                "search_versions",
                page_of("model_versions", MODEL_VERSION),
                query={"filter": noted(TEXT, "name = 'catalog.schema.model'", examples=["name='a.b.c'"]), **PAGE},
                needs=("filter",),
            )
        },
        f"{_VERSIONS}/set-tag": {"POST": Call("set_version_tag", EMPTY, body=fields(_OF_VERSION | _KEY, value=TEXT))},
        f"{_VERSIONS}/delete-tag": {"DELETE": Call("delete_version_tag", EMPTY, body=fields(_OF_VERSION | _KEY))},
        f"{_VERSIONS}/generate-temporary-credentials": {
            "POST": Call(
                "version_credentials",
                fields(
                    {
                        "credentials": fields(
                            {
                                "expiration_time": MILLIS_TEXT,
                                "storage_mode": choice("DEFAULT_STORAGE"),
                                "aws_temp_credentials": AWS_CREDENTIALS,
                            }
                        )
                    }
                ),
                body=fields(
                    {
                        **_OF_VERSION,
                        "operation": choice("MODEL_VERSION_OPERATION_READ", "MODEL_VERSION_OPERATION_READ_WRITE"),
                    }
                ),
            )
        },
        f"{_VERSIONS}/get-download-uri": {
            "GET": Call("download_uri", fields({"artifact_uri": TEXT}), query=_OF_VERSION, needs=("name", "version"))
        },
        f"{_VERSIONS}/emit-lineage": {
            "POST": Call(
                "emit_lineage",
                EMPTY,
                body=fields(_OF_VERSION, model_version_lineage_info=fields(entities=listed(ANYTHING))),
            )
        },
    },
)
