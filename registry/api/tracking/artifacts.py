"""Files by their path below the artifacts' root, whose first segment is the id of an experiment.

Or `model-versions`: those are files of the registry, see `version_artifacts`.
"""

from collections.abc import Iterator
from dataclasses import replace

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase

from registry.api.tracking import version_artifacts
from registry.api.tracking.calls import Call, body_chunks, check_artifact_path, query_parameters, target_path
from registry.api.tracking.forwarding import (
    forward_file,
    forward_get,
    forward_json,
    forward_upload,
    held_back,
    keep_from_running,
)
from registry.errors import AccessDenied, TooLarge
from registry.models import ExperimentLevel
from registry.services.actors import renewed
from registry.services.experiments import record_write, require_level
from registry.services.file_locations import overlaid_tree
from registry.services.version_files import is_of_version

_FILES = "/api/2.0/mlflow-artifacts/artifacts"


def download(call: Call) -> HttpResponseBase:
    """Stream a file; the first segment of its path is the experiment."""
    if (file := version_artifacts.find_version_file(call.in_path["artifact_path"])) is not None:
        return version_artifacts.download(call, file)
    _require_path(call, call.in_path["artifact_path"], ExperimentLevel.CAN_READ)
    return keep_from_running(forward_file(_overlaid(call)))


def upload(call: Call) -> HttpResponse:
    """Take a file in as it arrives. The right is asked for before the first byte, and again before the last."""
    _refuse_version_file(call)
    path = call.in_path["artifact_path"]
    _require_path(call, path, ExperimentLevel.CAN_EDIT)
    if int(call.request.headers.get("Content-Length") or 0) > settings.MAX_FILE_BYTES:
        raise TooLarge(f"The file is larger than {settings.MAX_FILE_BYTES} bytes.")

    def recheck() -> None:
        _require_path(replace(call, actor=renewed(call.actor)), path, ExperimentLevel.CAN_EDIT)

    return forward_upload(_overlaid(call), held_back(_limited(call, settings.MAX_FILE_BYTES), recheck))


def _overlaid(call: Call) -> Call:
    """The call, pointed at the logged model's file where the run itself has none of that name."""
    path = check_artifact_path(call.in_path["artifact_path"])
    found = overlaid_tree(path)
    return call if found == path else replace(call, target=target_path(f"{_FILES}/{found}"))


def _limited(call: Call, limit: int) -> Iterator[bytes]:
    size = 0
    for chunk in body_chunks(call.request):
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"The file is larger than {limit} bytes.")
        yield chunk


def delete(call: Call) -> HttpResponse:
    """Delete a file or folder."""
    _refuse_version_file(call)
    path = call.in_path["artifact_path"]
    experiment_id = _require_path(call, path, ExperimentLevel.CAN_EDIT)
    response = forward_json(replace(call, parameters={}))
    if response.status_code < 300:
        record_write(
            actor=call.actor,
            experiment_id=experiment_id,
            action="deleteMlflowArtifact",
            params={"path": path},
        )
    return response


def _refuse_version_file(call: Call) -> None:
    if is_of_version(call.in_path["artifact_path"]):
        raise AccessDenied("The files of a registered version never change: register a new version.")


def list_folder(call: Call) -> HttpResponse:
    """List a folder; the first segment of `path` is the experiment."""
    call = replace(call, parameters=query_parameters(call.request))
    if (folder := version_artifacts.find_version_file(call.text("path"))) is not None:
        return version_artifacts.list_folder(call, folder)
    _require_path(call, call.text("path"), ExperimentLevel.CAN_READ)
    return forward_get(call)


def _require_path(call: Call, path: str, level: ExperimentLevel) -> str:
    experiment_id = check_artifact_path(path).split("/")[0]
    require_level(
        actor=call.actor,
        experiment_id=experiment_id,
        level=level,
        hidden_as=f"No such artifact: '{path}'",
    )
    return experiment_id
