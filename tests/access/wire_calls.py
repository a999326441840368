"""One request for every action that a dialect offers; some actions have several."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponseBase
from django.test import Client

from registry.privileges import Action, Privilege, SecurableType
from tests.access.cells import Names

MODEL, TABLE = SecurableType.REGISTERED_MODEL, SecurableType.TABLE
SCHEMA, CATALOG, METASTORE = SecurableType.SCHEMA, SecurableType.CATALOG, SecurableType.METASTORE
HEIR = "keeper@example.com"


@dataclass(frozen=True)
class Request:
    """A request without its credential; `{model_full}` and the like in path and body are filled in."""

    method: str
    path: str
    body: dict[str, Any] | bytes | None = None

    def send(self, client: Client, names: Names, token: str | None) -> HttpResponseBase:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        body = self.body if isinstance(self.body, bytes) else _filled(json.dumps(self.body or {}), names)
        data = b"" if self.body is None else body
        return client.generic(
            self.method, _filled(self.path, names), data, content_type="application/json", headers=headers
        )


def _filled(text: str, names: Names) -> str:
    for field in ("catalog", "schema", "model", "table", "schema_full", "model_full", "table_full"):
        text = text.replace(f"<{field}>", getattr(names, field))
    return text


@dataclass(frozen=True)
class Exchange:
    """A request of a dialect, and the action that it asks for."""

    dialect: str
    on: SecurableType
    action: Action
    request: Request

    @property
    def name(self) -> str:
        return f"{self.request.method} {self.request.path}"


def body_of(response: HttpResponseBase) -> bytes:
    return b"".join(response) if response.streaming else response.content  # type: ignore[attr-defined]


def _databricks_uc() -> Iterable[tuple[SecurableType, Action, Request]]:
    prefix = "/api/2.0/mlflow/unity-catalog"
    model, version = {"name": "<model_full>"}, {"name": "<model_full>", "version": "1"}

    def on_model(action: Action, method: str, path: str, body: dict[str, Any] | None = None):
        query = "?name=<model_full>" if method == "GET" else ""
        return MODEL, action, Request(method, f"{prefix}/{path}{query}", None if method == "GET" else body)

    def on_version(action: Action, method: str, path: str, **more: Any):
        query = "?name=<model_full>&version=1" if method == "GET" else ""
        return MODEL, action, Request(method, f"{prefix}/{path}{query}", None if query else {**version, **more})

    fresh = {"name": "<schema_full>.fresh"}
    yield SCHEMA, Action.CREATE_MODEL, Request("POST", f"{prefix}/registered-models/create", fresh)
    yield on_model(Action.READ_MODEL, "GET", "registered-models/get")
    yield on_model(Action.UPDATE_MODEL, "PATCH", "registered-models/update", {**model, "description": "new"})
    yield on_model(Action.RENAME_MODEL, "PATCH", "registered-models/update", {**model, "new_name": "renamed"})
    yield on_model(Action.DELETE_MODEL, "DELETE", "registered-models/delete", model)
    yield on_model(Action.TAG_MODEL, "POST", "registered-models/set-tag", {**model, "key": "team", "value": "x"})
    yield on_model(Action.TAG_MODEL, "DELETE", "registered-models/delete-tag", {**model, "key": "task"})
    yield on_model(Action.SET_ALIAS, "POST", "registered-models/alias", {**version, "alias": "challenger"})
    yield on_model(Action.DELETE_ALIAS, "DELETE", "registered-models/alias", {**model, "alias": "champion"})
    alias = f"{prefix}/registered-models/alias?name=<model_full>&alias=champion"
    yield MODEL, Action.READ_VERSION, Request("GET", alias)
    yield on_model(Action.CREATE_VERSION, "POST", "model-versions/create", {**model, "source": "/tmp/model"})
    yield on_version(Action.READ_VERSION, "GET", "model-versions/get")
    yield on_version(Action.UPDATE_VERSION, "PATCH", "model-versions/update", description="new")
    yield on_version(Action.DELETE_VERSION, "DELETE", "model-versions/delete")
    yield on_version(Action.TAG_VERSION, "POST", "model-versions/set-tag", key="team", value="x")
    yield on_version(Action.TAG_VERSION, "DELETE", "model-versions/delete-tag", key="team")
    credentials = "model-versions/generate-temporary-credentials"
    yield on_version(Action.LOAD_VERSION, "POST", credentials, operation="MODEL_VERSION_OPERATION_READ")
    yield on_version(
        Action.CREATE_VERSION, "POST", credentials, version="2", operation="MODEL_VERSION_OPERATION_READ_WRITE"
    )
    yield on_version(Action.LOAD_VERSION, "GET", "model-versions/get-download-uri")
    yield on_version(Action.LOAD_VERSION, "POST", "model-versions/emit-lineage")


def _unity_catalog() -> Iterable[tuple[SecurableType, Action, Request]]:
    prefix = "/api/2.1/unity-catalog"
    yield METASTORE, Action.CREATE_CATALOG, Request("POST", f"{prefix}/catalogs", {"name": "fresh"})
    kinds = [
        (
            CATALOG,
            "catalogs/<catalog>",
            "<catalog>",
            Action.READ_CATALOG,
            Action.UPDATE_CATALOG,
            Action.DELETE_CATALOG,
        ),
        (
            SCHEMA,
            "schemas/<schema_full>",
            "<schema_full>",
            Action.READ_SCHEMA,
            Action.UPDATE_SCHEMA,
            Action.DELETE_SCHEMA,
        ),
        (MODEL, "models/<model_full>", "<model_full>", Action.READ_MODEL, Action.UPDATE_MODEL, Action.DELETE_MODEL),
        (TABLE, "tables/<table_full>", "<table_full>", Action.READ_TABLE, Action.UPDATE_TABLE, Action.DELETE_TABLE),
    ]
    tag = {CATALOG: Action.TAG_CATALOG, SCHEMA: Action.TAG_SCHEMA, MODEL: Action.TAG_MODEL, TABLE: Action.TAG_TABLE}
    for kind, path, full_name, read, update, delete in kinds:
        word = "FUNCTION" if kind == MODEL else str(kind)
        yield kind, read, Request("GET", f"{prefix}/{path}")
        yield kind, update, Request("PATCH", f"{prefix}/{path}", {"comment": "new"})
        yield kind, Action.TRANSFER, Request("PATCH", f"{prefix}/{path}", {"owner": HEIR})
        yield kind, delete, Request("DELETE", f"{prefix}/{path}?force=true")
        tags = {"changes": {"add_tags": [{"key": "team", "value": "x"}]}}
        yield kind, tag[kind], Request("PATCH", f"{prefix}/securable-tags/{word}/{full_name}", tags)
        entity = {"entity_type": path.partition("/")[0], "entity_name": full_name}
        new = {**entity, "tag_key": "team", "tag_value": "x"}
        yield kind, tag[kind], Request("POST", f"{prefix}/entity-tag-assignments", new)
        yield from _permissions(kind, f"{word}/{full_name}", Privilege.BROWSE)
    yield from _permissions(METASTORE, "METASTORE/metastore", Privilege.CREATE_CATALOG)
    schema = {"catalog_name": "<catalog>", "name": "fresh"}
    yield CATALOG, Action.CREATE_SCHEMA, Request("POST", f"{prefix}/schemas", schema)
    yield CATALOG, Action.READ_CATALOG, Request("GET", f"{prefix}/schemas?catalog_name=<catalog>")
    yield CATALOG, Action.READ_CATALOG, Request("GET", f"{prefix}/table-summaries?catalog_name=<catalog>")
    fresh = {"catalog_name": "<catalog>", "schema_name": "<schema>", "name": "fresh"}
    query = "catalog_name=<catalog>&schema_name=<schema>"
    yield SCHEMA, Action.CREATE_MODEL, Request("POST", f"{prefix}/models", fresh)
    yield SCHEMA, Action.CREATE_TABLE, Request("POST", f"{prefix}/tables", fresh)
    yield SCHEMA, Action.READ_SCHEMA, Request("GET", f"{prefix}/models?{query}")
    yield SCHEMA, Action.READ_SCHEMA, Request("GET", f"{prefix}/tables?{query}")
    model = f"{prefix}/models/<model_full>"
    yield MODEL, Action.RENAME_MODEL, Request("PATCH", model, {"new_name": "renamed"})
    yield MODEL, Action.SET_ALIAS, Request("PUT", f"{model}/aliases/challenger", {"version_num": 1})
    yield MODEL, Action.DELETE_ALIAS, Request("DELETE", f"{model}/aliases/champion")
    yield MODEL, Action.READ_VERSION, Request("GET", f"{model}/aliases/champion")
    yield MODEL, Action.READ_VERSION, Request("GET", f"{model}/versions")
    yield MODEL, Action.READ_VERSION, Request("GET", f"{model}/versions/1")
    yield MODEL, Action.UPDATE_VERSION, Request("PATCH", f"{model}/versions/1", {"comment": "new"})
    yield MODEL, Action.DELETE_VERSION, Request("DELETE", f"{model}/versions/1")
    parts = {"catalog_name": "<catalog>", "schema_name": "<schema>", "model_name": "<model>"}
    yield MODEL, Action.CREATE_VERSION, Request("POST", f"{prefix}/models/versions", {**parts, "source": "/tmp/m"})
    credentials = f"{prefix}/temporary-model-version-credentials"
    read = {**parts, "version": 1, "operation": "READ_MODEL_VERSION"}
    write = {**parts, "version": 2, "operation": "READ_WRITE_MODEL_VERSION"}
    yield MODEL, Action.LOAD_VERSION, Request("POST", credentials, read)
    yield MODEL, Action.CREATE_VERSION, Request("POST", credentials, write)
    changes = {"changes": {"add_tags": [{"key": "team", "value": "x"}]}}
    yield MODEL, Action.TAG_VERSION, Request("PATCH", f"{prefix}/subentity-tags/FUNCTION/<model_full>/1", changes)


def _permissions(
    kind: SecurableType, path: str, privilege: Privilege
) -> Iterable[tuple[SecurableType, Action, Request]]:
    prefix = "/api/2.1/unity-catalog"
    body = {"changes": [{"principal": HEIR, "add": [privilege]}], "omit_permissions_in_response": True}
    yield kind, Action.READ_GRANTS, Request("GET", f"{prefix}/permissions/{path}")
    yield kind, Action.READ_GRANTS, Request("GET", f"{prefix}/effective-permissions/{path}")
    yield kind, Action.READ_GRANTS, Request("GET", f"{prefix}/privilege-assignments/{path}")
    yield kind, Action.READ_GRANTS, Request("GET", f"{prefix}/effective-privilege-assignments/{path}")
    yield kind, Action.GRANT, Request("PATCH", f"{prefix}/permissions/{path}", body)


def _files() -> Iterable[tuple[SecurableType, Action, Request]]:
    root = "/api/2.0/fs/files/Models/<catalog>/<schema>/<model>"
    name = "Models/<catalog>/<schema>/<model>"
    yield MODEL, Action.LOAD_VERSION, Request("GET", f"{root}/1/MLmodel")
    yield MODEL, Action.LOAD_VERSION, Request("HEAD", f"{root}/1/MLmodel")
    link = {"path": f"/{name}/1/MLmodel"}
    yield MODEL, Action.LOAD_VERSION, Request("POST", "/api/2.0/fs/create-download-url", link)
    yield MODEL, Action.CREATE_VERSION, Request("PUT", f"{root}/2/model.pkl?overwrite=true", b"bytes")
    yield MODEL, Action.CREATE_VERSION, Request("POST", f"{root}/2/model.pkl?action=initiate-upload")
    link = {"path": f"/{name}/2/model.pkl"}
    yield MODEL, Action.CREATE_VERSION, Request("POST", "/api/2.0/fs/create-upload-url", link)


def _mlflow() -> Iterable[tuple[SecurableType, Action, Request]]:
    """Registering asks the tracking server first, and files go by the version's id: both stand elsewhere."""
    prefix = "/ajax-api/2.0/mlflow"
    model, version = {"name": "<model_full>"}, {"name": "<model_full>", "version": "1"}
    tag = {"key": "team", "value": "x"}
    fresh = {"name": "<schema_full>.fresh"}
    yield SCHEMA, Action.CREATE_MODEL, Request("POST", f"{prefix}/registered-models/create", fresh)
    for action, method, path, body in (
        (Action.UPDATE_MODEL, "PATCH", "registered-models/update", {**model, "description": "new"}),
        (Action.RENAME_MODEL, "POST", "registered-models/rename", {**model, "new_name": "<schema_full>.renamed"}),
        (Action.DELETE_MODEL, "DELETE", "registered-models/delete", model),
        (Action.READ_MODEL, "POST", "registered-models/get-latest-versions", model),
        (Action.TAG_MODEL, "POST", "registered-models/set-tag", {**model, **tag}),
        (Action.TAG_MODEL, "DELETE", "registered-models/delete-tag", {**model, **tag}),
        (Action.SET_ALIAS, "POST", "registered-models/alias", {**version, "alias": "challenger"}),
        (Action.DELETE_ALIAS, "DELETE", "registered-models/alias", {**model, "alias": "champion"}),
        (Action.UPDATE_VERSION, "PATCH", "model-versions/update", {**version, "description": "new"}),
        (Action.DELETE_VERSION, "DELETE", "model-versions/delete", version),
        (Action.TAG_VERSION, "POST", "model-versions/set-tag", {**version, **tag}),
        (Action.TAG_VERSION, "DELETE", "model-versions/delete-tag", {**version, **tag}),
    ):
        yield MODEL, action, Request(method, f"{prefix}/{path}", body)
    query = "name=<model_full>"
    yield MODEL, Action.READ_MODEL, Request("GET", f"{prefix}/registered-models/get?{query}")
    yield MODEL, Action.READ_VERSION, Request("GET", f"{prefix}/registered-models/alias?{query}&alias=champion")
    yield MODEL, Action.READ_VERSION, Request("GET", f"{prefix}/registered-models/alias?{query}&alias=latest")
    yield MODEL, Action.READ_VERSION, Request("GET", f"{prefix}/model-versions/get?{query}&version=1")
    yield MODEL, Action.LOAD_VERSION, Request("GET", f"{prefix}/model-versions/get-download-uri?{query}&version=1")
    file = f"/mlflow/model-versions/get-artifact?{query}&version=1&path=MLmodel"
    yield MODEL, Action.LOAD_VERSION, Request("GET", file)


def _modelkeep() -> Iterable[tuple[SecurableType, Action, Request]]:
    model = "/api/modelkeep/models/<model_full>"
    hook = {"name": "w", "url": "https://hooks.example.com/x", "events": ["model_version.created"]}
    for kind, name in ((CATALOG, "<catalog>"), (SCHEMA, "<schema_full>"), (MODEL, "<model_full>")):
        body = {**hook, "scope_type": kind, "scope_name": name}
        yield kind, Action.MANAGE_WEBHOOKS, Request("POST", "/api/modelkeep/webhooks", body)
    yield METASTORE, Action.MANAGE_WEBHOOKS, Request("POST", "/api/modelkeep/webhooks", hook)
    yield MODEL, Action.READ_VERSION, Request("GET", f"{model}/versions/1/lineage")
    yield MODEL, Action.READ_VERSION, Request("GET", f"{model}/alias-history")
    yield MODEL, Action.READ_VERSION, Request("GET", f"{model}/aliases/champion/at?time=2030-01-31T12:00:00Z")


_DIALECTS: dict[str, Callable[[], Iterable[tuple[SecurableType, Action, Request]]]] = {
    "databricks-uc": _databricks_uc,
    "unity-catalog": _unity_catalog,
    "files": _files,
    "mlflow": _mlflow,
    "modelkeep": _modelkeep,
}
EXCHANGES = [Exchange(dialect, *exchange) for dialect, list_all in _DIALECTS.items() for exchange in list_all()]
