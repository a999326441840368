"""The outbox: a change of a model becomes one row for every webhook that listens, in the change's own transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from registry.models import Securable
from registry.services.access import chain_of
from registry.services.delivery_queue import wake_deliveries
from registry.services.statements import fetch
from registry.services.webhook_events import message

_FAN_OUT = """
INSERT INTO registry_delivery (id, webhook_id, event, origin, securable_id, securable_name, body, state, attempts,
                               due_at, error, created_at)
SELECT gen_random_uuid(), webhook.id, happened.event, 'EVENT', %s, %s, happened.body, 'PENDING', 0, %s, '', %s
FROM unnest(%s::text[], %s::text[]) AS happened (event, body)
JOIN registry_webhook webhook ON webhook.events @> ARRAY[happened.event::varchar] AND webhook.status = 'ACTIVE'
WHERE webhook.scope_id IS NULL OR webhook.scope_id = ANY(%s::uuid[])
RETURNING id
"""


def write_outbox(
    securable: Securable, changes: Sequence[tuple[str, Mapping[str, Any]]], *, now: datetime | None = None
) -> int:
    """Write the deliveries that some changes of a model call for; returns how many. One query, whoever listens.

    Call in the transaction of the change, with the model's parents selected. Whether a webhook's owner may see the
    model is asked when a delivery is sent: rights may have changed by then.
    """
    if not changes:
        return 0
    now = now or timezone.now()
    name = securable.full_name
    events = [event for event, _ in changes]
    bodies = [message(event, {"name": name, **facts}, now=now) for event, facts in changes]
    chain = [level.pk for level in chain_of(securable)]
    rows = fetch(_FAN_OUT, [securable.pk, name, now, now, events, bodies, chain])
    if rows:
        transaction.on_commit(partial(wake_deliveries, [row[0] for row in rows]))
    return len(rows)
