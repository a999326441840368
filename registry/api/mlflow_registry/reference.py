"""What this dialect's calls take and answer, for the OpenAPI document. Tests hold real answers against it."""

from registry.api.openapi.dialects import Call, Dialect
from registry.api.openapi.shapes import (
    ANYTHING,
    BYTES,
    EMPTY,
    KEY_AND_VALUE,
    MILLIS,
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

_MODEL_NAME = noted(TEXT, "catalog.schema.model, or a bare name in the default schema.", examples=["iris"])
MODEL_VERSION = Named(
    "MlflowModelVersion",
    fields(
        {
            "name": TEXT,
            "version": TEXT,
            "creation_timestamp": MILLIS,
            "last_updated_timestamp": MILLIS,
            "user_id": TEXT,
            "current_stage": choice("None"),
            "description": TEXT,
            "source": TEXT,
            "run_id": TEXT,
            "status": choice(*VersionStatus.values),
            "status_message": TEXT,
            "tags": listed(KEY_AND_VALUE),
            "run_link": TEXT,
            "aliases": listed(TEXT),
            "model_id": TEXT,
            "model_params": listed(ANYTHING),
            "model_metrics": listed(ANYTHING),
        }
    ),
)
MODEL = Named(
    "MlflowRegisteredModel",
    fields(
        {
            "name": TEXT,
            "creation_timestamp": MILLIS,
            "last_updated_timestamp": MILLIS,
            "user_id": TEXT,
            "description": TEXT,
            "latest_versions": listed(MODEL_VERSION),
            "tags": listed(KEY_AND_VALUE),
            "aliases": listed(fields({"alias": TEXT, "version": TEXT})),
            "deployment_job_id": TEXT,
        }
    ),
)
_ONE_MODEL = fields({"registered_model": MODEL})
_ONE_VERSION = fields({"model_version": MODEL_VERSION})
_NAME: dict[str, Schema] = {"name": _MODEL_NAME}
_OF_VERSION: dict[str, Schema] = {"name": _MODEL_NAME, "version": VERSION}
_KEY: dict[str, Schema] = {"key": TEXT}
_ALIAS: dict[str, Schema] = {"alias": TEXT}
_SEARCH: dict[str, Schema] = {
    "filter": noted(TEXT, "Comparisons joined by AND.", examples=["name LIKE 'prod.%' AND tags.team = 'risk'"]),
    "order_by": listed(noted(TEXT, "A column, with ASC or DESC.", examples=["name ASC"])),
    **PAGE,
}
_LATEST = fields({"model_versions": listed(MODEL_VERSION)})
_STAGES: dict[str, Schema] = {"stages": noted(listed(TEXT), "Only None: there are aliases in place of stages.")}

_MODELS = "/api/2.0/mlflow/registered-models"
_VERSIONS = "/api/2.0/mlflow/model-versions"

DIALECT = Dialect(
    slug="mlflow",
    title="MLflow registry: plain http",
    text="Models and versions as MLflow's own UI calls them, and clients with MLFLOW_REGISTRY_URI=http….",
    spellings=(
        ("/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/"),
        ("/api/2.0/mlflow/", "/mlflow/api/2.0/mlflow/"),
        ("/api/2.0/mlflow/", "/mlflow/ajax-api/2.0/mlflow/"),
        ("/model-versions/", "/mlflow/model-versions/"),
    ),
    paths={
        f"{_MODELS}/create": {
            "POST": Call(
                "create_model",
                _ONE_MODEL,
                body=fields(_NAME, description=TEXT, tags=TAGS_GIVEN, deployment_job_id=TEXT),
            )
        },
        f"{_MODELS}/get": {"GET": Call("get_model", _ONE_MODEL, query=_NAME, needs=("name",))},
        f"{_MODELS}/rename": {
            "POST": Call("rename_model", _ONE_MODEL, body=fields({**_NAME, "new_name": _MODEL_NAME}))
        },
        f"{_MODELS}/update": {
            "PATCH": Call("update_model", _ONE_MODEL, body=fields(_NAME, description=TEXT, deployment_job_id=TEXT))
        },
        f"{_MODELS}/delete": {"DELETE": Call("delete_model", EMPTY, body=fields(_NAME))},
        f"{_MODELS}/search": {"GET": Call("search_models", page_of("registered_models", MODEL), query=_SEARCH)},
        f"{_MODELS}/get-latest-versions": {
            "GET": Call("latest_versions", _LATEST, query=_NAME | _STAGES, needs=("name",)),
            "POST": Call("latest_versions_by_body", _LATEST, body=fields(_NAME, **_STAGES)),
        },
        f"{_MODELS}/set-tag": {"POST": Call("set_model_tag", EMPTY, body=fields(_NAME | _KEY, value=TEXT))},
        f"{_MODELS}/delete-tag": {"DELETE": Call("delete_model_tag", EMPTY, body=fields(_NAME | _KEY))},
        f"{_MODELS}/alias": {
            "GET": Call("get_version_by_alias", _ONE_VERSION, query=_NAME | _ALIAS, needs=("name", "alias")),
            "POST": Call("set_alias", EMPTY, body=fields(_OF_VERSION | _ALIAS)),
            "DELETE": Call("delete_alias", EMPTY, body=fields(_NAME | _ALIAS)),
        },
        f"{_VERSIONS}/create": {
            "POST": Call(
                "create_version",
                _ONE_VERSION,
                body=fields(_NAME, source=TEXT, run_id=TEXT, model_id=TEXT, description=TEXT, tags=TAGS_GIVEN),
            )
        },
        f"{_VERSIONS}/get": {"GET": Call("get_version", _ONE_VERSION, query=_OF_VERSION, needs=("name", "version"))},
        f"{_VERSIONS}/update": {
            "PATCH": Call("update_version", _ONE_VERSION, body=fields(_OF_VERSION, description=TEXT))
        },
        f"{_VERSIONS}/delete": {"DELETE": Call("delete_version", EMPTY, body=fields(_OF_VERSION))},
        f"{_VERSIONS}/search": {
            "GET": Call("search_versions", page_of("model_versions", MODEL_VERSION), query=_SEARCH)
        },
        f"{_VERSIONS}/get-download-uri": {
            "GET": Call(
                "download_uri",
                fields({"artifact_uri": TEXT}),
                query=_OF_VERSION,
                needs=("name", "version"),
                errors=(501,),
            )
        },
        f"{_VERSIONS}/transition-stage": {
            "POST": Call("transition_stage", EMPTY, body=fields(_OF_VERSION, stage=TEXT))
        },
        f"{_VERSIONS}/set-tag": {"POST": Call("set_version_tag", EMPTY, body=fields(_OF_VERSION | _KEY, value=TEXT))},
        f"{_VERSIONS}/delete-tag": {"DELETE": Call("delete_version_tag", EMPTY, body=fields(_OF_VERSION | _KEY))},
        "/model-versions/get-artifact": {
            "GET": Call(
                "get_artifact",
                BYTES,
                query={**_OF_VERSION, "path": TEXT},
                needs=("name", "version", "path"),
                answer_type="application/octet-stream",
            )
        },
    },
)
