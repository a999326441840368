"""`/api/modelkeep/endpoints/{name}/…`: what the stock clients have no call for."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.wire import actor_of, number_of, object_response, parameters_of, text_of
from serving.api.endpoints import shapes
from serving.api.endpoints.views import shown_by_name
from serving.services import endpoint_events, endpoint_updates, endpoints


class Events(APIView):
    """GET …/events."""

    def get(self, request: Request, name: str) -> Response:
        """What happened to the endpoint, newest first."""
        parameters = parameters_of(request)
        page = endpoint_events.list_events(
            actor=actor_of(request),
            name=name,
            max_results=number_of(parameters, "max_results", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        return object_response({"events": page.map(shapes.event), "next_page_token": page.next_page_token})


class Configs(APIView):
    """GET …/configs."""

    def get(self, request: Request, name: str) -> Response:
        """The configurations that the endpoint had or was to have, newest first."""
        parameters = parameters_of(request)
        page = endpoint_updates.list_configs(
            actor=actor_of(request),
            name=name,
            max_results=number_of(parameters, "max_results", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        return object_response({"configs": page.map(shapes.history), "next_page_token": page.next_page_token})


class Description(APIView):
    """PATCH …/description."""

    def patch(self, request: Request, name: str) -> Response:
        """Change the description."""
        given = parameters_of(request).get("description")
        endpoints.describe_endpoint(actor=actor_of(request), name=name, description=given)
        return shown_by_name(request, name)


class CancelUpdate(APIView):
    """POST …/cancel-update."""

    def post(self, request: Request, name: str) -> Response:
        """Give up the update that is on its way."""
        endpoint_updates.cancel_update(actor=actor_of(request), name=name)
        return shown_by_name(request, name)


class Stop(APIView):
    """POST …/stop."""

    def post(self, request: Request, name: str) -> Response:
        """Stop answering, and give back what runs."""
        endpoint_updates.stop_endpoint(actor=actor_of(request), name=name)
        return shown_by_name(request, name)


class Start(APIView):
    """POST …/start."""

    def post(self, request: Request, name: str) -> Response:
        """Serve again what a stopped endpoint served."""
        endpoint_updates.start_endpoint(actor=actor_of(request), name=name)
        return shown_by_name(request, name)


class RollBack(APIView):
    """POST …/roll-back."""

    def post(self, request: Request, name: str) -> Response:
        """Serve what an earlier configuration served."""
        parameters = parameters_of(request)
        endpoint_updates.roll_back(
            actor=actor_of(request),
            name=name,
            version=number_of(parameters, "config_version", default=0) or None,
            reason=text_of(parameters, "reason"),
        )
        return shown_by_name(request, name)
