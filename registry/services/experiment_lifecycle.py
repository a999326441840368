"""Experiments as the tracking server keeps them, with the rights that we keep: made, found, renamed, deleted.

The tracking server has no transaction in common with our database. What it did and we could not note down stays
invisible to everybody but metastore admins, and is undone where that is possible.
"""

import base64
import binascii
import json
import logging
from collections.abc import Mapping
from typing import Any

from registry.errors import InvalidParameter, ModelkeepError, NotFound
from registry.models import ExperimentLevel
from registry.services.actors import Actor
from registry.services.experiments import (
    readable_ids,
    record_created,
    record_renamed,
    record_write,
    require_level,
)
from registry.services.tracking import ask

logger = logging.getLogger(__name__)

_PAGE = 5000
_MOST_RESULTS = 50_000
_API = "/api/2.0/mlflow/experiments"


def create_experiment(*, actor: Actor, name: str, tags: list[Any]) -> str:
    """Make an experiment owned by the actor; answers its id. Any principal may.

    Raises:
        InvalidParameter: the tracking server refuses the name or the tags, or the name is taken.
        Unavailable: the tracking server is away.
    """
    created = ask("POST", f"{_API}/create", body={"name": name, "tags": tags})
    experiment_id = str(created["experiment_id"])
    try:
        record_created(actor=actor, experiment_id=experiment_id, name=name)
    except BaseException:
        _undo_create(experiment_id, name)
        raise
    return experiment_id


def _undo_create(experiment_id: str, name: str) -> None:
    """Deletion keeps the name taken, so it is given free first."""
    try:
        body = {"experiment_id": experiment_id, "new_name": f"{name} (not recorded, {experiment_id})"}
        ask("POST", f"{_API}/update", body=body)
        ask("POST", f"{_API}/delete", body={"experiment_id": experiment_id})
    except ModelkeepError:
        logger.warning("experiment %s has no owner and could not be deleted", experiment_id)


def find_experiment_by_name(*, actor: Actor, name: str) -> dict[str, Any]:
    """The experiment of that name as MLflow's REST tells it. Needs CAN_READ.

    Raises:
        NotFound: no such experiment, or one that the actor may not read.
    """
    missing = f"Could not find experiment with name '{name}'"
    try:
        found: dict[str, Any] = ask("GET", f"{_API}/get-by-name", query=[("experiment_name", name)])["experiment"]
    except NotFound as error:
        raise NotFound(missing) from error
    experiment_id = str(found["experiment_id"])
    require_level(actor=actor, experiment_id=experiment_id, level=ExperimentLevel.CAN_READ, hidden_as=missing)
    return found


def rename_experiment(*, actor: Actor, experiment_id: str, name: str) -> None:
    """Give an experiment another name. Needs CAN_MANAGE; its grants stay as they are.

    Raises:
        NotFound, AccessDenied: as `require_level`.
        InvalidParameter: the tracking server refuses the name.
    """
    require_level(
        actor=actor,
        experiment_id=experiment_id,
        level=ExperimentLevel.CAN_MANAGE,
        action="renameMlflowExperiment",
    )
    ask("POST", f"{_API}/update", body={"experiment_id": experiment_id, "new_name": name})
    record_renamed(actor=actor, experiment_id=experiment_id, name=name)


def delete_experiment(*, actor: Actor, experiment_id: str) -> None:
    """Mark an experiment as deleted; it can be restored. Needs CAN_MANAGE."""
    _set_deleted(actor, experiment_id, verb="delete")


def restore_experiment(*, actor: Actor, experiment_id: str) -> None:
    """Take back a deletion. Needs CAN_MANAGE."""
    _set_deleted(actor, experiment_id, verb="restore")


def _set_deleted(actor: Actor, experiment_id: str, *, verb: str) -> None:
    action = f"{verb}MlflowExperiment"
    require_level(actor=actor, experiment_id=experiment_id, level=ExperimentLevel.CAN_MANAGE, action=action)
    ask("POST", f"{_API}/{verb}", body={"experiment_id": experiment_id})
    record_write(actor=actor, experiment_id=experiment_id, action=action, params={})


def search_experiments(
    *, actor: Actor, search: Mapping[str, Any], max_results: int, page_token: str
) -> tuple[list[dict[str, Any]], str]:
    """A page of the experiments that the actor may read, and the token of the next page, empty at the end.

    `search` is passed on to the tracking server, which pages over everybody's experiments: the cost grows with the
    number of experiments that are not the actor's.

    Raises:
        InvalidParameter: a page token that is not ours, or a search that the tracking server refuses.
    """
    if not 0 < max_results <= _MOST_RESULTS:
        raise InvalidParameter(
            f"'max_results' is {max_results}: it must be between 1 and {_MOST_RESULTS}.", field="max_results"
        )
    inner_token, skip = _read_token(page_token)
    rows: list[dict[str, Any]] = []
    while True:
        body = {**search, "max_results": _PAGE, "page_token": inner_token}
        page = ask("POST", f"{_API}/search", body=body)
        found = page.get("experiments", [])
        readable = readable_ids(actor=actor, experiment_ids=[row["experiment_id"] for row in found])
        for position, row in enumerate(found[skip:], skip):
            if row["experiment_id"] not in readable:
                continue
            if len(rows) == max_results:
                return rows, _write_token(inner_token, position)
            rows.append(row)
        inner_token, skip = page.get("next_page_token", ""), 0
        if not inner_token:
            return rows, ""


def _write_token(inner_token: str, skip: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([inner_token, skip]).encode()).decode()


def _read_token(token: str) -> tuple[str, int]:
    if not token:
        return "", 0
    try:
        inner_token, skip = json.loads(base64.urlsafe_b64decode(token))
        return str(inner_token), max(int(skip), 0)
    except (binascii.Error, ValueError, TypeError) as error:
        raise InvalidParameter(
            "'page_token' cannot be read: send the one that the last page gave.", field="page_token"
        ) from error
