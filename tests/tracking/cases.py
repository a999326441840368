"""One request for every route that touches an experiment, as data: what it sends, and the level it needs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.tracking.conftest import Things, trace_body

V2 = "/api/2.0/mlflow"
V3 = "/api/3.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"


ONLY_FOR_THE_UI = {
    "/metrics/get-history-bulk",
    "/upload-artifact",
    "/get-trace-artifact",
    "/experiments/search-datasets",
}


@dataclass(frozen=True)
class Case:
    method: str
    template: str
    level: str
    send: Callable[[Things], dict[str, Any]]
    in_query: bool = False
    ok: tuple[int, ...] = (200,)

    def __str__(self):
        return f"{self.method} {self.template}"

    def path(self, things):
        named = {"<model_id>": things.model, "<trace_id>": things.trace, "<request_id>": things.trace}
        if "/2.0/mlflow/traces" in self.template:
            named["<request_id>"] = things.v2_trace
        path = self.template
        if path.removeprefix(V2).removeprefix(V3) in ONLY_FOR_THE_UI:
            path = path.replace("/api/", "/ajax-api/")
        for placeholder, value in named.items():
            path = path.replace(placeholder, value)
        path = path.replace("<tag_key>", "k").replace("<assessment_id>", "a-1")
        return path.replace("<path:artifact_path>", f"{things.experiment}/{things.run}/artifacts/file.txt")


def _none(_things):
    return {}


def _run(**more):
    return lambda things: {"run_id": things.run, **more}


def _experiment(**more):
    return lambda things: {"experiment_id": things.experiment, **more}


READ, EDIT, MANAGE = "CAN_READ", "CAN_EDIT", "CAN_MANAGE"
_METRIC = {"key": "m", "value": 1.0, "timestamp": 1, "step": 1}
_NO_ASSESSMENT = (200, 404)
_ASSESSMENT = {
    "assessment_name": "good",
    "source": {"source_type": "HUMAN", "source_id": "x"},
    "feedback": {"value": True},
}

CASES = [
    Case("GET", f"{V2}/experiments/get", READ, _experiment(), in_query=True),
    Case("GET", f"{V2}/experiments/get-by-name", READ, lambda t: {"experiment_name": t.name}, in_query=True),
    Case("POST", f"{V2}/experiments/update", MANAGE, lambda t: {**_experiment()(t), "new_name": t.name + "-2"}),
    Case("POST", f"{V2}/experiments/delete", MANAGE, _experiment()),
    Case("POST", f"{V2}/experiments/set-experiment-tag", EDIT, _experiment(key="k", value="v")),
    Case("POST", f"{V2}/experiments/delete-experiment-tag", EDIT, _experiment(key="k"), ok=(200, 404)),
    Case("POST", f"{V2}/runs/create", EDIT, _experiment()),
    Case("GET", f"{V2}/runs/get", READ, _run(), in_query=True),
    Case("POST", f"{V2}/runs/update", EDIT, _run(status="FINISHED")),
    Case("POST", f"{V2}/runs/delete", EDIT, _run()),
    Case("POST", f"{V2}/runs/restore", EDIT, _run(), ok=(200, 400)),
    Case("POST", f"{V2}/runs/log-metric", EDIT, _run(**_METRIC)),
    Case("POST", f"{V2}/runs/log-parameter", EDIT, _run(key="p", value="1")),
    Case("POST", f"{V2}/runs/log-batch", EDIT, _run(metrics=[_METRIC])),
    Case("POST", f"{V2}/runs/log-model", EDIT, _run(model_json="{}"), ok=(400,)),
    Case("POST", f"{V2}/runs/log-inputs", EDIT, lambda t: {"run_id": t.run, "models": [{"model_id": t.model}]}),
    Case(
        "POST", f"{V2}/runs/outputs", EDIT, lambda t: {"run_id": t.run, "models": [{"model_id": t.model, "step": 0}]}
    ),
    Case("POST", f"{V2}/runs/set-tag", EDIT, _run(key="k", value="v")),
    Case("POST", f"{V2}/runs/delete-tag", EDIT, _run(key="k"), ok=(200, 404)),
    Case("GET", f"{V2}/metrics/get-history", READ, _run(metric_key="acc"), in_query=True),
    Case("GET", f"{V2}/metrics/get-history-bulk", READ, _run(metric_key="acc"), in_query=True),
    Case(
        "GET",
        f"{V2}/metrics/get-history-bulk-interval",
        READ,
        lambda t: {"run_ids": t.run, "metric_key": "acc"},
        in_query=True,
    ),
    Case("POST", f"{V2}/logged-models", EDIT, _experiment(name="other")),
    Case("GET", f"{V2}/logged-models/<model_id>", READ, _none, in_query=True),
    Case(
        "PATCH",
        f"{V2}/logged-models/<model_id>",
        EDIT,
        lambda t: {"model_id": t.model, "status": "LOGGED_MODEL_READY"},
    ),
    Case("DELETE", f"{V2}/logged-models/<model_id>", EDIT, _none),
    Case("PATCH", f"{V2}/logged-models/<model_id>/tags", EDIT, lambda _: {"tags": [{"key": "k", "value": "v"}]}),
    Case("DELETE", f"{V2}/logged-models/<model_id>/tags/<tag_key>", EDIT, _none, ok=(200, 404)),
    Case(
        "POST",
        f"{V2}/logged-models/<model_id>/params",
        EDIT,
        lambda t: {"model_id": t.model, "params": [{"key": "k", "value": "v"}]},
    ),
    Case("GET", f"{V2}/logged-models/<model_id>/artifacts/directories", READ, _none, in_query=True),
    Case(
        "GET",
        f"{V2}/logged-models/<model_id>/artifacts/files",
        READ,
        lambda _: {"artifact_file_path": "MLmodel"},
        in_query=True,
        ok=(404,),
    ),
    Case("POST", f"{V2}/traces", EDIT, _experiment(timestamp_ms=1)),
    Case("PATCH", f"{V2}/traces/<request_id>", EDIT, lambda _: {"timestamp_ms": 2, "status": "OK"}),
    Case("GET", f"{V2}/traces/<request_id>/info", READ, _none, in_query=True),
    Case("PATCH", f"{V2}/traces/<request_id>/tags", EDIT, lambda _: {"key": "k", "value": "v"}),
    Case("DELETE", f"{V2}/traces/<request_id>/tags", EDIT, lambda _: {"key": "k"}, ok=(200, 404)),
    Case("POST", f"{V2}/traces/delete-traces", EDIT, _experiment(max_timestamp_millis=1)),
    Case("POST", f"{V2}/traces/link-to-run", EDIT, lambda t: {"run_id": t.run, "trace_ids": [t.trace]}),
    Case(
        "POST",
        f"{V2}/traces/link-prompts",
        EDIT,
        lambda t: {"trace_id": t.trace, "prompt_versions": [{"name": "p", "version": "1"}]},
    ),
    Case("GET", f"{V2}/traces/<request_id>/credentials-for-data-upload", EDIT, _none, in_query=True),
    Case("GET", f"{V2}/traces/<request_id>/credentials-for-data-download", READ, _none, in_query=True),
    Case("GET", f"{V2}/get-trace-artifact", READ, lambda t: {"request_id": t.trace}, in_query=True, ok=(404,)),
    Case("GET", f"{V3}/get-trace-artifact", READ, lambda t: {"request_id": t.trace}, in_query=True, ok=(404,)),
    Case("POST", f"{V3}/traces", EDIT, lambda t: trace_body(t.experiment, t.trace)),
    Case("GET", f"{V3}/traces/<trace_id>", READ, _none, in_query=True),
    Case("PATCH", f"{V3}/traces/<trace_id>/tags", EDIT, lambda _: {"key": "k", "value": "v"}),
    Case("DELETE", f"{V3}/traces/<trace_id>/tags", EDIT, lambda _: {"key": "k"}, ok=(200, 404)),
    Case("GET", f"{V3}/traces/get", READ, lambda t: {"trace_id": t.trace}, in_query=True, ok=(500,)),
    Case("GET", f"{V3}/traces/batchGet", READ, lambda t: {"trace_ids": t.trace}, in_query=True, ok=(500,)),
    Case("POST", f"{V3}/traces/batchGetInfos", READ, lambda t: {"trace_ids": [t.trace]}),
    Case("POST", f"{V3}/traces/delete-traces", EDIT, _experiment(max_timestamp_millis=1)),
    Case("POST", f"{V3}/traces/<trace_id>/assessments", EDIT, lambda _: {"assessment": _ASSESSMENT}),
    Case("GET", f"{V3}/traces/<trace_id>/assessments/<assessment_id>", READ, _none, in_query=True, ok=_NO_ASSESSMENT),
    Case(
        "PATCH",
        f"{V3}/traces/<trace_id>/assessments/<assessment_id>",
        EDIT,
        lambda _: {"assessment": {}, "update_mask": ""},
        ok=(200, 400, 404),
    ),
    Case("DELETE", f"{V3}/traces/<trace_id>/assessments/<assessment_id>", EDIT, _none, ok=_NO_ASSESSMENT),
    Case("GET", f"{V2}/artifacts/list", READ, _run(), in_query=True),
    Case("GET", "/get-artifact", READ, _run(path="file.txt"), in_query=True, ok=(404,)),
    Case("POST", f"{V2}/upload-artifact", EDIT, lambda t: {"run_uuid": t.run, "path": "a.txt"}, in_query=True),
    Case("GET", FILES, READ, lambda t: {"path": f"{t.experiment}/{t.run}"}, in_query=True),
    Case("GET", f"{FILES}/<path:artifact_path>", READ, _none, in_query=True, ok=(404,)),
    Case("PUT", f"{FILES}/<path:artifact_path>", EDIT, lambda _: {"any": "bytes"}),
    Case("DELETE", f"{FILES}/<path:artifact_path>", EDIT, _none, ok=(200, 404)),
]

SEARCHES = [
    Case("POST", f"{V2}/experiments/search-datasets", READ, lambda t: {"experiment_ids": [t.experiment]}),
    Case("POST", f"{V2}/runs/search", READ, lambda t: {"experiment_ids": [t.experiment]}),
    Case("POST", f"{V2}/logged-models/search", READ, lambda t: {"experiment_ids": [t.experiment]}),
    Case("GET", f"{V2}/traces", READ, lambda t: {"experiment_ids": t.experiment}, in_query=True),
    Case(
        "POST",
        f"{V3}/traces/search",
        READ,
        lambda t: {
            "locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": t.experiment}}]
        },
    ),
    Case(
        "POST",
        f"{V3}/traces/metrics",
        READ,
        lambda t: {
            "experiment_ids": [t.experiment],
            "view_type": "TRACES",
            "metric_name": "trace_count",
            "aggregations": [{"aggregation_type": "COUNT"}],
        },
    ),
    Case(
        "POST",
        f"{V3}/traces/calculate-filter-correlation",
        READ,
        lambda t: {
            "experiment_ids": [t.experiment],
            "filter_string1": "trace.status = 'OK'",
            "filter_string2": "trace.status = 'ERROR'",
        },
    ),
]

NO_EXPERIMENT = {
    ("POST", f"{V2}/experiments/create"),
    ("GET", f"{V2}/experiments/search"),
    ("POST", f"{V2}/experiments/search"),
    ("POST", f"{V2}/experiments/restore"),
    ("POST", "/v1/traces"),
    ("POST", "/api/2.0/mlflow-artifacts/mpu/create/<path:artifact_path>"),
    ("GET", "/api/2.0/mlflow-artifacts/presigned/<path:artifact_path>"),
    ("POST", f"{V2}/artifacts/presigned-download-url"),
    ("POST", f"{V2}/artifacts/presigned-upload-url"),
    ("POST", "/graphql"),
    ("GET", "/version"),
    ("GET", "/health"),
    ("GET", f"{V3}/server-info"),
    ("GET", f"{V3}/ui-telemetry"),
    ("POST", f"{V3}/ui-telemetry"),
    ("POST", f"{V2}/client-telemetry/ingest"),
    ("GET", "/"),
    ("GET", "/static-files/<path:file_path>"),
}
"""Routes with tests of their own, or that touch no experiment."""
