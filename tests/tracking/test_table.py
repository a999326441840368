"""The table against the tracking server that is installed: a route it gains is refused until somebody decides."""

import json
import re
import subprocess
import sys

import pytest

from registry.api.tracking.calls import canonical_path
from registry.api.tracking.routes import TABLE, find_route

_LIST_ROUTES = """
import json, logging, warnings
warnings.simplefilter("ignore")
from mlflow.server.fastapi_app import app as outer
from mlflow.server import app as inner
from mlflow.server.artifact_router import artifact_router
from mlflow.server.assistant.api import assistant_router
from mlflow.server.gateway_api import gateway_router
from mlflow.server.job_api import job_api_router
from mlflow.server.mcp_server_api import mcp_server_router
from mlflow.server.otel_api import otel_router
found = {(m, str(r)) for r in inner.url_map.iter_rules() for m in r.methods - {"HEAD", "OPTIONS"}}
for prefix, router in [("", artifact_router), ("", assistant_router), ("", gateway_router), ("", job_api_router),
                       ("/api/3.0/mlflow/mcp-servers", mcp_server_router), ("", otel_router)]:
    found |= {(m, prefix + r.path) for r in router.routes for m in r.methods}
print(json.dumps(sorted(found)))
"""

OUR_REGISTRY = re.compile(r"/api/2\.0/mlflow/((registered-models|model-versions)/.*|webhooks(/.*)?)")
REFUSED = re.compile(
    "|".join(
        [
            # Features that would act outside of any experiment, call other services, or run code on the server.
            r"/api/3\.0/mlflow/(gateway|scorers?|prompt-optimization|jobs|issues|demo|genai|workspaces)(/.*)?",
            r"/api/3\.0/mlflow/(datasets|label-schemas|review-queues|mcp-servers)(/.*)?",
            r"/api/2\.0/mlflow/(gateway-proxy|runs/create-promptlab-run)",
            r"/api/3\.0/(jobs|mlflow/assistant)(/.*)?",
            r"/gateway/.*",
            # Not implemented by the tracking server, or served from elsewhere.
            r"/api/2\.0/mlflow/(get-online-trace-details|unified-traces)",
            r"/api/2\.0mlflow/.*",
            r"/build/.*",
            r"/model-versions/get-artifact",
            r"/api/2\.0/mlflow-artifacts/mpu/(abort|complete)/.*",
        ]
    )
)
ONLY_OURS = {
    ("POST", "/api/2.0/mlflow/client-telemetry/ingest"),
    ("GET", "/api/2.0/mlflow/traces/<request_id>/credentials-for-data-upload"),
    ("GET", "/api/2.0/mlflow/traces/<request_id>/credentials-for-data-download"),
}
"""Clients of the workspace kind ask for these; the tracking server does not know them."""


@pytest.fixture(scope="module")
def installed():
    listed = subprocess.run([sys.executable, "-c", _LIST_ROUTES], capture_output=True, text=True, check=True)
    return {(method, canonical_path(path)) for method, path in json.loads(listed.stdout.splitlines()[-1])}


def _template(path):
    return re.sub(r"<(?:path:)?\w+>|\{\w+(?::path)?\}", "<>", path)


@pytest.mark.client
def test_every_installed_route_is_decided(installed):
    ours = {(method, _template(path)) for method, path in TABLE}
    undecided = {
        (method, path)
        for method, path in installed
        if (method, _template(path)) not in ours and not OUR_REGISTRY.fullmatch(path) and not REFUSED.fullmatch(path)
    }
    assert undecided == {("GET", "/graphql")}


@pytest.mark.client
def test_the_table_names_no_route_that_is_gone(installed):
    theirs = {(method, _template(path)) for method, path in installed}
    gone = {route for route in TABLE if (route[0], _template(route[1])) not in theirs}
    assert gone == ONLY_OURS


@pytest.mark.client
def test_refused_routes_match_nothing_in_the_table(installed):
    for method, path in installed:
        if OUR_REGISTRY.fullmatch(path) or REFUSED.fullmatch(path):
            assert find_route(method, re.sub(r"[<{][^>}]*[>}]", "x", path)) is None, path


@pytest.mark.parametrize(
    "path",
    [
        "/api/3.0/mlflow/gateway/secrets/list",
        "/ajax-api/3.0/mlflow/gateway/supported-providers",
        "/mlflow/ajax-api/3.0/mlflow/scorers/list",
        "/api/2.0/mlflow/webhooks",
        "/api/2.0/mlflow/no-such-route",
        "/ajax-api/3.0/jobs/1",
        "/mlflow/metrics",
        "/mlflow/gateway/x/mlflow/invocations",
        "/api/4.0/mlflow/traces/search-long-running",
        "/mlflow/mlflow/version",
        "/mlflow/docs",
        "/mlflow/openapi.json",
        "/mlflow//graphql",
        "/api/2.0/mlflow//runs/get",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_an_unknown_route_is_refused(method, path, tracking, admin):
    response = admin.call(method, path, {"run_id": "x"} if method != "GET" else None)
    assert response.status_code == 404
    assert response.json()["error_code"] == "ENDPOINT_NOT_FOUND"


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT"])
def test_an_unknown_method_is_refused(method, tracking, admin):
    assert admin.call(method, "/api/2.0/mlflow/runs/get").status_code == 404
