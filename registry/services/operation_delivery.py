"""Everything that operations ask of the broker: wake a worker, count the waiting messages, kill a task."""

import logging
from datetime import datetime
from uuid import UUID

from celery import current_app
from django.utils import timezone
from kombu.exceptions import ChannelError, OperationalError

from registry.models import Operation, OperationState

logger = logging.getLogger(__name__)

RUN_TASK = "registry.run_operation"


def wake_worker(operation_id: UUID, *, queue: str, now: datetime | None = None) -> bool:
    """Send the message that makes a worker look at the operation; False when the broker cannot be reached.

    The row is the truth and the sweep sends again, so a failure here is logged and never raised.
    """
    try:
        current_app.send_task(RUN_TASK, args=[str(operation_id)], queue=queue)
    except Exception as error:  # noqa: BLE001  (whatever a broker does, what was committed stays)
        logger.warning("operation %s: the broker took no message (%s); the sweep will send it", operation_id, error)
        return False
    Operation.objects.filter(pk=operation_id, state=OperationState.PENDING).update(sent_at=now or timezone.now())
    return True


def waiting_messages(queue: str) -> int | None:
    """How many messages lie in a queue; None when the broker cannot tell."""
    try:
        with current_app.connection_for_read() as connection:
            channel = connection.default_channel
            return int(channel.queue_declare(queue, passive=True).message_count)
    except ChannelError:
        return 0  # No such queue: nobody has sent to it yet, or Redis was emptied.
    except OperationalError:
        return None


def kill_task(task_id: str) -> None:
    """Tell every worker to kill the process that runs this task, and never to start it.

    Raises:
        OperationalError: the broker cannot be reached.
    """
    current_app.control.revoke(task_id, terminate=True, signal="SIGKILL")
