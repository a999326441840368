"""/api/2.1/unity-catalog/tables/{table}/monitor, and the dashboard's path beside it."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from monitoring.api.quality_monitors import shapes
from monitoring.api.reading import texts_of
from monitoring.services import endpoint_monitors, monitor_lookup, monitors, refreshes
from registry.api.wire import actor_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter

_RECENT = 25


class TableMonitor(APIView):
    """POST, GET, PUT and DELETE monitor."""

    def post(self, request: Request, full_name: str) -> Response:
        """Monitor a table, and begin the first refresh."""
        parameters = parameters_of(request)
        text_of(parameters, "assets_dir", required=True)
        if parameters.get("latest_monitor_failure_msg") is not None:
            raise InvalidParameter(
                "'latest_monitor_failure_msg' is told by the server: leave it away.",
                field="latest_monitor_failure_msg",
            )
        settings = shapes.settings_from(parameters)
        made = monitors.create_monitor(actor=actor_of(request), table=full_name, settings=settings)
        return object_response(shapes.monitor(made))

    def get(self, request: Request, full_name: str) -> Response:
        """Show the monitor of a table."""
        return object_response(shapes.monitor(monitor_lookup.get_monitor(actor=actor_of(request), table=full_name)))

    def put(self, request: Request, full_name: str) -> Response:
        """Replace what the monitor is set to; the kind and the dashboard stay where they are not named."""
        parameters = parameters_of(request)
        changed = monitors.update_monitor(
            actor=actor_of(request),
            table=full_name,
            change=lambda current: shapes.settings_from(parameters, current=current),
        )
        return object_response(shapes.monitor(changed))

    def delete(self, request: Request, full_name: str) -> Response:
        """Delete the monitor of a table; its metric tables stay."""
        monitors.delete_monitor(actor=actor_of(request), table=full_name)
        return object_response({})


class Choices(APIView):
    """GET /api/modelkeep/tables/{table}/monitor-choices."""

    def get(self, request: Request, full_name: str) -> Response:
        """Show what a monitor of a table can be made of, with a suggestion."""
        found = monitors.monitor_choices(actor=actor_of(request), table=full_name)
        return object_response(
            {
                "columns": [
                    {"name": one.name, "type": one.type, "is_time": one.is_time, "is_number": one.is_number}
                    for one in found.columns
                ],
                "suggestion": shapes.given(found.suggestion),
            }
        )


class Preview(APIView):
    """POST /api/modelkeep/tables/{table}/monitor-preview."""

    def post(self, request: Request, full_name: str) -> Response:
        """Measure the last window with some settings, before there is a monitor."""
        settings = shapes.settings_from(parameters_of(request))
        found = monitors.preview_monitor(actor=actor_of(request), table=full_name, settings=settings)
        return object_response(shapes.preview(found))


class EndpointMonitor(APIView):
    """POST /api/modelkeep/endpoints/{name}/monitor."""

    def post(self, request: Request, name: str) -> Response:
        """Monitor what an endpoint answers, by its unpacked inference table, or `of` its metrics."""
        parameters = parameters_of(request)
        of = text_of(parameters, "of") or "ANSWERS"
        if of == "METRICS":
            watched = endpoint_monitors.create_endpoint_metrics_monitor(
                actor=actor_of(request),
                endpoint=name,
                output_schema_name=text_of(parameters, "output_schema_name", required=True),
            )
            return object_response(shapes.monitor(watched))
        if of != "ANSWERS":
            raise InvalidParameter(f"'of' is '{of[:50]}': use ANSWERS or METRICS.", field="of")
        granularities = texts_of(parameters, "granularities")
        made = endpoint_monitors.create_endpoint_monitor(
            actor=actor_of(request),
            endpoint=name,
            problem_type=text_of(parameters, "problem_type").removeprefix("PROBLEM_TYPE_"),
            baseline_table_name=text_of(parameters, "baseline_table_name"),
            output_schema_name=text_of(parameters, "output_schema_name"),
            **({"granularities": granularities} if granularities else {}),
        )
        return object_response(shapes.monitor(made))


class Refreshes(APIView):
    """POST and GET monitor/refreshes."""

    def post(self, request: Request, full_name: str) -> Response:
        """Begin a refresh; the answer comes at once."""
        return object_response(shapes.refresh(refreshes.run_refresh(actor=actor_of(request), table=full_name)))

    def get(self, request: Request, full_name: str) -> Response:
        """List the most recent refreshes, newest first."""
        page = refreshes.list_refreshes(actor=actor_of(request), table=full_name, max_results=_RECENT)
        return object_response({"refreshes": page.map(shapes.refresh)})


class OneRefresh(APIView):
    """GET monitor/refreshes/{id}."""

    def get(self, request: Request, full_name: str, refresh_id: str) -> Response:
        """Show a refresh."""
        found = refreshes.get_refresh(actor=actor_of(request), table=full_name, refresh_id=refresh_id)
        return object_response(shapes.refresh(found))


class CancelRefresh(APIView):
    """POST monitor/refreshes/{id}/cancel."""

    def post(self, request: Request, full_name: str, refresh_id: str) -> Response:
        """Cancel a refresh that waits or runs."""
        found = refreshes.cancel_refresh(actor=actor_of(request), table=full_name, refresh_id=refresh_id)
        return object_response(shapes.refresh(found))


class Dashboard(APIView):
    """POST quality-monitoring/tables/{table}/monitor/dashboard."""

    def post(self, request: Request, full_name: str) -> Response:
        """Make the dashboard of a monitor anew."""
        made = monitors.regenerate_dashboard(
            actor=actor_of(request), table=full_name, warehouse_id=text_of(parameters_of(request), "warehouse_id")
        )
        return object_response({"dashboard_id": made.dashboard_id, "parent_folder": made.assets_dir})
