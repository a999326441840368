"""/api/2.0/alerts."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from monitoring.api.alerts import shapes
from monitoring.api.masks import masked
from monitoring.api.reading import object_of
from monitoring.models import Alert
from monitoring.services import alerts
from monitoring.services.alert_settings import AlertSettings
from registry.api.wire import actor_of, number_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.services.actors import Actor


def _check_runs_as(parameters: Mapping[str, Any], actor: Actor) -> None:
    """An alert works as whoever makes it: another name is refused, and not passed over.

    Raises:
        InvalidParameter.
    """
    named = object_of(parameters, "run_as") or {}
    names = {
        text_of(parameters, "run_as_user_name"),
        text_of(named, "user_name"),
        text_of(named, "service_principal_name"),
    }
    others = sorted(name for name in names if name and name.lower() != actor.name.lower())
    if others:
        raise InvalidParameter(
            f"'run_as' is '{others[0][:200]}': an alert works with the rights of who makes it, {actor.name}.",
            field="run_as",
        )


class Alerts(APIView):
    """POST and GET alerts."""

    def post(self, request: Request) -> Response:
        """Make an alert."""
        parameters, actor = parameters_of(request), actor_of(request)
        _check_runs_as(parameters, actor)
        made = alerts.create_alert(actor=actor, settings_=shapes.settings_from(parameters))
        return object_response(shapes.alert(made))

    def get(self, request: Request) -> Response:
        """List the alerts that the caller may see, newest first."""
        parameters = parameters_of(request)
        page = alerts.list_alerts(
            actor=actor_of(request),
            state=text_of(parameters, "state"),
            table=text_of(parameters, "table"),
            max_results=number_of(parameters, "page_size", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        return object_response(
            {"alerts": [shapes.alert(row.alert) for row in page.items], "next_page_token": page.next_page_token}
        )


class OneAlert(APIView):
    """GET, PATCH and DELETE alerts/{id}."""

    def get(self, request: Request, alert_id: str) -> Response:
        """Show an alert."""
        return object_response(shapes.alert(alerts.get_alert(actor=actor_of(request), alert_id=alert_id)))

    def patch(self, request: Request, alert_id: str) -> Response:
        """Change the fields that 'update_mask' names; all others stay."""
        parameters, actor = parameters_of(request), actor_of(request)
        _check_runs_as(parameters, actor)
        mask = text_of(parameters, "update_mask")
        given = {name: value for name, value in parameters.items() if name in shapes.FIELDS}

        def change(current: AlertSettings) -> AlertSettings:
            whole = masked(shapes.written(current), given, mask=mask, fields=shapes.FIELDS)
            # Where it lies is said when it is made, and not later.
            return replace(shapes.settings_from(whole), parent_path=current.parent_path)

        return object_response(shapes.alert(alerts.update_alert(actor=actor, alert_id=alert_id, change=change)))

    def delete(self, request: Request, alert_id: str) -> Response:
        """Delete an alert with its history."""
        alerts.delete_alert(actor=actor_of(request), alert_id=alert_id)
        return object_response({})


class TryAlert(APIView):
    """POST /api/modelkeep/alerts/test."""

    def post(self, request: Request) -> Response:
        """Look once with some settings, and tell what would be sent; nothing is."""
        parameters = parameters_of(request)
        trial = alerts.try_alert(
            actor=actor_of(request),
            settings_=shapes.settings_from(parameters),
            alert_id=text_of(parameters, "alert_id") or None,
        )
        return object_response(shapes.trial(trial))


class Evaluate(APIView):
    """POST /api/modelkeep/alerts/{id}/evaluate."""

    def post(self, request: Request, alert_id: str) -> Response:
        """Evaluate an alert at once, with all that follows."""
        evaluation = alerts.evaluate_alert_now(actor=actor_of(request), alert_id=alert_id)
        return object_response({"evaluation": shapes.evaluation(evaluation)})


class Mute(APIView):
    """POST and DELETE /api/modelkeep/alerts/{id}/mute."""

    def post(self, request: Request, alert_id: str) -> Response:
        """Tell nobody until a moment, or for some seconds."""
        until = shapes.until_from(parameters_of(request))
        return object_response(shapes.alert(self._set(request, alert_id, until)))

    def delete(self, request: Request, alert_id: str) -> Response:
        """Tell people again."""
        return object_response(shapes.alert(self._set(request, alert_id, None)))

    def _set(self, request: Request, alert_id: str, until: datetime | None) -> Alert:
        return alerts.mute_alert(actor=actor_of(request), alert_id=alert_id, until=until)


class Transfer(APIView):
    """POST /api/modelkeep/alerts/{id}/transfer."""

    def post(self, request: Request, alert_id: str) -> Response:
        """Hand an alert over; it looks with the new owner's rights."""
        owner = text_of(parameters_of(request), "owner", required=True)
        return object_response(
            shapes.alert(alerts.transfer_alert(actor=actor_of(request), alert_id=alert_id, owner=owner))
        )


class PreviewNotice(APIView):
    """GET /api/modelkeep/alerts/{id}/notice."""

    def get(self, request: Request, alert_id: str) -> Response:
        """Show what would be sent if the alert were triggered now."""
        return object_response(shapes.notice(alerts.preview_notice(actor=actor_of(request), alert_id=alert_id)))


class Evaluations(APIView):
    """GET /api/modelkeep/alerts/{id}/evaluations."""

    def get(self, request: Request, alert_id: str) -> Response:
        """List what was found, newest first, and what became of what was sent."""
        parameters, actor = parameters_of(request), actor_of(request)
        page = alerts.list_evaluations(
            actor=actor,
            alert_id=alert_id,
            max_results=number_of(parameters, "max_results", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        deliveries = alerts.deliveries_of(actor=actor, alert_id=alert_id, evaluations=page.items)
        return object_response(
            {
                "evaluations": [shapes.evaluation(row, deliveries) for row in page.items],
                "next_page_token": page.next_page_token,
            }
        )


class Incidents(APIView):
    """GET /api/modelkeep/alerts/{id}/incidents."""

    def get(self, request: Request, alert_id: str) -> Response:
        """List the breaches of an alert, newest first."""
        parameters = parameters_of(request)
        page = alerts.list_incidents(
            actor=actor_of(request),
            alert_id=alert_id,
            max_results=number_of(parameters, "max_results", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        return object_response({"incidents": page.map(shapes.incident), "next_page_token": page.next_page_token})
