"""Upkeep of inference tables: old rows go, small files become few, unneeded files are deleted."""

import logging
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from serving.models import InferenceTable
from serving.services.capture_appends import hold
from serving.services.delta_writes import open_table
from serving.services.payload_rows import DATE_COLUMN

if TYPE_CHECKING:
    from deltalake import DeltaTable

logger = logging.getLogger(__name__)

EVERY = timedelta(hours=1)
KEPT_HOURS = 168
"""Files that compaction or retention replaced are kept so long, for who reads an older version."""
_MANY_FILES = 20
_BUDGET_SECONDS = 120.0


def tidy_inference_tables(*, now: datetime | None = None, budget_seconds: float = _BUDGET_SECONDS) -> int:
    """Tidy the tables that were not for an hour, the longest left first; returns how many. Repeats harm nothing."""
    moment, until, count = now or timezone.now(), time.monotonic() + budget_seconds, 0
    due = InferenceTable.objects.exclude(tidied_at__gt=moment - EVERY).filter(table__isnull=False)
    for pk in list(due.order_by("tidied_at").values_list("pk", flat=True)):
        if time.monotonic() > until:
            break
        try:
            count += _tidy(pk, moment)
        except Exception as error:  # One table's trouble stops no other; the next hour tries again.
            logger.warning("inference table %s could not be tidied", pk, exc_info=error)
    return count


@transaction.atomic
def _tidy(pk: UUID, now: datetime) -> bool:
    if not hold(pk):
        return False
    row = InferenceTable.objects.select_related("table", "unpacked_table", "label_table").get(pk=pk)
    parts = (
        (row.table, DATE_COLUMN[row.form], "date"),
        (row.unpacked_table, "timestamp", "timestamp"),
        (row.label_table, "labeled_at", "timestamp"),
    )
    for securable, column, kind in parts:
        table = open_table(securable)
        if table is None:
            continue
        if row.retention_days:
            _delete_before(table, column, kind, now - timedelta(days=row.retention_days))
        tidy_files(table)
    row.tidied_at = now
    row.save(update_fields=["tidied_at"])
    return True


def tidy_files(table: "DeltaTable") -> None:
    """Make few files of many small ones, and delete those that were replaced a week ago."""
    if len(table.file_uris()) >= _MANY_FILES:
        table.optimize.compact()
    table.vacuum(retention_hours=KEPT_HOURS, dry_run=False)


def _delete_before(table: "DeltaTable", column: str, kind: str, limit: datetime) -> None:
    """Delete what is older. A date's rows go when its day is over, whole files at a time."""
    if kind == "date":
        value = f"CAST('{limit.date().isoformat()}' AS DATE)"
    else:
        value = f"arrow_cast('{limit.isoformat()}', 'Timestamp(Microsecond, Some(\"UTC\"))')"
    table.delete(f'"{column}" < {value}')
