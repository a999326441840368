"""What MLflow's protocol does not know of webhooks: where they are told from, and the log of what was sent."""

from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.modelkeep.shapes import milliseconds
from registry.api.wire import actor_of, number_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.models import Delivery, DeliveryAttempt, Webhook, WebhookStatus
from registry.privileges import SecurableType
from registry.services import deliveries, webhooks
from registry.services.delivery_http import Answer
from registry.services.webhooks import NewWebhook, WebhookChanges, parse_scope


def _webhook(row: Webhook) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "name": row.name,
        "description": row.description,
        "url": row.url,
        "events": list(row.events),
        "status": row.status,
        "signed": row.has_secret,
        "scope_type": row.scope.type if row.scope else SecurableType.METASTORE,
        "scope_name": row.scope.full_name if row.scope else "",
        "owner": row.owner.name,
        "created_at": milliseconds(row.created_at),
        "updated_at": milliseconds(row.updated_at),
    }


def _delivery(row: Delivery) -> dict[str, Any]:
    return {
        "id": str(row.pk),
        "webhook_id": str(row.webhook_id) if row.webhook_id else None,
        "destination_id": str(row.destination_id) if row.destination_id else None,
        "event": row.event,
        "origin": row.origin,
        "securable_name": row.securable_name if deliveries.shows_content(row) else "",
        "state": row.state,
        "attempts": row.attempts,
        "error": row.error,
        "due_at": milliseconds(row.due_at),
        "replay_of": str(row.replay_of_id) if row.replay_of_id else None,
        "requested_by": row.requested_by.name if row.requested_by else None,
        "created_at": milliseconds(row.created_at),
        "finished_at": milliseconds(row.finished_at),
    }


def _attempt(row: DeliveryAttempt) -> dict[str, Any]:
    return {
        "number": row.number,
        "at": milliseconds(row.at),
        "milliseconds": row.milliseconds,
        "status_code": row.status_code,
        "error": row.error,
        "answer": row.answer,
    }


def _tried(answer: Answer) -> Response:
    return object_response(
        {
            "success": answer.ok,
            "status_code": answer.status_code,
            "milliseconds": answer.milliseconds,
            "error": answer.error,
            "answer": answer.text,
        }
    )


def _events(parameters: Mapping[str, Any]) -> list[object]:
    given = parameters.get("events") or []
    if not isinstance(given, list):
        raise InvalidParameter("'events' must be a list of names such as model_version.created.", field="events")
    return given


def _given(parameters: Mapping[str, Any], field: str) -> str | None:
    return None if parameters.get(field) is None else text_of(parameters, field)


class Webhooks(APIView):
    """POST and GET webhooks."""

    def post(self, request: Request) -> Response:
        """Make a webhook on the metastore, a catalog, a schema or a model."""
        parameters = parameters_of(request)
        scope = parse_scope(text_of(parameters, "scope_type"))
        new = NewWebhook(
            name=text_of(parameters, "name", required=True),
            url=text_of(parameters, "url", required=True),
            events=_events(parameters),
            description=text_of(parameters, "description"),
            secret=text_of(parameters, "secret"),
            status=text_of(parameters, "status") or WebhookStatus.ACTIVE,
            scope_type=scope,
            scope_name=text_of(parameters, "scope_name", required=scope is not None),
        )
        return object_response({"webhook": _webhook(webhooks.create_webhook(actor=actor_of(request), new=new))})

    def get(self, request: Request) -> Response:
        """List the webhooks that the caller may see, newest first unless `order` says otherwise."""
        parameters = parameters_of(request)
        page = webhooks.list_webhooks(
            actor=actor_of(request),
            name_contains=text_of(parameters, "name_contains"),
            order=text_of(parameters, "order"),
            max_results=number_of(parameters, "max_results", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        return object_response({"webhooks": page.map(_webhook), "next_page_token": page.next_page_token})


class OneWebhook(APIView):
    """GET, PATCH and DELETE webhooks/{id}."""

    def get(self, request: Request, webhook_id: str) -> Response:
        """Show a webhook."""
        found = webhooks.get_webhook(actor=actor_of(request), webhook_id=webhook_id)
        return object_response({"webhook": _webhook(found)})

    def patch(self, request: Request, webhook_id: str) -> Response:
        """Change what is given, its owner too; where it is told from stays."""
        parameters = parameters_of(request)
        changes = WebhookChanges(
            name=_given(parameters, "name"),
            url=_given(parameters, "url"),
            events=_events(parameters) if parameters.get("events") is not None else None,
            description=_given(parameters, "description"),
            secret=_given(parameters, "secret"),
            status=_given(parameters, "status"),
            owner=_given(parameters, "owner"),
        )
        changed = webhooks.update_webhook(actor=actor_of(request), webhook_id=webhook_id, changes=changes)
        return object_response({"webhook": _webhook(changed)})

    def delete(self, request: Request, webhook_id: str) -> Response:
        """Delete a webhook with its log."""
        webhooks.delete_webhook(actor=actor_of(request), webhook_id=webhook_id)
        return object_response({})


class TryWebhook(APIView):
    """POST webhooks/{id}/test."""

    def post(self, request: Request, webhook_id: str) -> Response:
        """Send an example at once, and tell what the receiver said."""
        event = text_of(parameters_of(request), "event")
        return _tried(deliveries.try_webhook(actor=actor_of(request), webhook_id=webhook_id, event=event))


class TryDestination(APIView):
    """POST notification-destinations/{id}/test."""

    def post(self, request: Request, destination_id: str) -> Response:
        """Send a notice that says it is a test, and tell what came of it."""
        return _tried(deliveries.try_destination(actor=actor_of(request), destination_id=destination_id))


class _Log(APIView):
    """A list of deliveries, newest first."""

    def answer(self, request: Request, **receiver: str) -> Response:
        """One page of the log of a webhook or a destination."""
        parameters = parameters_of(request)
        page = deliveries.list_deliveries(
            actor=actor_of(request),
            **receiver,
            state=text_of(parameters, "state"),
            max_results=number_of(parameters, "max_results", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        return object_response({"deliveries": page.map(_delivery), "next_page_token": page.next_page_token})


class WebhookLog(_Log):
    """GET webhooks/{id}/deliveries."""

    def get(self, request: Request, webhook_id: str) -> Response:
        """List what a webhook was sent."""
        return self.answer(request, webhook_id=webhook_id)


class DestinationLog(_Log):
    """GET notification-destinations/{id}/deliveries."""

    def get(self, request: Request, destination_id: str) -> Response:
        """List what a destination was sent: for metastore admins."""
        return self.answer(request, destination_id=destination_id)


class OneDelivery(APIView):
    """GET deliveries/{id}."""

    def get(self, request: Request, delivery_id: str) -> Response:
        """Show a delivery with its body and its attempts."""
        row = deliveries.get_delivery(actor=actor_of(request), delivery_id=delivery_id)
        body = row.body if deliveries.shows_content(row) else ""
        return object_response(
            {"delivery": {**_delivery(row), "body": body, "log": [_attempt(a) for a in row.log.all()]}}
        )


class Replay(APIView):
    """POST deliveries/{id}/replay."""

    def post(self, request: Request, delivery_id: str) -> Response:
        """Send the same once more, as a delivery of its own."""
        row = deliveries.replay_delivery(actor=actor_of(request), delivery_id=delivery_id)
        return object_response({"delivery": _delivery(row)})
