"""What is done with a known route: read its parameters, check what it touches, pass it on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpResponse, HttpResponseBase, JsonResponse

from registry.api.tracking.calls import (
    Call,
    body_chunks,
    camel,
    check_artifact_path,
    json_parameters,
    query_parameters,
)
from registry.api.tracking.forwarding import (
    forward_file,
    forward_get,
    forward_json,
    forward_upload,
    held_back,
    keep_from_running,
)
from registry.api.tracking.references import (
    Kind,
    Reference,
    experiments_of,
    references_of,
    require_references,
)
from registry.errors import InvalidParameter, NotImplementedHere
from registry.models import ExperimentLevel
from registry.services.actors import renewed
from registry.services.experiments import readable_ids, record_write

Handler = Callable[[Call], HttpResponseBase]

_PATH_FIELDS = ("path", "artifact_file_path", "artifact_directory_path")
_RESERVED_TRACE_TAGS = {
    # Each tells the tracking server where to read a trace's data from; it sets them itself.
    "mlflow.artifactLocation",
    "mlflow.trace.spansLocation",
    "mlflow.trace.archiveLocation",
    "mlflow.trace.archivalFailure",
}


@dataclass(frozen=True)
class Policy:
    """What a route needs.

    `needs`: fields of which one must be given. `reading`: fields for which CAN_READ is enough. `ignores`: kinds that
    the tracking server itself holds to the experiment named beside them. `new_traces`: the traces may be new.
    `audit`: the trail's name for a success.
    """

    level: ExperimentLevel
    needs: tuple[str, ...] = ()
    reading: frozenset[str] = frozenset()
    ignores: frozenset[Kind] = frozenset()
    new_traces: bool = False
    audit: str = ""


def check(call: Call, policy: Policy) -> dict[Reference, str]:
    """Check every object that the request names; answers the experiment of each.

    Raises:
        InvalidParameter: none of the needed fields is given.
        NotFound, AccessDenied: as `require_references`.
    """
    if policy.needs and not call.texts(*policy.needs):
        raise InvalidParameter(f"'{policy.needs[0]}' is required.", field=policy.needs[0])
    for path in call.texts(*_PATH_FIELDS):
        check_artifact_path(path)
    references = references_of(call, policy.level, reading=policy.reading)
    kept = [reference for reference in references if reference.kind not in policy.ignores]
    experiments = experiments_of(kept, new_traces=policy.new_traces)
    require_references(call.actor, experiments, action=policy.audit)
    return experiments


def checked_get(policy: Policy) -> Handler:
    """A GET that shows what it names."""

    def handle(call: Call) -> HttpResponse:
        call = replace(call, parameters=query_parameters(call.request))
        check(call, policy)
        return forward_get(call)

    return handle


def checked_json(policy: Policy, prepare: Callable[[dict[str, Any]], dict[str, Any]] = dict) -> Handler:
    """A POST, PATCH or DELETE with a JSON body. `prepare` may take out of the body what clients may not set."""

    def handle(call: Call) -> HttpResponse:
        call = replace(call, parameters=prepare(json_parameters(call.request)))
        experiments = check(call, policy)
        response = forward_json(call)
        if policy.audit and response.status_code < 300:
            _audit(call, policy.audit, experiments)
        return response

    return handle


def _audit(call: Call, action: str, experiments: Mapping[Reference, str]) -> None:
    named = {f"{reference.field}": reference.id for reference in experiments}
    for experiment_id in sorted(set(experiments.values())):
        record_write(actor=call.actor, experiment_id=experiment_id, action=action, params=dict(named))


def checked_file(policy: Policy) -> Handler:
    """A GET that streams a file of a run, logged model or trace."""

    def handle(call: Call) -> HttpResponseBase:
        call = replace(call, parameters=query_parameters(call.request))
        check(call, policy)
        return keep_from_running(forward_file(call))

    return handle


def checked_query_upload(policy: Policy) -> Handler:
    """A POST whose query names the object and whose body is a file."""

    def handle(call: Call) -> HttpResponse:
        call = replace(call, parameters=query_parameters(call.request))
        check(call, policy)
        chunks = held_back(body_chunks(call.request), lambda: check(replace(call, actor=renewed(call.actor)), policy))
        return forward_upload(call, chunks, query=True)

    return handle


def search(field: str) -> Handler:
    """A search over experiments: those that the actor may not read are left out, silently."""

    def handle(call: Call) -> HttpResponse:
        is_get = call.method == "GET"
        call = replace(call, parameters=query_parameters(call.request) if is_get else json_parameters(call.request))
        readable = readable_ids(actor=call.actor, experiment_ids=_searched(call, field))
        if not _keep(call.parameters, field, readable):
            return JsonResponse({})
        # Whatever else the body names is checked like anywhere else.
        check(call, Policy(ExperimentLevel.CAN_READ))
        return forward_get(call) if is_get else forward_json(call)

    return handle


def _searched(call: Call, field: str) -> list[str]:
    if field != "locations":
        return call.texts(field)
    return [id_ for location in _locations(call.parameters) if (id_ := _experiment_of(location))]


def _keep(parameters: dict[str, Any], field: str, readable: set[str]) -> bool:
    """Narrow a search to what may be read; answers whether anything is left."""
    if field == "locations":
        parameters["locations"] = [
            location for location in _locations(parameters) if _experiment_of(location) in readable
        ]
        return bool(parameters["locations"])
    value = parameters.pop(camel(field), None) if camel(field) in parameters else None
    value = parameters.get(field, value)
    listed = value if isinstance(value, list) else [value]
    parameters[field] = [id_ for id_ in listed if str(id_) in readable]
    return bool(parameters[field])


def _locations(parameters: Mapping[str, Any]) -> list[Any]:
    locations = parameters.get("locations")
    return locations if isinstance(locations, list) else []


def _experiment_of(location: Any) -> str:
    """The experiment of a trace location; empty for every other kind of location."""
    if not isinstance(location, dict):
        return ""
    inner = location.get("mlflow_experiment", location.get("mlflowExperiment"))
    if not isinstance(inner, dict):
        return ""
    return str(inner.get("experiment_id", inner.get("experimentId", "")))


def without_reserved_tags(body: dict[str, Any]) -> dict[str, Any]:
    """A trace without the tags that say where its data lies."""

    def clean(value: Any) -> Any:
        if isinstance(value, list):
            return [
                clean(item)
                for item in value
                if not (isinstance(item, dict) and item.get("key") in _RESERVED_TRACE_TAGS)
            ]
        if isinstance(value, dict):
            return {key: clean(item) for key, item in value.items() if key not in _RESERVED_TRACE_TAGS}
        return value

    return {key: clean(value) for key, value in body.items()}


def new_trace(body: dict[str, Any]) -> dict[str, Any]:
    """The body of a request that starts a trace, without the tags that clients may not set.

    Raises:
        InvalidParameter: it does not say in which experiment; the tracking server would pick one.
    """
    inner: Any = body
    for field in ("trace", "trace_info", "trace_location"):
        inner = inner.get(field, inner.get(camel(field))) if isinstance(inner, dict) else None
    if not _experiment_of(inner):
        raise InvalidParameter("'trace.trace_info.trace_location' must name an experiment.", field="trace")
    return without_reserved_tags(body)


def refuse_reserved_tag(body: dict[str, Any]) -> dict[str, Any]:
    """The body of a request that sets one tag.

    Raises:
        InvalidParameter: it sets a tag that says where a trace's data lies.
    """
    if body.get("key") in _RESERVED_TRACE_TAGS:
        raise InvalidParameter(f"Tag '{body['key']}' is set by the server and cannot be changed.", field="key")
    return body


def open_json(call: Call) -> HttpResponse:
    """A fact about the server that everybody who is signed in may know."""
    return forward_get(replace(call, parameters={}))


def not_offered(message: str) -> Handler:
    """A route that clients try first and have a fallback for."""

    def handle(call: Call) -> HttpResponse:  # noqa: ARG001
        raise NotImplementedHere(message)

    return handle


def constant(answer: dict[str, Any]) -> Handler:
    """An answer that the tracking server is not asked for."""

    def handle(call: Call) -> HttpResponse:  # noqa: ARG001
        return JsonResponse(answer)

    return handle
