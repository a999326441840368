"""The tracking server's calls for the OpenAPI document, from the table of routes that are passed on.

What they take and answer is MLflow's own: https://mlflow.org/docs/latest/rest-api.html. Only what the product itself
answers is described further.
"""

import re

from registry.api.openapi.dialects import Call, Dialect
from registry.api.openapi.shapes import ANYTHING, BYTES, FLAG, TEXT, Named, Schema, choice, fields, listed, noted
from registry.api.tracking.routes import TABLE
from registry.models import ExperimentLevel

_FILE_ROUTES = ("/get-artifact", "get-trace-artifact", "/artifacts/files", "/mlflow-artifacts/artifacts/")
_NOT_OFFERED = ("/v1/traces", "/mpu/", "presigned")
_PAGES = ("/", "/static-files/<path:file_path>")
"""The UI's own page and files: no API."""

_LEVEL = choice(*ExperimentLevel.values)
_ENTRY = fields(
    {
        "display_name": TEXT,
        "all_permissions": listed(fields({"permission_level": _LEVEL, "inherited": FLAG})),
    },
    user_name=TEXT,
    group_name=TEXT,
    service_principal_name=TEXT,
)
PERMISSIONS = Named(
    "ExperimentPermissions",
    fields({"object_id": TEXT, "object_type": choice("mlflowExperiment"), "access_control_list": listed(_ENTRY)}),
)
_GIVEN = fields(
    access_control_list=listed(
        fields({"permission_level": _LEVEL}, user_name=TEXT, group_name=TEXT, service_principal_name=TEXT)
    )
)
_PERMISSIONS = "/api/2.0/permissions/experiments/{experiment_id}"


def _path(template: str) -> str:
    return re.sub(r"<(?:path:)?(\w+)>", r"{\1}", template)


def _name(method: str, path: str) -> str:
    words = re.findall(r"[A-Za-z]+", re.sub(r"^/(?:ajax-)?api/", "", path).replace("-", ""))
    version = {"/api/3.0": ["v3"], "/api/2.0": []}.get(path[:8], [])
    return "_".join([method.lower(), *version, *words]).lower()


def _summary(method: str, path: str) -> str:
    short = re.sub(r"^/api/\d\.\d/(?:mlflow/)?", "", path).strip("/")
    return f"MLflow's {method} {short}"


def _call(method: str, template: str) -> Call:
    path = _path(template)
    is_file = method == "GET" and any(part in template for part in _FILE_ROUTES)
    writes = method in {"POST", "PUT", "PATCH", "DELETE"}
    sends_file = "upload-artifact" in template or (method == "PUT" and "artifacts" in template)
    body = BYTES if sends_file else ANYTHING
    return Call(
        _name(method, path),
        BYTES if is_file else ANYTHING,
        body=body if writes else None,
        body_type="application/octet-stream" if sends_file else "application/json",
        answer_type="application/octet-stream" if is_file else "application/json",
        errors=(501,) if any(part in template for part in _NOT_OFFERED) else (),
        summary=_summary(method, path),
        text="Passed on to the tracking server when the caller has the level that it needs on the experiment.",
        passed_on=True,
    )


def _paths() -> dict[str, dict[str, Call]]:
    found: dict[str, dict[str, Call]] = {
        _PERMISSIONS: {
            "GET": Call("get_experiment_permissions", PERMISSIONS),
            "PATCH": Call("update_experiment_permissions", PERMISSIONS, body=_GIVEN),
            "PUT": Call("replace_experiment_permissions", PERMISSIONS, body=_GIVEN),
        },
        f"{_PERMISSIONS}/permissionLevels": {
            "GET": Call(
                "experiment_permission_levels",
                fields({"permission_levels": listed(fields({"permission_level": _LEVEL, "description": TEXT}))}),
            )
        },
    }
    for method, template in TABLE:
        if template not in _PAGES:
            found.setdefault(_path(template), {})[method] = _call(method, template)
    return found


_PARTS: dict[str, Schema] = {
    "experiment_id": noted(TEXT, "The experiment's id.", examples=["0"]),
    "artifact_path": noted(TEXT, "The path; its slashes stand as they are.", examples=["1/x/artifacts/model"]),
}

DIALECT = Dialect(
    slug="tracking",
    title="MLflow tracking",
    text="Experiments, runs, logged models, traces and files: MLflow's own REST API behind experiment permissions.",
    parts=_PARTS,
    spellings=(
        ("/api/2.0/mlflow", "/ajax-api/2.0/mlflow"),
        ("/api/2.0/mlflow", "/mlflow/api/2.0/mlflow"),
        ("/api/2.0/mlflow", "/mlflow/ajax-api/2.0/mlflow"),
        ("/api/3.0/mlflow", "/ajax-api/3.0/mlflow"),
        ("/api/3.0/mlflow", "/mlflow/api/3.0/mlflow"),
        ("/api/3.0/mlflow", "/mlflow/ajax-api/3.0/mlflow"),
        ("/graphql", "/mlflow/graphql"),
        ("/version", "/mlflow/version"),
        ("/health", "/mlflow/health"),
        ("/get-artifact", "/mlflow/get-artifact"),
        ("/v1/traces", "/mlflow/v1/traces"),
    ),
    paths=_paths(),
)
