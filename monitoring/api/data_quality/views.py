"""/api/data-quality/v1/monitors."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from monitoring.api.data_quality import shapes
from monitoring.api.masks import masked, paths_of
from monitoring.api.reading import object_of
from monitoring.services import monitor_lookup, monitors, refreshes
from monitoring.services.monitor_settings import MonitorSettings
from registry.api.wire import actor_of, number_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter, NotFound, NotImplementedHere

_CONFIG = "data_profiling_config"


def _table(object_type: str, object_id: str) -> str:
    """The id of a monitored table.

    Raises:
        NotImplementedHere: whole schemas are looked for anomalies elsewhere.
        InvalidParameter: another kind of object.
        NotFound: no id at all.
    """
    if object_type == "schema":
        raise NotImplementedHere(
            "Anomaly detection over a whole schema is not offered here: make a monitor with object_type 'table'."
        )
    if object_type != shapes.TABLE:
        raise InvalidParameter(f"'object_type' is '{object_type[:100]}': use table.", field="object_type")
    try:
        return str(UUID(object_id))
    except ValueError as error:
        raise NotFound(f"Table '{object_id[:100]}' does not exist.") from error


def _config_of(parameters: Mapping[str, Any]) -> dict[str, Any]:
    if parameters.get("anomaly_detection_config") is not None:
        raise NotImplementedHere("'anomaly_detection_config' is not offered here: give 'data_profiling_config'.")
    config = object_of(parameters, _CONFIG)
    if config is None:
        raise InvalidParameter(f"'{_CONFIG}' is required.", field=_CONFIG)
    return config


class Monitors(APIView):
    """POST and GET monitors."""

    def post(self, request: Request) -> Response:
        """Monitor a table, and begin the first refresh."""
        parameters, actor = parameters_of(request), actor_of(request)
        table = _table(
            text_of(parameters, "object_type", required=True), text_of(parameters, "object_id", required=True)
        )
        settings = shapes.settings_from(
            _config_of(parameters),
            name_of_schema=lambda schema_id: monitor_lookup.name_of_schema(actor=actor, schema_id=schema_id),
        )
        return object_response(shapes.monitor(monitors.create_monitor(actor=actor, table=table, settings=settings)))

    def get(self, request: Request) -> Response:
        """List the monitors of tables that the caller may see, newest first."""
        parameters = parameters_of(request)
        page = monitor_lookup.list_monitors(
            actor=actor_of(request),
            max_results=number_of(parameters, "page_size", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        return object_response(
            {
                "monitors": [shapes.monitor(row.monitor) for row in page.items],
                "next_page_token": page.next_page_token,
            }
        )


class OneMonitor(APIView):
    """GET, PATCH and DELETE monitors/{object_type}/{object_id}."""

    def get(self, request: Request, object_type: str, object_id: str) -> Response:
        """Show the monitor of a table."""
        table = _table(object_type, object_id)
        return object_response(shapes.monitor(monitor_lookup.get_monitor(actor=actor_of(request), table=table)))

    def patch(self, request: Request, object_type: str, object_id: str) -> Response:
        """Change the fields that 'update_mask' names; all others stay."""
        table, parameters, actor = _table(object_type, object_id), parameters_of(request), actor_of(request)
        change = partial(
            _changed,
            config=_config_of(parameters),
            mask=text_of(parameters, "update_mask"),
            name_of_schema=lambda schema_id: monitor_lookup.name_of_schema(actor=actor, schema_id=schema_id),
            schema_id=lambda name: monitor_lookup.id_of_schema(actor=actor, full_name=name),
        )
        return object_response(shapes.monitor(monitors.update_monitor(actor=actor, table=table, change=change)))

    def delete(self, request: Request, object_type: str, object_id: str) -> Response:
        """Delete the monitor of a table; its metric tables stay."""
        monitors.delete_monitor(actor=actor_of(request), table=_table(object_type, object_id))
        return object_response({})


def _changed(
    current: MonitorSettings, *, config: dict[str, Any], mask: str, name_of_schema: Any, schema_id: Any
) -> MonitorSettings:
    """The settings after an update: a kind that is named takes the place of the one that there is."""
    paths = _inner_paths(mask)
    now = shapes.written(current, schema_id=schema_id(current.output_schema_name))
    named = {path.split(".")[0] for path in paths} if paths else set(config)
    new_kind = next((kind for kind in shapes.KINDS if kind in named and config.get(kind) is not None), "")
    if new_kind and "*" not in paths:
        now = {key: value for key, value in now.items() if key not in shapes.KINDS or key == new_kind}
    given = {key: value for key, value in config.items() if key in shapes.WRITABLE}
    whole = masked(now, given, mask=",".join(paths), fields=shapes.WRITABLE)
    whole.setdefault("output_schema_id", now["output_schema_id"])
    return shapes.settings_from(whole, name_of_schema=name_of_schema, current=current)


def _inner_paths(mask: str) -> list[str]:
    """The paths of a mask below the config; the whole config counts as all of it."""
    paths = []
    for path in paths_of(mask):
        if path in {"*", _CONFIG}:
            paths.append("*")
        elif path.startswith(f"{_CONFIG}.") and not path.endswith("."):
            paths.append(path.removeprefix(f"{_CONFIG}."))
        else:
            raise InvalidParameter(
                f"'update_mask' names '{path[:200]}': paths begin with {_CONFIG}.", field="update_mask"
            )
    return paths


class Refreshes(APIView):
    """POST and GET monitors/{object_type}/{object_id}/refreshes."""

    def post(self, request: Request, object_type: str, object_id: str) -> Response:
        """Begin a refresh; the answer comes at once."""
        table = _table(object_type, object_id)
        return object_response(shapes.refresh(refreshes.run_refresh(actor=actor_of(request), table=table), table))

    def get(self, request: Request, object_type: str, object_id: str) -> Response:
        """List the refreshes, newest first."""
        parameters, table = parameters_of(request), _table(object_type, object_id)
        page = refreshes.list_refreshes(
            actor=actor_of(request),
            table=table,
            max_results=number_of(parameters, "page_size", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        return object_response(
            {
                "refreshes": [shapes.refresh(row, table) for row in page.items],
                "next_page_token": page.next_page_token,
            }
        )


class OneRefresh(APIView):
    """GET, PATCH and DELETE monitors/{object_type}/{object_id}/refreshes/{refresh_id}."""

    def get(self, request: Request, object_type: str, object_id: str, refresh_id: str) -> Response:
        """Show a refresh."""
        table = _table(object_type, object_id)
        found = refreshes.get_refresh(actor=actor_of(request), table=table, refresh_id=refresh_id)
        return object_response(shapes.refresh(found, table))

    def patch(self, request: Request, object_type: str, object_id: str, refresh_id: str) -> Response:
        """Refuse to change a refresh: it is what happened."""
        refreshes.get_refresh(actor=actor_of(request), table=_table(object_type, object_id), refresh_id=refresh_id)
        raise NotImplementedHere("A refresh cannot be changed: cancel it, delete it, or begin another one.")

    def delete(self, request: Request, object_type: str, object_id: str, refresh_id: str) -> Response:
        """Take a refresh that is over out of the history."""
        refreshes.delete_refresh(actor=actor_of(request), table=_table(object_type, object_id), refresh_id=refresh_id)
        return object_response({})


class CancelRefresh(APIView):
    """POST monitors/{object_type}/{object_id}/refreshes/{refresh_id}/cancel."""

    def post(self, request: Request, object_type: str, object_id: str, refresh_id: str) -> Response:
        """Cancel a refresh that waits or runs."""
        table = _table(object_type, object_id)
        found = refreshes.cancel_refresh(actor=actor_of(request), table=table, refresh_id=refresh_id)
        return object_response({"refresh": shapes.refresh(found, table)})
