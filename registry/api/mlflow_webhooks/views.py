"""Webhooks in MLflow's words. Events are objects of two upper-case words, secrets go in and never out."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.wire import actor_of, number_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.models import Webhook, WebhookStatus
from registry.services import deliveries, webhooks
from registry.services.webhooks import NewWebhook, WebhookChanges


def _millis(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _event(name: str) -> dict[str, str]:
    entity, _, action = name.upper().partition(".")
    return {"entity": entity, "action": action}


def _shape(webhook: Webhook) -> dict[str, Any]:
    return {
        "webhook_id": str(webhook.pk),
        "name": webhook.name,
        "description": webhook.description,
        "url": webhook.url,
        "events": [_event(name) for name in webhook.events],
        "status": webhook.status,
        "creation_timestamp": _millis(webhook.created_at),
        "last_updated_timestamp": _millis(webhook.updated_at),
    }


def _answer(webhook: Webhook) -> Response:
    return object_response({"webhook": _shape(webhook)})


def _event_name(given: object) -> str:
    if not isinstance(given, dict):
        raise InvalidParameter("An event is an object with 'entity' and 'action'.", field="events")
    entity, action = text_of(given, "entity", required=True), text_of(given, "action", required=True)
    return f"{entity}.{action}".lower()


def _events(parameters: Mapping[str, Any]) -> list[str]:
    given = parameters.get("events") or []
    if not isinstance(given, list):
        raise InvalidParameter("'events' must be a list of objects with 'entity' and 'action'.", field="events")
    return [_event_name(one) for one in given]


def _given(parameters: Mapping[str, Any], field: str) -> str | None:
    """A text that may be empty, where it is there at all."""
    return None if parameters.get(field) is None else text_of(parameters, field)


class Webhooks(APIView):
    """POST and GET webhooks."""

    def post(self, request: Request) -> Response:
        """Make a webhook that is told of every model: for metastore admins."""
        parameters = parameters_of(request)
        new = NewWebhook(
            name=text_of(parameters, "name", required=True),
            url=text_of(parameters, "url", required=True),
            events=_events(parameters),
            description=text_of(parameters, "description"),
            secret=text_of(parameters, "secret"),
            status=text_of(parameters, "status") or WebhookStatus.ACTIVE,
        )
        return _answer(webhooks.create_webhook(actor=actor_of(request), new=new))

    def get(self, request: Request) -> Response:
        """The webhooks that the caller may see, newest first."""
        parameters = parameters_of(request)
        page = webhooks.list_webhooks(
            actor=actor_of(request),
            max_results=number_of(parameters, "max_results", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        return object_response({"webhooks": page.map(_shape), "next_page_token": page.next_page_token})


class OneWebhook(APIView):
    """GET, PATCH and DELETE webhooks/{id}."""

    def get(self, request: Request, webhook_id: str) -> Response:
        """Show a webhook."""
        return _answer(webhooks.get_webhook(actor=actor_of(request), webhook_id=webhook_id))

    def patch(self, request: Request, webhook_id: str) -> Response:
        """Change what is given; empty events, name, address and status count as not given."""
        parameters = parameters_of(request)
        changes = WebhookChanges(
            name=text_of(parameters, "name") or None,
            url=text_of(parameters, "url") or None,
            events=_events(parameters) or None,
            description=_given(parameters, "description"),
            secret=_given(parameters, "secret"),
            status=text_of(parameters, "status") or None,
        )
        return _answer(webhooks.update_webhook(actor=actor_of(request), webhook_id=webhook_id, changes=changes))

    def delete(self, request: Request, webhook_id: str) -> Response:
        """Delete a webhook."""
        webhooks.delete_webhook(actor=actor_of(request), webhook_id=webhook_id)
        return object_response({})


class TryWebhook(APIView):
    """POST webhooks/{id}/test."""

    def post(self, request: Request, webhook_id: str) -> Response:
        """Send an example of an event at once, and tell what the receiver said."""
        event = parameters_of(request).get("event")
        answer = deliveries.try_webhook(
            actor=actor_of(request), webhook_id=webhook_id, event=_event_name(event) if event else ""
        )
        result: dict[str, Any] = {"success": answer.ok, "response_body": answer.text, "error_message": answer.error}
        if answer.status_code is not None:
            result["response_status"] = answer.status_code
        return object_response({"result": result})
