"""The UI's GraphQL cannot be used to read past the rights."""

import pytest

from tests.tracking.cases import V2
from tests.tracking.conftest import unique

RUN_QUERY = "query GetRun($data: MlflowGetRunInput!) { mlflowGetRun(input: $data) { run { info { runUuid } } } }"


def _ask(caller, query, variables=None, **more):
    return caller.post("/graphql", {"query": query, "variables": variables, **more})


def test_the_uis_own_query_works(things, alice, bob):
    found = _ask(alice, RUN_QUERY, {"data": {"runId": things.run}}, operationName="GetRun")
    assert found.json()["data"]["mlflowGetRun"]["run"]["info"]["runUuid"] == things.run
    assert _ask(bob, RUN_QUERY, {"data": {"runId": things.run}}).status_code == 404


ATTEMPTS = [
    '{ mlflowGetRun(input: {runId: "%(run)s"}) { run { info { runUuid } } } }',
    '{ mlflowGetRun(input: {runUuid: "%(run)s"}) { run { info { runUuid } } } }',
    '{ mlflowGetRun(input: {runId: "%(own)s", runUuid: "%(run)s"}) { run { info { runUuid } } } }',
    (
        '{ a: mlflowGetRun(input: {runId: "%(own)s"}) { __typename } b: mlflowGetRun(input: {runId: "%(run)s"}) '
        "{ run { info { runUuid } } } }"
    ),
    '{ ...F } fragment F on Query { mlflowGetRun(input: {runId: "%(run)s"}) { run { info { runUuid } } } }',
    '{ ... on Query { mlflowGetRun(input: {runId: "%(run)s"}) { run { info { runUuid } } } } }',
    'query A { __typename } query B { mlflowGetRun(input: {runId: "%(run)s"}) { run { info { runUuid } } } }',
    '{ mlflowGetExperiment(input: {experimentId: "%(experiment)s"}) { experiment { name } } }',
    '{ mlflowListArtifacts(input: {runId: "%(run)s"}) { rootUri } }',
    (
        '{ mlflowGetMetricHistoryBulkInterval(input: {runIds: ["%(own)s", "%(run)s"], metricKey: "acc"}) '
        "{ metrics { value } } }"
    ),
    '{ mlflowGetMetricHistoryBulkInterval(input: {runIds: "%(run)s", metricKey: "acc"}) { metrics { value } } }',
    '{ mlflowSearchRuns(input: {experimentIds: ["%(experiment)s"]}) { runs { info { runUuid } } } }',
    'mutation { mlflowSearchRuns(input: {experimentIds: ["%(experiment)s"]}) { runs { info { runUuid } } } }',
    'mutation { mlflowSearchDatasets(input: {experimentIds: ["%(experiment)s"]}) { datasetSummaries { name } } }',
]


@pytest.mark.parametrize("query", ATTEMPTS)
def test_ids_are_found_wherever_they_stand(query, things, bob):
    own_experiment = bob.post(f"{V2}/experiments/create", {"name": unique()}).json()["experiment_id"]
    own = bob.post(f"{V2}/runs/create", {"experiment_id": own_experiment}).json()["run"]["info"]["run_id"]
    names = {"run": things.run, "own": own, "experiment": things.experiment}
    for path in ("/graphql", "/mlflow/graphql"):
        response = bob.post(path, {"query": query % names, "operationName": "A" if "query A" in query else None})
        assert response.status_code == 404, response.content
        assert "data" not in response.json()


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ('query Q($data: MlflowGetRunInput = {runId: "%(run)s"}) { mlflowGetRun(input: $data) { __typename } }', 400),
        ("{ mlflowGetRun(input: {}) { __typename } }", 400),
        ("{ mlflowGetRun { __typename } }", 400),
        ("{ mlflowSearchRuns(input: {experimentIds: []}) { __typename } }", 400),
        ("{ mlflowSearchModelVersions(input: {}) { modelVersions { name } } }", 403),
        ("{ __schema { types { name } } }", 403),
        ('{ test(inputString: "x") { output } }', 403),
        ("{ ...F } fragment F on Query { ...F }", 400),
        ("{ ...Missing }", 400),
        ("type Query { a: String }", 400),
        ("{ mlflowGetRun(", 400),
        ("", 400),
        ("{" * 3000, 400),
    ],
)
def test_what_is_not_checked_is_refused(query, status, things, bob, alice):
    response = _ask(alice, query.replace("%(run)s", things.run))
    assert response.status_code == status, response.content
    assert set(response.json()) == {"error_code", "message"}


def test_a_batch_is_refused(things, bob):
    response = bob.post("/graphql", [{"query": RUN_QUERY, "variables": {"data": {"runId": things.run}}}])
    assert response.status_code == 400
