"""Destinations on the wire: one of several configs in; out its type and what is set, never the settings."""

from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.wire import actor_of, number_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.models import DestinationKind, NotificationDestination
from registry.services import notification_destinations
from registry.services.actors import Actor

_KINDS = {
    "generic_webhook": DestinationKind.WEBHOOK,
    "email": DestinationKind.EMAIL,
    "slack": DestinationKind.SLACK,
}
_WORDS = {kind: word for word, kind in _KINDS.items()}
_NOT_HERE = ("microsoft_teams", "pagerduty", "databricks_app_slack", "databricks_app_teams")


def _listed(destination: NotificationDestination) -> dict[str, Any]:
    return {
        "id": str(destination.pk),
        "display_name": destination.display_name,
        "destination_type": destination.kind,
    }


def _shape(destination: NotificationDestination, actor: Actor) -> dict[str, Any]:
    """With the config for metastore admins only."""
    shape = _listed(destination)
    if actor.is_metastore_admin:
        kind = DestinationKind(destination.kind)
        config: dict[str, Any] = {f"{name}_set": True for name in destination.settings_set}
        if kind == DestinationKind.EMAIL:
            config = {"addresses": destination.addresses}
        shape["config"] = {_WORDS[kind]: config}
    return shape


def _config(given: object) -> tuple[DestinationKind, Mapping[str, Any]]:
    """The kind, and the settings of the one config that is given.

    Raises:
        InvalidParameter: none, several, or one of a service that is not served.
    """
    configs = {word: value for word, value in given.items() if value is not None} if isinstance(given, dict) else {}
    if len(configs) != 1:
        raise InvalidParameter(f"'config' must hold exactly one of {', '.join(_KINDS)}.", field="config")
    ((word, settings),) = configs.items()
    if word in _NOT_HERE:
        raise InvalidParameter(
            f"'config.{word}' is not offered here: use generic_webhook with an address that takes JSON.",
            field="config",
        )
    if word not in _KINDS:
        raise InvalidParameter(f"'config.{word}' is unknown: use one of {', '.join(_KINDS)}.", field="config")
    if not isinstance(settings, dict):
        raise InvalidParameter(f"'config.{word}' must be an object.", field="config")
    return _KINDS[word], settings


class Destinations(APIView):
    """POST and GET notification-destinations."""

    def post(self, request: Request) -> Response:
        """Make a destination: for metastore admins."""
        parameters, actor = parameters_of(request), actor_of(request)
        kind, config = _config(parameters.get("config"))
        made = notification_destinations.create_destination(
            actor=actor,
            display_name=text_of(parameters, "display_name", required=True),
            kind=kind,
            config=config,
        )
        return object_response(_shape(made, actor))

    def get(self, request: Request) -> Response:
        """List all by name, without their configs."""
        parameters = parameters_of(request)
        page = notification_destinations.list_destinations(
            actor=actor_of(request),
            max_results=number_of(parameters, "page_size", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        return object_response({"results": page.map(_listed), "next_page_token": page.next_page_token})


class OneDestination(APIView):
    """GET, PATCH and DELETE notification-destinations/{id}."""

    def get(self, request: Request, destination_id: str) -> Response:
        """Show one."""
        actor = actor_of(request)
        found = notification_destinations.get_destination(actor=actor, destination_id=destination_id)
        return object_response(_shape(found, actor))

    def patch(self, request: Request, destination_id: str) -> Response:
        """Change its name or its settings; its kind stays."""
        parameters, actor = parameters_of(request), actor_of(request)
        kind, config = _config(parameters["config"]) if parameters.get("config") is not None else (None, None)
        changed = notification_destinations.update_destination(
            actor=actor,
            destination_id=destination_id,
            display_name=text_of(parameters, "display_name") if parameters.get("display_name") is not None else None,
            kind=kind,
            config=config,
        )
        return object_response(_shape(changed, actor))

    def delete(self, request: Request, destination_id: str) -> Response:
        """Delete one."""
        notification_destinations.delete_destination(actor=actor_of(request), destination_id=destination_id)
        return object_response({})
