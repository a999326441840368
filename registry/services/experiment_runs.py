"""Experiments and runs for who may read them, asked of the tracking server. Nothing of them is kept here."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from registry.errors import FileMissing, InvalidParameter, NotFound
from registry.models import Experiment, ExperimentLevel
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.experiment_lifecycle import search_experiments
from registry.services.experiments import levels_of, newest_readable_ids, require_level
from registry.services.mlmodel import MLMODEL
from registry.services.paging import Page
from registry.services.tracking import ask, get_run, missing_run
from registry.storage.trees import tree_store

_API = "/api/2.0/mlflow"
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_SEARCHED_EXPERIMENTS = 200
_ORDERED = re.compile(r"(-?)(?:(metrics|params)\.([^`]+)|(attributes\.(?:start_time|run_name|status)))")
_EXPERIMENT_ORDERS = {
    "updated": "last_update_time ASC",
    "-updated": "last_update_time DESC",
    "name": "name ASC",
    "-name": "name DESC",
}
_OWN_TAGS = "mlflow."
_POINTS = 300
_MOST_FOLDERS = 50


@dataclass(frozen=True)
class ExperimentRow:
    """An experiment as a list shows it, with what the actor may do there."""

    experiment_id: str
    name: str
    level: str
    owner: str
    created_at: datetime | None
    updated_at: datetime | None


@dataclass(frozen=True)
class Run:
    """A run as the tracking server tells it. Metrics hold their last values; a value may be text, as NaN."""

    run_id: str
    experiment_id: str
    name: str
    status: str
    started_at: datetime | None
    ended_at: datetime | None
    metrics: dict[str, Any] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    system_tags: dict[str, str] = field(default_factory=dict)
    datasets: list[dict[str, str]] = field(default_factory=list)

    @property
    def user(self) -> str:
        """Who the client said that it was."""
        return self.system_tags.get("mlflow.user", "")

    @property
    def duration(self) -> timedelta | None:
        """How long it ran; None while it runs."""
        return self.ended_at - self.started_at if self.ended_at and self.started_at else None


@dataclass(frozen=True)
class RunModel:
    """A model that a run left: where it can be registered from, and what it is called."""

    source: str
    name: str


@dataclass(frozen=True)
class Artifact:
    """A file or folder at the top of a run's artifacts."""

    path: str
    is_folder: bool
    size: int


@audited_read
def list_experiments(
    *, actor: Actor, name_contains: str = "", order: str = "", max_results: int = 50, page_token: str = ""
) -> Page[ExperimentRow]:
    """The experiments that the actor may read, changed last first unless `order` says otherwise.

    Three queries; asks the tracking server as `search_experiments` does.

    Raises:
        InvalidParameter: an order or a token that is not known.
        Unavailable: the tracking server is away.
    """
    sorting = _EXPERIMENT_ORDERS.get(order or "-updated")
    if sorting is None:
        raise InvalidParameter(f"'order' is '{order}': use one of {', '.join(_EXPERIMENT_ORDERS)}.", field="order")
    search: dict[str, Any] = {"order_by": [sorting]}
    if name_contains:
        search["filter"] = f"name ILIKE '%{_quoted(name_contains)}%'"
    rows, token = search_experiments(actor=actor, search=search, max_results=max_results, page_token=page_token)
    return Page(_experiment_rows(actor, rows), token)


def _quoted(text: str) -> str:
    # The search language knows no escape for its own quote: any one letter stands for it.
    return text.replace("'", "_")


def _experiment_rows(actor: Actor, rows: Sequence[Mapping[str, Any]]) -> list[ExperimentRow]:
    ids = [str(row["experiment_id"]) for row in rows]
    levels = levels_of(actor=actor, experiment_ids=ids)
    owners = dict(Experiment.objects.filter(pk__in=ids).values_list("pk", "owner__name"))
    return [
        ExperimentRow(
            experiment_id=str(row["experiment_id"]),
            name=str(row.get("name", "")),
            level=str(levels.get(str(row["experiment_id"]), "")),
            owner=owners.get(str(row["experiment_id"]), ""),
            created_at=_moment(row.get("creation_time")),
            updated_at=_moment(row.get("last_update_time")),
        )
        for row in rows
    ]


@audited_read
def get_experiment(*, actor: Actor, experiment_id: str) -> ExperimentRow:
    """One experiment. Three queries and one request to the tracking server.

    Raises:
        NotFound: there is none, or the actor may not read it.
        Unavailable.
    """
    require_level(actor=actor, experiment_id=experiment_id, level=ExperimentLevel.CAN_READ)
    found = ask("GET", f"{_API}/experiments/get", query=[("experiment_id", experiment_id)])["experiment"]
    return _experiment_rows(actor, [found])[0]


@audited_read
def search_runs(
    *,
    actor: Actor,
    experiment_id: str,
    filter_text: str = "",
    order: str = "",
    max_results: int = 50,
    page_token: str = "",
) -> Page[Run]:
    """The runs of an experiment that MLflow's own search language lets through, newest first unless ordered.

    `order` is `metrics.<key>`, `params.<key>` or `attributes.start_time`, `run_name` or `status`; `-` for descending.

    Raises:
        NotFound: no such experiment, or a hidden one.
        InvalidParameter: a filter that the tracking server refuses, or an order that is not known.
        Unavailable.
    """
    require_level(actor=actor, experiment_id=experiment_id, level=ExperimentLevel.CAN_READ)
    body = {
        "experiment_ids": [experiment_id],
        "filter": filter_text,
        "order_by": [_run_order(order or "-attributes.start_time")],
        "max_results": max_results,
        "page_token": page_token,
    }
    found = ask("POST", f"{_API}/runs/search", body=body)
    return Page([_read_run(run) for run in found.get("runs", [])], str(found.get("next_page_token", "")))


@audited_read
def find_runs(*, actor: Actor, text: str, most: int = 5) -> list[Run]:
    """The run of that id, or the newest ones with the text in their name, in the experiments made last.

    One query, and one request to the tracking server.

    Raises:
        Unavailable: the tracking server is away.
    """
    if _RUN_ID.fullmatch(text.lower()):
        try:
            return [get_run_for(actor=actor, run_id=text.lower())]
        except NotFound:
            return []
    ids = newest_readable_ids(actor=actor, most=_SEARCHED_EXPERIMENTS)
    if not ids:
        return []
    body = {
        "experiment_ids": ids,
        "filter": f"attributes.run_name ILIKE '%{_quoted(text)}%'",
        "order_by": ["attributes.start_time DESC"],
        "max_results": most,
    }
    return [_read_run(run) for run in ask("POST", f"{_API}/runs/search", body=body).get("runs", [])]


def _run_order(order: str) -> str:
    match = _ORDERED.fullmatch(order)
    if match is None:
        raise InvalidParameter(
            f"'order' is '{order}': use metrics.<key>, params.<key> or attributes.start_time.", field="order"
        )
    column = match[4] or f"{match[2]}.`{match[3]}`"
    return f"{column} {'DESC' if match[1] else 'ASC'}"


@audited_read
def get_run_for(*, actor: Actor, run_id: str) -> Run:
    """One run, for who may read its experiment. One request to the tracking server.

    Raises:
        NotFound: there is none, or the actor may not read its experiment.
        Unavailable.
    """
    run = _read_run(get_run(run_id))
    require_level(
        actor=actor,
        experiment_id=run.experiment_id,
        level=ExperimentLevel.CAN_READ,
        hidden_as=missing_run(run_id),
    )
    return run


def metric_history(*, actor: Actor, run_id: str, key: str) -> list[tuple[int, float]]:
    """Steps and values of a metric of a run, in order; of a long history an even sample.

    Raises:
        NotFound, Unavailable: as `get_run_for`.
    """
    run = get_run_for(actor=actor, run_id=run_id)
    query = [("run_ids", run.run_id), ("metric_key", key), ("max_results", str(_POINTS))]
    found = ask("GET", "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval", query=query).get("metrics", [])
    points = [(int(each.get("step", 0)), each.get("value")) for each in found]
    return [(step, float(value)) for step, value in points if isinstance(value, int | float)]


def run_artifacts(run: Run) -> list[Artifact]:
    """What lies at the top of the artifacts of a run that the caller was given. One request.

    Raises:
        Unavailable.
    """
    try:
        found = ask("GET", f"{_API}/artifacts/list", query=[("run_id", run.run_id)])
    except NotFound:
        return []
    return [
        Artifact(str(each["path"]), bool(each.get("is_dir")), int(each.get("file_size") or 0))
        for each in found.get("files", [])
    ]


def run_models(run: Run, artifacts: Sequence[Artifact]) -> list[RunModel]:
    """The models that a run left: logged models, and folders of its artifacts that hold an MLmodel. One request.

    Raises:
        Unavailable.
    """
    body = {
        "experiment_ids": [run.experiment_id],
        "filter": f"source_run_id = '{run.run_id}'",
        "order_by": [{"field_name": "creation_timestamp", "ascending": False}],
    }
    logged = ask("POST", f"{_API}/logged-models/search", body=body).get("models", [])
    models = [
        RunModel(f"models:/{each['info']['model_id']}", str(each["info"].get("name", "model"))) for each in logged
    ]
    folders = [each.path for each in artifacts if each.is_folder][:_MOST_FOLDERS]
    return models + [RunModel(f"runs:/{run.run_id}/{path}", path) for path in folders if _holds_model(run, path)]


def _holds_model(run: Run, path: str) -> bool:
    try:
        tree_store().stat(f"{run.experiment_id}/{run.run_id}/artifacts/{path}/{MLMODEL}")
    except (FileMissing, InvalidParameter):
        return False
    return True


def _read_run(raw: Mapping[str, Any]) -> Run:
    info, data = raw.get("info", {}), raw.get("data", {})
    tags = {str(tag["key"]): str(tag.get("value", "")) for tag in data.get("tags", [])}
    return Run(
        run_id=str(info.get("run_id", "")),
        experiment_id=str(info.get("experiment_id", "")),
        name=str(info.get("run_name") or tags.get("mlflow.runName") or info.get("run_id", "")),
        status=str(info.get("status", "")),
        started_at=_moment(info.get("start_time")),
        ended_at=_moment(info.get("end_time")),
        metrics={str(each["key"]): each.get("value") for each in data.get("metrics", [])},
        params={str(each["key"]): str(each.get("value", "")) for each in data.get("params", [])},
        tags={key: value for key, value in tags.items() if not key.startswith(_OWN_TAGS)},
        system_tags={key: value for key, value in tags.items() if key.startswith(_OWN_TAGS)},
        datasets=[_read_dataset(each) for each in (raw.get("inputs") or {}).get("dataset_inputs", [])],
    )


def _read_dataset(raw: Mapping[str, Any]) -> dict[str, str]:
    dataset = raw.get("dataset", {})
    tags = {str(tag.get("key")): str(tag.get("value", "")) for tag in raw.get("tags", [])}
    return {
        "name": str(dataset.get("name", "")),
        "digest": str(dataset.get("digest", "")),
        "kind": str(dataset.get("source_type", "")),
        "context": tags.get("mlflow.data.context", ""),
    }


def _moment(milliseconds: Any) -> datetime | None:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC) if milliseconds else None
