"""Server-side registration and copy over REST: both answer at once, and the operation does the work."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.modelkeep import shapes
from registry.api.wire import actor_of, flag_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.models import ModelVersion, Operation
from registry.services import registrations
from registry.services.copy_plans import MOVED_BYTES, plan_copy
from registry.services.write_plans import Need


def _begun(version: ModelVersion, operation: Operation) -> Response:
    return object_response({"operation": shapes.operation(operation), "model_version": shapes.model_version(version)})


def _tags_in(parameters: dict[str, Any]) -> dict[str, Any]:
    """The `tags` list as a mapping.

    Raises:
        InvalidParameter: not a list of {key, value}.
    """
    tags = parameters.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, dict) for tag in tags):
        raise InvalidParameter("'tags' must be a list of objects with 'key' and 'value'.", field="tags")
    return {text_of(tag, "key", required=True): text_of(tag, "value") for tag in tags}


class Register(APIView):
    """POST model-versions:register."""

    def post(self, request: Request) -> Response:
        """Register a run's artifacts or a logged model as the next version."""
        parameters = parameters_of(request)
        version, operation = registrations.register_from_source(
            actor=actor_of(request),
            name=text_of(parameters, "name", required=True),
            source=text_of(parameters, "source", required=True),
            run_id=text_of(parameters, "run_id"),
            comment=text_of(parameters, "comment"),
            tags=_tags_in(parameters),
            create_containers=flag_of(parameters, "create_containers"),
        )
        return _begun(version, operation)


class Copy(APIView):
    """POST model-versions:copy."""

    def post(self, request: Request) -> Response:
        """Copy a version to another model."""
        parameters = parameters_of(request)
        version, operation = registrations.copy_version(
            actor=actor_of(request),
            source_name=text_of(parameters, "source_name", required=True),
            source_version=parameters.get("source_version"),
            destination_name=text_of(parameters, "destination_name", required=True),
            create_containers=flag_of(parameters, "create_containers"),
        )
        return _begun(version, operation)


class Promote(APIView):
    """POST model-versions:promote."""

    def post(self, request: Request) -> Response:
        """Copy a version to another model and set an alias on the copy, in one step."""
        parameters = parameters_of(request)
        version = registrations.promote_version(
            actor=actor_of(request),
            source_name=text_of(parameters, "source_name", required=True),
            source_version=parameters.get("source_version"),
            destination_name=text_of(parameters, "destination_name", required=True),
            alias=text_of(parameters, "alias", required=True),
            create_containers=flag_of(parameters, "create_containers"),
        )
        return object_response({"model_version": shapes.model_version(version)})


class CopyPlan(APIView):
    """POST model-versions:plan-copy."""

    def post(self, request: Request) -> Response:
        """What a copy, or with `alias` a promotion, would take; changes nothing."""
        parameters = parameters_of(request)
        plan = plan_copy(
            actor=actor_of(request),
            source_name=text_of(parameters, "source_name", required=True),
            source_version=parameters.get("source_version"),
            destination_name=text_of(parameters, "destination_name", required=True),
            alias=text_of(parameters, "alias"),
            create_containers=flag_of(parameters, "create_containers"),
        )
        return object_response(
            {
                "allowed": plan.allowed,
                "destination_name": plan.destination.name,
                "destination_exists": plan.destination.model is not None,
                "creates": plan.destination.creates,
                "next_version": str(plan.destination.next_version),
                "alias_from": plan.destination.alias_from,
                "size_bytes": plan.source.size_bytes,
                "moved_bytes": MOVED_BYTES,
                "needs": [_need(need) for need in plan.needs],
                "blockers": plan.blockers,
            }
        )


def _need(need: Need) -> dict[str, Any]:
    return {
        "right": need.what,
        "securable_type": need.securable.type,
        "securable": need.securable.full_name,
        "owner": need.securable.owner.name,
        "met": need.met,
    }
