"""What is over for long goes: operations with their logs. That they were asked for stays on the audit trail."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from registry.models import Operation
from registry.services.operations import OPEN

_BATCH = 500
_MOST = 20 * _BATCH


def forget_old_operations(*, now: datetime | None = None) -> int:
    """Delete operations that ended more than OPERATION_DAYS ago, with their logs. Returns how many.

    Some thousands at most in one call, a few hundred a transaction: the next call goes on. May run beside itself.
    Never touches one that is waiting or running, however old. With OPERATION_DAYS = 0 it does nothing.
    """
    if not settings.OPERATION_DAYS:
        return 0
    before = (now or timezone.now()) - timedelta(days=settings.OPERATION_DAYS)
    forgotten = 0
    while forgotten < _MOST:
        done = _forget_some(before)
        forgotten += done
        if done < _BATCH:
            break
    return forgotten


@transaction.atomic
def _forget_some(before: datetime) -> int:
    # None ends before it begins: the condition on its beginning lets the index start at the old end.
    rows = Operation.objects.exclude(state__in=OPEN).filter(created_at__lt=before, finished_at__lt=before)
    locked = rows.select_for_update(skip_locked=True, of=("self",)).order_by("created_at", "id")
    ids = list(locked.values_list("pk", flat=True)[:_BATCH])
    Operation.objects.filter(pk__in=ids).delete()
    return len(ids)
