"""What happened to an endpoint: a row for the people who run it, and word to those who asked to be told."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.utils import timezone

from registry.models import Principal
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.notifications import Notice, notify
from registry.services.paging import Page, fetch_page, page_size
from serving.models import EndpointEvent, EndpointLevel, ServingEndpoint
from serving.services.endpoint_access import require_endpoint

UPDATE_SUCCEEDED = "UPDATE_SUCCEEDED"
UPDATE_FAILED = "UPDATE_FAILED"
SUCCESS, FAILURE = "on_update_success", "on_update_failure"
_TOLD_TO = {
    UPDATE_SUCCEEDED: SUCCESS,
    "ROLLOUT_DONE": SUCCESS,
    UPDATE_FAILED: FAILURE,
    "ROLLOUT_REVERTED": FAILURE,
}
_NOTICE = {SUCCESS: "serving_endpoint.updated", FAILURE: "serving_endpoint.update_failed"}
_IN_WORDS = {SUCCESS: "was updated", FAILURE: "could not be updated"}


def tell(
    *,
    endpoint: ServingEndpoint,
    kind: str,
    message: str,
    level: str = "INFO",
    config_version: int | None = None,
    entity_name: str = "",
    by: Principal | None = None,
    now: datetime | None = None,
) -> EndpointEvent:
    """Add an event; how updates ended is also sent to the notification destinations that the endpoint names.

    Call in the transaction of what is told. One query, two more where somebody is told. `level` is INFO, WARNING or
    ERROR.
    """
    event = EndpointEvent.objects.create(
        endpoint=endpoint,
        at=now or timezone.now(),
        kind=kind,
        level=level,
        message=message,
        config_version=config_version,
        entity_name=entity_name,
        by=by,
    )
    whom = _TOLD_TO.get(kind, "")
    destinations = _destinations(endpoint, whom)
    if destinations:
        data = {"endpoint": endpoint.name, "endpoint_id": endpoint.pk.hex, "config_version": config_version}
        subject = f"Serving endpoint {endpoint.name} {_IN_WORDS[whom]}"
        notice = Notice(event=_NOTICE[whom], subject=subject, text=message, data=data)
        notify(destination_ids=destinations, notice=notice, now=event.at)
    return event


def _destinations(endpoint: ServingEndpoint, whom: str) -> list[UUID]:
    wanted: Iterable[dict[str, str]] = endpoint.email_notifications.get(whom, [])
    return [UUID(one["destination_id"]) for one in wanted]


@audited_read
def list_events(
    *, actor: Actor, name: object, max_results: int | None = None, page_token: str = ""
) -> Page[EndpointEvent]:
    """The events of an endpoint, newest first. Needs CAN_VIEW. Two queries.

    Raises:
        NotFound.
        InvalidParameter: a token of another list.
    """
    endpoint = require_endpoint(actor=actor, name=name, level=EndpointLevel.CAN_VIEW)
    return fetch_page(
        EndpointEvent.objects.filter(endpoint=endpoint).select_related("by"),
        order=["-id"],
        size=page_size(max_results),
        token=page_token,
        scope=f"endpoint-events:{endpoint.pk}",
    )
