"""Experiments over MLflow's REST: what is more than checking ids and passing on."""

import json
from dataclasses import replace
from typing import Any

from django.http import HttpResponse

from registry.api.tracking.artifact_uris import speaks_workspace_uris, spell_for_workspace
from registry.api.tracking.calls import Call, json_parameters, query_parameters
from registry.api.wire import number_of, text_of
from registry.errors import InvalidParameter
from registry.services.experiment_lifecycle import (
    create_experiment,
    delete_experiment,
    find_experiment_by_name,
    rename_experiment,
    restore_experiment,
    search_experiments,
)

_SEARCH_FIELDS = ("filter", "order_by", "view_type")
_DEFAULT_PAGE = 1000


def create(call: Call) -> HttpResponse:
    """Make an experiment. Where its files lie is the server's choice: any other place would open what lies there."""
    body = json_parameters(call.request)
    if body.get("artifact_location") or body.get("artifactLocation"):
        raise InvalidParameter(
            "'artifact_location' is chosen by the server: leave it out.", field="artifact_location"
        )
    tags = body.get("tags")
    experiment_id = create_experiment(
        actor=call.actor,
        name=text_of(body, "name", required=True),
        tags=tags if isinstance(tags, list) else [],
    )
    return _answer(call, {"experiment_id": experiment_id})


def get_by_name(call: Call) -> HttpResponse:
    """Find an experiment by its name."""
    call = replace(call, parameters=query_parameters(call.request))
    experiment = find_experiment_by_name(actor=call.actor, name=call.text("experiment_name"))
    return _answer(call, {"experiment": experiment})


def search(call: Call) -> HttpResponse:
    """A page of the experiments that the caller may read."""
    parameters = _search_parameters(call)
    experiments, token = search_experiments(
        actor=call.actor,
        search={name: parameters[name] for name in _SEARCH_FIELDS if parameters.get(name)},
        max_results=number_of(parameters, "max_results", default=_DEFAULT_PAGE),
        page_token=text_of(parameters, "page_token"),
    )
    # Like the tracking server, leave out what is empty.
    found = {"experiments": experiments, "next_page_token": token}
    return _answer(call, {name: value for name, value in found.items() if value})


def _search_parameters(call: Call) -> dict[str, Any]:
    if call.method != "GET":
        return json_parameters(call.request)
    query = query_parameters(call.request)
    return {name: values if name == "order_by" else values[0] for name, values in query.items()}


def update(call: Call) -> HttpResponse:
    """Rename an experiment."""
    call = _with_body(call)
    new_name = call.text("new_name")
    rename_experiment(actor=call.actor, experiment_id=call.text("experiment_id"), name=new_name)
    return _answer(call, {})


def delete(call: Call) -> HttpResponse:
    """Delete an experiment, restorably."""
    call = _with_body(call)
    delete_experiment(actor=call.actor, experiment_id=call.text("experiment_id"))
    return _answer(call, {})


def restore(call: Call) -> HttpResponse:
    """Restore a deleted experiment."""
    call = _with_body(call)
    restore_experiment(actor=call.actor, experiment_id=call.text("experiment_id"))
    return _answer(call, {})


def _with_body(call: Call) -> Call:
    return replace(call, parameters=json_parameters(call.request))


def _answer(call: Call, answer: dict[str, Any]) -> HttpResponse:
    raw = json.dumps(answer).encode()
    if speaks_workspace_uris(call.request):
        raw = spell_for_workspace(raw)
    return HttpResponse(raw, content_type="application/json")
