"""Every route of the tracking server that is passed on, and what it needs. What is not listed here is refused.

Paths are spelled with `/api/`; the UI's twins under `/ajax-api/` and everything below `/mlflow/` mean the same.
"""

import re
from dataclasses import dataclass

from registry.api.tracking import artifacts, experiments, graphql, pages, trace_credentials
from registry.api.tracking.policies import (
    Handler,
    Policy,
    checked_file,
    checked_get,
    checked_json,
    checked_query_upload,
    constant,
    new_trace,
    not_offered,
    open_json,
    refuse_reserved_tag,
    search,
    without_reserved_tags,
)
from registry.api.tracking.references import Kind
from registry.models import ExperimentLevel

CAN_READ, CAN_EDIT, CAN_MANAGE = ExperimentLevel.CAN_READ, ExperimentLevel.CAN_EDIT, ExperimentLevel.CAN_MANAGE

_V2 = "/api/2.0/mlflow"
_V3 = "/api/3.0/mlflow"
_FILES = "/api/2.0/mlflow-artifacts"

_EXPERIMENT = ("experiment_id",)
_RUN = ("run_id", "run_uuid")
_TRACES = frozenset({Kind.TRACE})

_read_experiment = checked_get(Policy(CAN_READ, _EXPERIMENT))
_edit_experiment = checked_json(Policy(CAN_EDIT, _EXPERIMENT))
_read_run = checked_get(Policy(CAN_READ, _RUN))
_edit_run = checked_json(Policy(CAN_EDIT, _RUN))
_read_model = checked_get(Policy(CAN_READ, ("model_id",)))
_edit_model = checked_json(Policy(CAN_EDIT, ("model_id",)))
_read_trace = checked_get(Policy(CAN_READ, ("trace_id", "request_id")))
_edit_trace = checked_json(Policy(CAN_EDIT, ("trace_id", "request_id")))
_tag_trace = checked_json(Policy(CAN_EDIT, ("trace_id", "request_id")), refuse_reserved_tag)
_delete_traces = checked_json(Policy(CAN_EDIT, _EXPERIMENT, ignores=_TRACES, audit="deleteMlflowTraces"))
_trace_file = checked_file(Policy(CAN_READ, ("request_id",)))
_no_multipart = not_offered("Multipart upload is not offered here: send the file in one request.")
_no_presigned = not_offered("Presigned URLs are not offered here: send and fetch files through the server.")

TABLE: dict[tuple[str, str], Handler] = {
    # Experiments.
    ("POST", f"{_V2}/experiments/create"): experiments.create,
    ("GET", f"{_V2}/experiments/get"): _read_experiment,
    ("GET", f"{_V2}/experiments/get-by-name"): experiments.get_by_name,
    ("GET", f"{_V2}/experiments/search"): experiments.search,
    ("POST", f"{_V2}/experiments/search"): experiments.search,
    ("POST", f"{_V2}/experiments/update"): experiments.update,
    ("POST", f"{_V2}/experiments/delete"): experiments.delete,
    ("POST", f"{_V2}/experiments/restore"): experiments.restore,
    ("POST", f"{_V2}/experiments/set-experiment-tag"): _edit_experiment,
    ("POST", f"{_V2}/experiments/delete-experiment-tag"): _edit_experiment,
    ("POST", f"{_V2}/experiments/search-datasets"): search("experiment_ids"),
    # Runs.
    ("POST", f"{_V2}/runs/create"): _edit_experiment,
    ("GET", f"{_V2}/runs/get"): _read_run,
    ("POST", f"{_V2}/runs/update"): _edit_run,
    ("POST", f"{_V2}/runs/delete"): checked_json(Policy(CAN_EDIT, _RUN, audit="deleteMlflowRun")),
    ("POST", f"{_V2}/runs/restore"): checked_json(Policy(CAN_EDIT, _RUN, audit="restoreMlflowRun")),
    ("POST", f"{_V2}/runs/search"): search("experiment_ids"),
    ("POST", f"{_V2}/runs/log-metric"): _edit_run,
    ("POST", f"{_V2}/runs/log-parameter"): _edit_run,
    ("POST", f"{_V2}/runs/log-batch"): _edit_run,
    ("POST", f"{_V2}/runs/log-model"): _edit_run,
    ("POST", f"{_V2}/runs/log-inputs"): checked_json(Policy(CAN_EDIT, _RUN, reading=frozenset({"model_id"}))),
    ("POST", f"{_V2}/runs/outputs"): _edit_run,
    ("POST", f"{_V2}/runs/set-tag"): _edit_run,
    ("POST", f"{_V2}/runs/delete-tag"): _edit_run,
    ("GET", f"{_V2}/metrics/get-history"): _read_run,
    ("GET", f"{_V2}/metrics/get-history-bulk"): _read_run,
    ("GET", f"{_V2}/metrics/get-history-bulk-interval"): checked_get(Policy(CAN_READ, ("run_ids",))),
    # Logged models.
    ("POST", f"{_V2}/logged-models"): checked_json(
        Policy(CAN_EDIT, _EXPERIMENT, reading=frozenset({"source_run_id"}))
    ),
    ("POST", f"{_V2}/logged-models/search"): search("experiment_ids"),
    ("GET", f"{_V2}/logged-models/<model_id>"): _read_model,
    ("PATCH", f"{_V2}/logged-models/<model_id>"): _edit_model,
    ("DELETE", f"{_V2}/logged-models/<model_id>"): checked_json(
        Policy(CAN_EDIT, ("model_id",), audit="deleteMlflowLoggedModel")
    ),
    ("PATCH", f"{_V2}/logged-models/<model_id>/tags"): _edit_model,
    ("DELETE", f"{_V2}/logged-models/<model_id>/tags/<tag_key>"): _edit_model,
    ("POST", f"{_V2}/logged-models/<model_id>/params"): _edit_model,
    ("GET", f"{_V2}/logged-models/<model_id>/artifacts/directories"): _read_model,
    ("GET", f"{_V2}/logged-models/<model_id>/artifacts/files"): checked_file(Policy(CAN_READ, ("model_id",))),
    # Traces, the older spelling and the newer.
    ("GET", f"{_V2}/traces"): search("experiment_ids"),
    ("POST", f"{_V2}/traces"): checked_json(Policy(CAN_EDIT, _EXPERIMENT), without_reserved_tags),
    ("PATCH", f"{_V2}/traces/<request_id>"): checked_json(Policy(CAN_EDIT, ("request_id",)), without_reserved_tags),
    ("GET", f"{_V2}/traces/<request_id>/info"): _read_trace,
    ("PATCH", f"{_V2}/traces/<request_id>/tags"): _tag_trace,
    ("DELETE", f"{_V2}/traces/<request_id>/tags"): _tag_trace,
    ("POST", f"{_V2}/traces/delete-traces"): _delete_traces,
    ("POST", f"{_V2}/traces/link-to-run"): checked_json(
        Policy(CAN_EDIT, ("run_id",), reading=frozenset({"trace_ids"}))
    ),
    ("POST", f"{_V2}/traces/link-prompts"): _edit_trace,
    ("GET", f"{_V2}/traces/<request_id>/credentials-for-data-upload"): trace_credentials.upload,
    ("GET", f"{_V2}/traces/<request_id>/credentials-for-data-download"): trace_credentials.download,
    ("GET", f"{_V2}/get-trace-artifact"): _trace_file,
    ("GET", f"{_V3}/get-trace-artifact"): _trace_file,
    ("POST", f"{_V3}/traces"): checked_json(Policy(CAN_EDIT, new_traces=True), new_trace),
    ("GET", f"{_V3}/traces/<trace_id>"): _read_trace,
    ("PATCH", f"{_V3}/traces/<trace_id>/tags"): _tag_trace,
    ("DELETE", f"{_V3}/traces/<trace_id>/tags"): _tag_trace,
    ("GET", f"{_V3}/traces/get"): _read_trace,
    ("GET", f"{_V3}/traces/batchGet"): checked_get(Policy(CAN_READ, ("trace_ids",))),
    ("POST", f"{_V3}/traces/batchGetInfos"): checked_json(Policy(CAN_READ, ("trace_ids",))),
    ("POST", f"{_V3}/traces/search"): search("locations"),
    ("POST", f"{_V3}/traces/metrics"): search("experiment_ids"),
    ("POST", f"{_V3}/traces/calculate-filter-correlation"): search("experiment_ids"),
    ("POST", f"{_V3}/traces/delete-traces"): _delete_traces,
    ("POST", f"{_V3}/traces/<trace_id>/assessments"): _edit_trace,
    ("GET", f"{_V3}/traces/<trace_id>/assessments/<assessment_id>"): _read_trace,
    ("PATCH", f"{_V3}/traces/<trace_id>/assessments/<assessment_id>"): _edit_trace,
    ("DELETE", f"{_V3}/traces/<trace_id>/assessments/<assessment_id>"): _edit_trace,
    ("POST", "/v1/traces"): not_offered("REST OTLP span logging is not supported by this server."),
    # Files.
    ("GET", f"{_V2}/artifacts/list"): _read_run,
    ("GET", "/get-artifact"): checked_file(Policy(CAN_READ, _RUN)),
    ("POST", f"{_V2}/upload-artifact"): checked_query_upload(Policy(CAN_EDIT, _RUN)),
    ("GET", f"{_FILES}/artifacts"): artifacts.list_folder,
    ("GET", f"{_FILES}/artifacts/<path:artifact_path>"): artifacts.download,
    ("PUT", f"{_FILES}/artifacts/<path:artifact_path>"): artifacts.upload,
    ("DELETE", f"{_FILES}/artifacts/<path:artifact_path>"): artifacts.delete,
    ("POST", f"{_FILES}/mpu/create/<path:artifact_path>"): _no_multipart,
    ("GET", f"{_FILES}/presigned/<path:artifact_path>"): _no_presigned,
    ("POST", f"{_V2}/artifacts/presigned-download-url"): _no_presigned,
    ("POST", f"{_V2}/artifacts/presigned-upload-url"): _no_presigned,
    # The server and its UI.
    ("POST", "/graphql"): graphql.execute,
    ("GET", "/version"): open_json,
    ("GET", "/health"): open_json,
    ("GET", f"{_V3}/server-info"): open_json,
    ("GET", f"{_V3}/ui-telemetry"): constant(
        {"disable_ui_telemetry": True, "disable_ui_events": [], "ui_rollout_percentage": 0}
    ),
    ("POST", f"{_V3}/ui-telemetry"): constant({"status": "disabled"}),
    ("POST", f"{_V2}/client-telemetry/ingest"): constant({}),
    ("GET", "/"): pages.index,
    ("GET", "/static-files/<path:file_path>"): pages.static_file,
}


@dataclass(frozen=True)
class Route:
    """One entry of the table, ready to be matched."""

    method: str
    pattern: re.Pattern[str]
    handler: Handler


def _compile(template: str) -> re.Pattern[str]:
    """`<name>` stands for one segment, `<path:name>` for the rest of the path."""

    def placeholder(match: re.Match[str]) -> str:
        return f"(?P<{match['name']}>{'.+' if match['path'] else '[^/]+'})"

    return re.compile(re.sub(r"<(?P<path>path:)?(?P<name>\w+)>", placeholder, template), re.DOTALL)


# A literal path wins over one with a placeholder, as `traces/get` over `traces/<trace_id>`.
_ROUTES = sorted(
    (Route(method, _compile(template), handler) for (method, template), handler in TABLE.items()),
    key=lambda route: "(?P<" in route.pattern.pattern,
)


def find_route(method: str, path: str) -> tuple[Handler, dict[str, str]] | None:
    """The handler for a canonical path, and what the path names; None for a route that is not in the table."""
    wanted = "GET" if method == "HEAD" else method
    for route in _ROUTES:
        if route.method == wanted and (match := route.pattern.fullmatch(path)):
            return route.handler, match.groupdict()
    return None
