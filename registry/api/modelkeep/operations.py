"""Operations over REST."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.modelkeep import shapes
from registry.api.wire import actor_of, flag_of, number_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.privileges import SecurableType
from registry.services import operations


def _securable_type(text: str) -> SecurableType:
    try:
        return SecurableType(text.upper() or SecurableType.REGISTERED_MODEL)
    except ValueError as error:
        known = ", ".join(SecurableType)
        raise InvalidParameter(
            f"'securable_type' is {text!r}: it must be one of {known}.", field="securable_type"
        ) from error


class Operations(APIView):
    """GET operations."""

    def get(self, request: Request) -> Response:
        """List operations, newest first."""
        parameters = parameters_of(request)
        page = operations.list_operations(
            actor=actor_of(request),
            state=text_of(parameters, "state"),
            kind=text_of(parameters, "kind"),
            securable_type=_securable_type(text_of(parameters, "securable_type")),
            securable_name=text_of(parameters, "securable_name"),
            own=flag_of(parameters, "own"),
            max_results=number_of(parameters, "max_results", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        return object_response({"operations": page.map(shapes.operation), "next_page_token": page.next_page_token})


class OneOperation(APIView):
    """GET operations/{id}."""

    def get(self, request: Request, operation_id: str) -> Response:
        """Show an operation."""
        operation = operations.get_operation(actor=actor_of(request), operation_id=operation_id)
        return object_response({"operation": shapes.operation(operation)})


class Log(APIView):
    """GET operations/{id}/log."""

    def get(self, request: Request, operation_id: str) -> Response:
        """Show the log, oldest line first."""
        parameters = parameters_of(request)
        page = operations.list_log(
            actor=actor_of(request),
            operation_id=operation_id,
            max_results=number_of(parameters, "max_results", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        return object_response({"lines": page.map(shapes.log_line), "next_page_token": page.next_page_token})


class Cancel(APIView):
    """POST operations/{id}/cancel."""

    def post(self, request: Request, operation_id: str) -> Response:
        """Cancel an operation that waits, ask one that runs to stop."""
        operation = operations.request_cancel(actor=actor_of(request), operation_id=operation_id)
        return object_response({"operation": shapes.operation(operation)})


class Retry(APIView):
    """POST operations/{id}/retry."""

    def post(self, request: Request, operation_id: str) -> Response:
        """Ask once more for what failed or was canceled."""
        operation = operations.retry_operation(actor=actor_of(request), operation_id=operation_id)
        return object_response({"operation": shapes.operation(operation)})
