"""Scoring over REST: planned and begun, in the shapes of the document."""

import pytest

from registry.models import Operation
from tests.serving.scoring.conftest import MODEL, SOURCE, TARGET
from tests.sql.conftest import lake  # noqa: F401  (a fixture)

pytestmark = pytest.mark.django_db
ROOT = "/api/modelkeep/model-versions"


def test_a_table_is_planned_and_scored(field, client):
    def send(call, who="owner", **body):
        headers = field.lake.headers(who)
        answer = client.post(f"{ROOT}:{call}", body, content_type="application/json", headers=headers)
        return answer.status_code, answer.json()

    asked = {"name": MODEL, "version": "1", "source": SOURCE, "target": TARGET}
    status, plan = send("plan-score", **asked)
    assert (status, plan["allowed"], plan["rows"], plan["prediction_type"]) == (200, True, 3, "double")
    assert plan["inputs"][0] == {
        "input": "distance",
        "type": "double",
        "column": "distance",
        "column_type": "int64",
        "problem": "",
    }
    assert send("score", who="outsider", **asked)[0] == 404
    assert send("score", **asked, columns="id")[0] == 400
    assert send("score", **{**asked, "target": "x"})[1]["error_code"] == "INVALID_PARAMETER_VALUE"
    status, begun = send("score", **asked)
    operation = Operation.objects.get(kind="score_table")
    assert (status, begun) == (
        200,
        {"operation_id": str(operation.pk), "version": "1", "source_version": 0, "rows": 3},
    )
