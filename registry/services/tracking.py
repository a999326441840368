"""The MLflow tracking server, asked over its Unix socket. No rights are checked here: callers check the experiment.

Every function but `artifact_tree` of a plain path costs one request to the tracking server, unless its answer is
remembered. A tracking server that is away or still starting raises Unavailable.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from django.conf import settings

from registry.errors import ErrorCode, FileMissing, InvalidParameter, ModelkeepError, NotFound, Unavailable
from registry.storage.trees import tree_store

_TIMEOUT = httpx.Timeout(connect=2.0, read=120.0, write=120.0, pool=10.0)
_LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=4.0)
_STARTING = "The tracking server is starting or away. Repeat the request in a few seconds."
_REFUSED = "The tracking server refuses this request: a field is missing, or names what does not exist."
_SQL = re.compile(r"\(raised as a result of|\[SQL:|\(Background on this error|\(psycopg|\(sqlite3")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ARTIFACTS = re.compile(r"mlflow-artifacts:/+(.*)", re.DOTALL)
_WORKSPACE_ARTIFACTS = re.compile(r"dbfs:/databricks/mlflow-tracking/(.*)", re.DOTALL)
_RUN = re.compile(r"runs:/([^/]+)/?(.*)", re.DOTALL)
_MODEL = re.compile(r"models:/(m-[^/]+)/?(.*)", re.DOTALL)

Query = Sequence[tuple[str, str]]


def send(
    method: str,
    path: str,
    *,
    query: Query = (),
    headers: Mapping[str, str] | None = None,
    content: bytes | Iterable[bytes] | None = None,
) -> httpx.Response:
    """Send one request and answer as soon as the status is known; the body is still on its way.

    The caller must close the response. `path` is sent as it stands, so it must be quoted already.

    Raises:
        Unavailable: nobody listens on the socket, or the connection broke before an answer came.
    """
    if settings.MLFLOW_SOCKET and not Path(settings.MLFLOW_SOCKET).exists():
        raise Unavailable(_STARTING)
    client = _client(settings.MLFLOW_SOCKET, settings.MLFLOW_URL, os.getpid())
    # Bodies come back as the server holds them: they are passed on byte for byte.
    sent = {"Accept-Encoding": "identity", **(headers or {})}
    try:
        request = client.build_request(method, path, params=list(query) or None, headers=sent, content=content)
        return client.send(request, stream=True)
    except httpx.TransportError as error:
        raise Unavailable(_STARTING) from error


def ask(method: str, path: str, *, query: Query = (), body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Send a JSON request and answer the JSON object that comes back.

    Raises:
        NotFound: the tracking server says that what was asked for does not exist.
        InvalidParameter: it refuses the request.
        Unavailable: it is away, or failed.
    """
    content = None if body is None else json.dumps(body).encode()
    headers = {} if body is None else {"Content-Type": "application/json"}
    response = send(method, path, query=query, headers=headers, content=content)
    try:
        raw = response.read()
    except httpx.TransportError as error:
        raise Unavailable(_STARTING) from error
    finally:
        response.close()
    if response.status_code == httpx.codes.OK:
        return _object(raw)
    raise error_of(response.status_code, raw)


def error_of(status: int, raw: bytes) -> ModelkeepError:
    """The tracking server's refusal in our words; nothing of an internal failure gets out."""
    answer = _object(raw)
    message = readable_message(str(answer.get("message") or answer.get("detail") or ""))
    code = str(answer.get("error_code", ""))
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return Unavailable("The tracking server failed on this request. Repeat it, or ask your administrator.")
    if code == ErrorCode.RESOURCE_DOES_NOT_EXIST or status == httpx.codes.NOT_FOUND:
        return NotFound(message)
    error = InvalidParameter(message)
    if code == ErrorCode.RESOURCE_ALREADY_EXISTS:
        error.code = ErrorCode.RESOURCE_ALREADY_EXISTS
    return error


def readable_message(message: str) -> str:
    """A message of the tracking server without the SQL that it appends."""
    match = _SQL.search(message)
    plain = message if match is None else message[: match.start()].split(" Error: (", maxsplit=1)[0]
    return plain.strip() or _REFUSED


def _object(raw: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(raw or b"{}")
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


@lru_cache(maxsize=4)
def _client(socket: str, url: str, process: int) -> httpx.Client:  # noqa: ARG001  (a forked child needs its own)
    transport = httpx.HTTPTransport(uds=socket or None, limits=_LIMITS)
    return httpx.Client(transport=transport, base_url=url, timeout=_TIMEOUT, follow_redirects=False)


# --- Experiments, runs, logged models and traces ----------------------------------------------------------------


def get_run(run_id: str) -> dict[str, Any]:
    """A run as MLflow's REST tells it: `info`, `data`, `inputs`, `outputs`.

    Raises:
        NotFound: no such run.
    """
    if not _ID.fullmatch(run_id):
        raise NotFound(missing_run(run_id))
    run: dict[str, Any] = ask("GET", "/api/2.0/mlflow/runs/get", query=[("run_id", run_id)])["run"]
    return run


@lru_cache(maxsize=50_000)
def run_experiment(run_id: str) -> str:
    """The experiment of a run. Remembered: a run never moves.

    Raises:
        NotFound: no such run.
    """
    return str(get_run(run_id)["info"]["experiment_id"])


def run_inputs(run_id: str) -> list[dict[str, Any]]:
    """The datasets that a run read: `{"tags": [...], "dataset": {...}}` each.

    Raises:
        NotFound: no such run.
    """
    inputs = get_run(run_id).get("inputs") or {}
    return list(inputs.get("dataset_inputs") or [])


def logged_model(model_id: str) -> dict[str, Any]:
    """A logged model as MLflow's REST tells it: `info` and `data`.

    Raises:
        NotFound: no such logged model.
    """
    if not _ID.fullmatch(model_id):
        raise NotFound(missing_logged_model(model_id))
    model: dict[str, Any] = ask("GET", f"/api/2.0/mlflow/logged-models/{quote(model_id, safe='')}")["model"]
    return model


@lru_cache(maxsize=50_000)
def logged_model_experiment(model_id: str) -> str:
    """The experiment of a logged model. Remembered: a logged model never moves.

    Raises:
        NotFound: no such logged model.
    """
    return str(logged_model(model_id)["info"]["experiment_id"])


def find_logged_model(experiment_id: str, run_id: str, name: str) -> dict[str, Any] | None:
    """The newest logged model of that name that the run made; None where there is none."""
    if not _ID.fullmatch(run_id):
        return None
    body: dict[str, Any] = {
        "experiment_ids": [experiment_id],
        "filter": f"source_run_id = '{run_id}'",
        "order_by": [{"field_name": "creation_timestamp", "ascending": False}],
    }
    while True:
        page = ask("POST", "/api/2.0/mlflow/logged-models/search", body=body)
        for model in page.get("models", []):
            if model["info"].get("name") == name:
                return dict(model)
        if not page.get("next_page_token"):
            return None
        body["page_token"] = page["next_page_token"]


def trace_experiments(trace_ids: Iterable[str]) -> dict[str, str]:
    """The experiment of each trace that exists. Not remembered: clients choose the ids of traces."""
    wanted = sorted(set(trace_ids))
    found: dict[str, str] = {}
    for start in range(0, len(wanted), 100):
        body = {"trace_ids": wanted[start : start + 100]}
        for info in ask("POST", "/api/3.0/mlflow/traces/batchGetInfos", body=body).get("trace_infos", []):
            location = info.get("trace_location", {}).get("mlflow_experiment", {})
            found[str(info["trace_id"])] = str(location.get("experiment_id", ""))
    return found


def missing_experiment(experiment_id: str) -> str:
    """What the tracking server says of an experiment that it does not have."""
    return f"No Experiment with id={experiment_id} exists"


def missing_run(run_id: str) -> str:
    """What the tracking server says of a run that it does not have."""
    return f"Run with id={run_id} not found"


def missing_logged_model(model_id: str) -> str:
    """What the tracking server says of a logged model that it does not have."""
    return f"Logged model with ID '{model_id}' not found."


def missing_trace(trace_id: str) -> str:
    """What the tracking server says of a trace that it does not have."""
    return f"Trace with ID '{trace_id}' not found."


# --- Where files lie ---------------------------------------------------------------------------------------------


def artifact_tree(source: str) -> str | None:
    """The path below TRACKING_ROOT that a source URI names; its first segment is the experiment's id.

    Knows `runs:/R/path`, `models:/m-x`, `mlflow-artifacts:/…` and `dbfs:/databricks/mlflow-tracking/…`. None for
    anything else. The first two ask the tracking server. Nothing says that files are really there.

    Raises:
        NotFound: the run or logged model does not exist.
    """
    if match := _RUN.fullmatch(source):
        return _run_tree(match[1], match[2])
    if match := _MODEL.fullmatch(source):
        location = str(logged_model(match[1])["info"].get("artifact_uri", ""))
        tree = artifact_tree(location) if location.startswith("mlflow-artifacts:") else None
        return tree and clean_path("/".join(filter(None, (tree, match[2]))))
    if match := _ARTIFACTS.fullmatch(source):
        # A host between the slashes would name another server's artifacts.
        return None if source.startswith("mlflow-artifacts://") else clean_path(match[1])
    if match := _WORKSPACE_ARTIFACTS.fullmatch(source):
        return _workspace_tree(match[1])
    return None


def _run_tree(run_id: str, path: str) -> str | None:
    """A run's own artifacts, or, where the run has none there, the logged model that it made under that name."""
    experiment_id = run_experiment(run_id)
    tree = clean_path("/".join(filter(None, (experiment_id, run_id, "artifacts", path))))
    if tree is None or not path or _lies_there(tree):
        return tree
    name, _, rest = path.strip("/").partition("/")
    model = find_logged_model(experiment_id, run_id, name)
    if model is None:
        return tree
    return artifact_tree("/".join(filter(None, (f"models:/{model['info']['model_id']}", rest))))


def _lies_there(tree: str) -> bool:
    try:
        tree_store().stat(tree)
    except (FileMissing, InvalidParameter):
        return False
    return True


def _workspace_tree(path: str) -> str | None:
    """Clients of the workspace kind spell `E/logged_models/m-x` for what lies in `E/models/m-x`."""
    parts = path.split("/")
    if len(parts) > 1 and parts[1] == "logged_models":
        parts[1] = "models"
    return clean_path("/".join(parts))


def clean_path(path: str) -> str | None:
    """A relative path without empty, `.` or `..` segments; None for a path that tries to leave its folder."""
    parts = list(_segments(path))
    if not parts or any(part in {".", ".."} for part in parts):
        return None
    if path.startswith("/") or "\\" in path or any(ord(character) < ord(" ") for character in path):
        return None
    return "/".join(parts)


def _segments(path: str) -> Iterator[str]:
    yield from (part for part in path.split("/") if part)
