"""A table is scored by an operation: it answers at once, and is followed under operations/{id}."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.wire import actor_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.services.table_uploads import CREATE
from serving.services.scoring_plans import ScoringRequest, plan_scoring
from serving.services.table_scoring import score_table


def _asked(request: Request) -> ScoringRequest:
    parameters = parameters_of(request)
    return ScoringRequest(
        name=text_of(parameters, "name", required=True),
        version=parameters.get("version"),
        alias=text_of(parameters, "alias"),
        source=text_of(parameters, "source", required=True),
        target=text_of(parameters, "target", required=True),
        mode=text_of(parameters, "mode") or CREATE,
        columns=_names(parameters, "columns"),
        input_columns=_names(parameters, "input_columns"),
    )


def _names(parameters: Any, field: str) -> list[str]:
    names = parameters.get(field) or []
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise InvalidParameter(f"'{field}' must be a list of names of columns.", field=field)
    return names


class Score(APIView):
    """POST model-versions:score."""

    def post(self, request: Request) -> Response:
        """Have a version score all rows that a table has now, into another table."""
        operation = score_table(actor=actor_of(request), asked=_asked(request))
        facts = {key: operation.params[key] for key in ("source_version", "rows")}
        version = str(operation.params["version"])
        return object_response({"operation_id": str(operation.pk), "version": version, **facts})


class PlanScore(APIView):
    """POST model-versions:plan-score."""

    def post(self, request: Request) -> Response:
        """Tell what scoring would take, and change nothing."""
        plan = plan_scoring(actor=actor_of(request), asked=_asked(request))
        return object_response(
            {
                "allowed": plan.allowed,
                "version": str(plan.version.version),
                "needs": [
                    {
                        "right": need.what,
                        "securable_type": need.securable.type,
                        "securable": need.securable.full_name,
                        "owner": need.securable.owner.name,
                        "met": need.met,
                    }
                    for need in plan.needs
                ],
                "blockers": plan.blockers,
                "source_version": plan.source_version,
                "rows": plan.rows,
                "inputs": [
                    {
                        "input": match.input,
                        "type": match.type,
                        "column": match.column,
                        "column_type": match.column_type,
                        "problem": match.problem,
                    }
                    for match in plan.matches
                ],
                "columns": plan.columns,
                "prediction_type": plan.prediction,
                "environment_ready": plan.is_environment_ready,
            }
        )
