"""`/api/2.0/serving-endpoints…` as databricks-sdk's `serving_endpoints` and mlflow.deployments call it."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.wire import actor_of, flag_of, number_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter
from serving.api.endpoints import shapes
from serving.models import ServingEndpoint
from serving.services import endpoint_updates, endpoints
from serving.services.ai_gateway import ai_gateway_wire, set_ai_gateway
from serving.services.endpoint_notifications import notifications_wire
from serving.services.endpoints import NewEndpoint
from serving.services.inference_tables import auto_capture_wire
from serving.services.replica_logs import logs_text

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def shown(request: Request, endpoint: ServingEndpoint) -> Response:
    """An endpoint with everything that is shown of one."""
    url = request.build_absolute_uri(f"/serving-endpoints/{endpoint.name}/invocations")
    return object_response(
        shapes.detailed(
            endpoint,
            url=url,
            auto_capture=auto_capture_wire(endpoint),
            ai_gateway=ai_gateway_wire(endpoint),
        )
    )


def shown_by_name(request: Request, name: str) -> Response:
    """As `shown`, read again."""
    return shown(request, endpoints.get_endpoint(actor=actor_of(request), name=name))


def object_of(parameters: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    """A field that holds an object; nothing reads as an empty one.

    Raises:
        InvalidParameter.
    """
    value = parameters.get(field)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidParameter(f"'{field}' must be an object.", field=field)
    return value


class Endpoints(APIView):
    """GET and POST serving-endpoints."""

    def get(self, request: Request) -> Response:
        """The endpoints that the caller may see; all of them, as clients do not ask for further pages."""
        parameters = parameters_of(request)
        page = endpoints.list_endpoints(
            actor=actor_of(request),
            name_contains=text_of(parameters, "name_contains"),
            max_results=number_of(parameters, "max_results", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        body: dict[str, Any] = {"endpoints": page.map(shapes.summary)}
        return object_response(body | ({"next_page_token": page.next_page_token} if page.next_page_token else {}))

    def post(self, request: Request) -> Response:
        """Make an endpoint. Answers at once; `state` tells how its first configuration gets on."""
        parameters = parameters_of(request)
        new = NewEndpoint(
            name=parameters.get("name"),
            config=parameters.get("config"),
            tags=parameters.get("tags"),
            description=parameters.get("description"),
            rate_limits=parameters.get("rate_limits"),
            ai_gateway=parameters.get("ai_gateway"),
            email_notifications=parameters.get("email_notifications"),
            telemetry_config=parameters.get("telemetry_config"),
            route_optimized=flag_of(parameters, "route_optimized"),
            budget_policy_id=text_of(parameters, "budget_policy_id"),
        )
        return shown(request, endpoints.create_endpoint(actor=actor_of(request), new=new))


class OneEndpoint(APIView):
    """GET and DELETE serving-endpoints/{name}."""

    def get(self, request: Request, name: str) -> Response:
        """One endpoint."""
        return shown_by_name(request, name)

    def delete(self, request: Request, name: str) -> Response:
        """Delete it. The answer has a body: mlflow reads one."""
        endpoints.delete_endpoint(actor=actor_of(request), name=name)
        return object_response({})


class Config(APIView):
    """PUT serving-endpoints/{name}/config."""

    def put(self, request: Request, name: str) -> Response:
        """Ask for a new configuration. Answers at once."""
        endpoint_updates.update_config(actor=actor_of(request), name=name, config=parameters_of(request))
        return shown_by_name(request, name)


class Tags(APIView):
    """PATCH serving-endpoints/{name}/tags."""

    def patch(self, request: Request, name: str) -> Response:
        """Add, change and remove tags."""
        parameters = parameters_of(request)
        rows = endpoints.update_tags(
            actor=actor_of(request),
            name=name,
            add=parameters.get("add_tags"),
            remove=parameters.get("delete_tags"),
        )
        return object_response({"tags": shapes.tags(rows)})


class RateLimits(APIView):
    """PUT serving-endpoints/{name}/rate-limits."""

    def put(self, request: Request, name: str) -> Response:
        """Replace the rate limits."""
        limits = parameters_of(request).get("rate_limits")
        endpoint = endpoints.set_rate_limits(actor=actor_of(request), name=name, rate_limits=limits)
        return object_response({"rate_limits": endpoint.rate_limits})


class AiGateway(APIView):
    """PUT serving-endpoints/{name}/ai-gateway."""

    def put(self, request: Request, name: str) -> Response:
        """Replace inference table and rate limits of the gateway's form."""
        wire = {key: value for key, value in parameters_of(request).items() if key != "name"}
        return object_response(set_ai_gateway(actor=actor_of(request), name=name, wire=wire))


class Notifications(APIView):
    """PATCH serving-endpoints/{name}/notifications."""

    def patch(self, request: Request, name: str) -> Response:
        """Replace who is told how updates end."""
        given = parameters_of(request).get("email_notifications")
        endpoint = endpoints.set_notifications(actor=actor_of(request), name=name, email_notifications=given)
        wire = notifications_wire(endpoint.email_notifications)
        return object_response({"name": endpoint.name, "email_notifications": wire})


class Telemetry(APIView):
    """PATCH serving-endpoints/{name}/telemetry-config."""

    def patch(self, request: Request, name: str) -> Response:
        """Replace the telemetry settings, or take them away."""
        given = parameters_of(request).get("telemetry_config")
        return shown(request, endpoints.set_telemetry(actor=actor_of(request), name=name, telemetry_config=given))


class ServiceLogs(APIView):
    """GET serving-endpoints/{name}/served-models/{served}/logs."""

    def get(self, request: Request, name: str, served: str) -> Response:
        """What the replicas of a served entity have written."""
        entity = endpoints.find_served(actor=actor_of(request), name=name, served=served)
        return object_response({"logs": logs_text(entity)})


class BuildLogs(APIView):
    """GET serving-endpoints/{name}/served-models/{served}/build-logs."""

    def get(self, request: Request, name: str, served: str) -> Response:
        """What building the environment of a served entity has told."""
        return object_response({"logs": endpoints.build_log(actor=actor_of(request), name=name, served=served)})


class Metrics(APIView):
    """GET serving-endpoints/{name}/metrics, whatever the Accept header asks for."""

    def get(self, request: Request, name: str) -> HttpResponse:
        """The last minute as OpenMetrics text."""
        from serving.services.endpoint_metrics import export_metrics

        text = export_metrics(actor=actor_of(request), name=name)
        return HttpResponse(text, content_type=OPENMETRICS)


class OpenApi(APIView):
    """GET serving-endpoints/{name}/openapi, whatever the Accept header asks for."""

    def get(self, request: Request, name: str) -> HttpResponse:
        """An OpenAPI document of the endpoint's own invocations."""
        from serving.services.endpoint_openapi import openapi_text

        text = openapi_text(actor=actor_of(request), name=name, url=request.build_absolute_uri("/"))
        return HttpResponse(text, content_type="application/json")
