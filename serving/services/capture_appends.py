"""What gateways spooled goes into the payload tables and, a column for each input, into the unpacked ones.

Exactly once: the Delta commit that adds rows also keeps the number of their batch (an application transaction), and a
batch keeps its number until it is finished. A worker may end anywhere; the next one asks the tables what they have.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from registry.errors import InvalidState, ModelkeepError
from registry.models import LineageEdge, ModelVersion, Securable, Table
from registry.privileges import SecurableType
from registry.services.securables import find_securable
from serving.models import EndpointEvent, InferenceTable, ServedEntity
from serving.routing.spool import closed_segments
from serving.routing.stats import read_stats
from serving.services.capture_labels import BY_CLIENT, BY_REQUEST, merge_labels, newest_labels
from serving.services.delta_tables import Column, catalog_columns, storable
from serving.services.delta_writes import open_table, typed_rows, write_rows
from serving.services.endpoint_events import tell
from serving.services.payload_rows import payload_row, received_at
from serving.services.spool_batches import Batch, begin_batch, begun_batches, spool_id
from serving.services.unpacking import LABEL, Unpacking, Unparsable, label_type, unpacking_of

if TYPE_CHECKING:
    from deltalake import DeltaTable

logger = logging.getLogger(__name__)

LABELS_FOLDER = "labels"
_LOCK_CLASS = 7_312_040
_BUDGET_SECONDS = 20.0
_DROPPED = "INFERENCE_TABLE_DROPPED"
_TELL_AGAIN = timedelta(hours=1)
_MOST_DROP_MARKS = 64
_CLOCKS_APART = timedelta(minutes=5)


def spool_root() -> Path:
    """Where gateways spool, a folder for each inference table."""
    return Path(settings.SERVING_ROOT, "spool")


def append_captures(*, budget_seconds: float = _BUDGET_SECONDS) -> int:
    """Move what is spooled into the tables; returns how many requests. One table's trouble stops no other.

    Stops after `budget_seconds` with what is left for the next time.
    """
    root = spool_root()
    folders = {UUID(path.name): path for path in root.glob("*-*-*-*-*") if path.is_dir()}
    until, total = time.monotonic() + budget_seconds, 0
    rows = InferenceTable.objects.filter(pk__in=list(folders)).order_by("appended_at")
    for pk in list(rows.values_list("pk", flat=True)):
        while time.monotonic() < until:
            moved = _append_table(pk, folders[pk], spool_id(root))
            total += moved
            if not moved:
                break
    _count_drops()
    return total


def _append_table(pk: UUID, folder: Path, spool: str) -> int:
    """One batch of a table and of its labels; returns how many requests, 0 for none left or a failure."""
    try:
        done, moved = _append_batches(pk, folder, spool)
    except Exception as error:  # Whatever it is, the rows stay in the spool, and people read why.
        logger.warning("inference table %s takes no rows", pk, exc_info=error)
        _tell_failure(pk, error)
        return 0
    for batch in done:
        batch.finish()
    return moved


@transaction.atomic
def _append_batches(pk: UUID, folder: Path, spool: str) -> tuple[list[Batch], int]:
    """The batches that the tables now hold, and how many requests are new in them."""
    if not hold(pk):
        return [], 0
    table = InferenceTable.objects.select_related(
        "endpoint", "table__parent__parent", "unpacked_table", "label_table"
    ).get(pk=pk)
    finished, moved = [], 0
    labels = folder / LABELS_FOLDER
    if labels.is_dir():
        of_labels = f"{spool}/{LABELS_FOLDER}"
        for batch in _batches(table, labels, of_labels, [table.label_table]):
            if batch.number > table.batches.get(of_labels, 0):
                merge_labels(table, batch, application=_application(of_labels))
                _count(table, of_labels, batch)
            finished.append(batch)
    for batch in _batches(table, folder, spool, [table.table, table.unpacked_table]):
        if batch.number > table.batches.get(spool, 0):
            moved += _append_batch(table, batch, _application(spool))
            _count(table, spool, batch)
        finished.append(batch)
    return finished, moved


def hold(pk: UUID) -> bool:
    """Hold an inference table against other workers until the transaction ends; False if another one has it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, hashtext(%s))", [_LOCK_CLASS, str(pk)])
        return bool(cursor.fetchone()[0])


def _batches(table: InferenceTable, folder: Path, spool: str, targets: Iterable[Securable | None]) -> list[Batch]:
    """What was begun before, or else a new batch, whose number neither the rows here nor the tables have had.

    The tables may know more of them than our row does, where the database is an older copy.
    """
    begun = begun_batches(folder)
    if begun or not closed_segments(folder):
        return begun
    opened = (open_table(target) for target in targets)
    known = [one.transaction_version(_application(spool)) or 0 for one in opened if one is not None]
    batch = begin_batch(folder, max(int(table.batches.get(spool, 0)), *known, 0) + 1)
    return [batch] if batch else []


def _count(table: InferenceTable, spool: str, batch: Batch) -> None:
    table.batches = {**table.batches, spool: max(batch.number, int(table.batches.get(spool, 0)))}
    table.save(update_fields=["batches"])


def _application(spool: str) -> str:
    return f"modelkeep.spool.{spool}"


# --- One batch ----------------------------------------------------------------------------------------------------


def _append_batch(table: InferenceTable, batch: Batch, application: str) -> int:
    rows = list(batch.rows())
    payload = open_table(table.table)
    if payload is None and (table.endpoint is None or not table.is_enabled):
        # Nobody can turn it on again: what waits has nowhere to go.
        table.dropped_rows += len(rows)
        table.save(update_fields=["dropped_rows"])
        return len(rows)
    if payload is None:
        raise InvalidState(
            f"The payload table of '{table.endpoint_name}' was deleted: its rows wait in the spool until the "
            "inference table is turned off and on again."
        )
    if (payload.transaction_version(application) or 0) < batch.number:
        write_rows(payload, (payload_row(table.form, row) for row in rows), (application, batch.number))
    unparsed = _append_unpacked(table, rows, application, batch.number)
    versions = _versions_of(rows)
    _keep_lineage(table, versions)
    table.appended_rows += len(rows)
    table.unparsed_rows += unparsed
    table.appended_at = timezone.now()
    table.message = ""
    table.save(update_fields=["appended_rows", "unparsed_rows", "appended_at", "message"])
    return len(rows)


def _append_unpacked(table: InferenceTable, rows: Sequence[Mapping[str, Any]], application: str, number: int) -> int:
    """Add a row for each row of each request; returns how many requests could not be read."""
    unpacked = open_table(table.unpacked_table)
    if unpacked is None:
        return 0
    unpackings = {entity: unpacking_of(entity_signature) for entity, entity_signature in _signatures_of(rows).items()}
    records, unparsed = _records(rows, unpackings)
    if (unpacked.transaction_version(application) or 0) < number and records:
        unpacked = _widened(table, unpacked, unpackings.values())
        _add_labels(table, rows, records)
        write_rows(unpacked, typed_rows(unpacked, records), (application, number))
    return unparsed


def _records(
    rows: Iterable[Mapping[str, Any]], unpackings: Mapping[str, Unpacking]
) -> tuple[list[dict[str, Any]], int]:
    records: list[dict[str, Any]] = []
    unparsed = 0
    for row in rows:
        unpacking = unpackings.get(row.get("entity_id") or "")
        if row.get("entity_id") is None:
            continue  # It reached no model: there is nothing to unpack.
        values = _values(unpacking, row)
        if values is None:
            unparsed += 1
            continue
        facts = {
            "databricks_request_id": row["request_id"],
            "client_request_id": storable(row.get("client_request_id")),
            "timestamp": received_at(row),
            "status_code": row["status_code"],
            "model_name": row.get("model"),
            "model_version": row.get("version"),
            "served_entity": row.get("entity"),
        }
        records += [{**value, **facts, "row_index": place} for place, value in enumerate(values)]
    return records, unparsed


def _values(unpacking: Unpacking | None, row: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Of each row of a request; None for a request that cannot be read."""
    if unpacking is None:
        return None
    try:
        return unpacking.rows(
            request=row.get("request"), response=row.get("response"), content_type=row.get("content_type") or ""
        )
    except Unparsable:
        return None
    except Exception as error:  # What somebody sent must never keep everybody else's rows out of the table.
        logger.warning("request %s cannot be unpacked", row.get("request_id"), exc_info=error)
        return None


def _add_labels(table: InferenceTable, rows: Sequence[Mapping[str, Any]], records: Iterable[dict[str, Any]]) -> None:
    """Labels that came before their rows: a request is answered before it is in its table."""
    source = open_table(table.label_table)
    if source is None:
        return
    first = min(received_at(row) for row in rows) - _CLOCKS_APART
    labels = newest_labels(
        source,
        since=first,
        request_ids={row["request_id"] for row in rows},
        client_ids={one[BY_CLIENT] for one in records if one[BY_CLIENT]},
    )
    for one in records:
        for kind in (BY_CLIENT, BY_REQUEST):
            label = labels.get((kind, one[kind] or "", one["row_index"]))
            if label is not None:
                one[LABEL] = label


def _widened(table: InferenceTable, unpacked: "DeltaTable", unpackings: Iterable[Unpacking]) -> "DeltaTable":
    """The unpacked table with the columns that these versions have besides those it has."""
    import pyarrow as pa
    from deltalake.schema import Field, PrimitiveType

    known = {field.name.lower() for field in pa.schema(unpacked.schema().to_arrow())}
    wanted = {column.name.lower(): column for one in unpackings for column in one.columns}
    fresh = [column for key, column in wanted.items() if key not in known]
    if LABEL not in known:
        fresh.append(Column(LABEL, label_type(fresh)))
    if not fresh:
        return unpacked
    unpacked.alter.add_columns([Field(column.name, PrimitiveType(column.type), nullable=True) for column in fresh])
    entry = Table.objects.filter(pk=table.unpacked_table_id).first()
    if entry is not None:
        place = len(entry.columns)
        shown = [
            {**column, "position": place + i, "nullable": True} for i, column in enumerate(catalog_columns(fresh))
        ]
        entry.columns = [*entry.columns, *shown]
        entry.save(update_fields=["columns"])
    return unpacked


# --- What the rows are of -----------------------------------------------------------------------------------------


def _entity_ids(rows: Iterable[Mapping[str, Any]]) -> set[str]:
    return {row["entity_id"] for row in rows if row.get("entity_id")}


def _signatures_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The signatures of the versions that answered, by served entity. One query, more if an endpoint is gone."""
    found = ServedEntity.objects.filter(pk__in=_entity_ids(rows), version__isnull=False)
    signatures = {str(pk): signature for pk, signature in found.values_list("pk", "version__signature")}
    gone = {
        row["entity_id"]: (row.get("model") or "", row.get("version") or "")
        for row in rows
        if row.get("entity_id") and row["entity_id"] not in signatures
    }
    for entity_id, (model, version) in gone.items():
        try:
            securable = find_securable(SecurableType.REGISTERED_MODEL, model)
        except ModelkeepError:
            continue
        one = (
            ModelVersion.objects.filter(model=securable.pk, version=int(version)).first()
            if version.isdigit()
            else None
        )
        if one is not None:
            signatures[entity_id] = one.signature
    return signatures


def _versions_of(rows: Iterable[Mapping[str, Any]]) -> list[tuple[UUID, str]]:
    found = ServedEntity.objects.filter(pk__in=_entity_ids(rows), version__isnull=False)
    return list(found.values_list("version_id", "config__endpoint__name").distinct())


def _keep_lineage(table: InferenceTable, versions: Iterable[tuple[Any, str]]) -> None:
    """Arrows from the versions that answered to the tables that hold their answers."""
    targets = [one for one in (table.table, table.unpacked_table) if one is not None]
    LineageEdge.objects.bulk_create(
        (
            LineageEdge(
                version_id=version,
                direction="DOWNSTREAM",
                kind="TABLE",
                name=target.full_name,
                details={"endpoint": endpoint},
                table=target,
                recorded_by=table.created_by,
            )
            for version, endpoint in versions
            for target in targets
        ),
        ignore_conflicts=True,
    )


# --- What went wrong ----------------------------------------------------------------------------------------------


def _tell_failure(pk: UUID, error: Exception) -> None:
    """Keep why a table takes no rows; an event when that is news."""
    said = error.message if isinstance(error, InvalidState) else f"{type(error).__name__}: {str(error)[:300]}"
    table = InferenceTable.objects.select_related("endpoint").get(pk=pk)
    is_news = not table.message
    InferenceTable.objects.filter(pk=pk).update(message=said)
    if is_news and table.endpoint is not None:
        message = f"The inference table takes no rows, and they wait in the spool. {said}"
        tell(endpoint=table.endpoint, kind="INFERENCE_TABLE_FAILED", message=message, level="ERROR")


def _count_drops(*, now: datetime | None = None) -> None:
    """Add what gateways could not spool to the tables' counts, once. One query, two more where something was lost."""
    lost: dict[str, dict[str, int]] = {}
    for stats in read_stats(Path(settings.SERVING_ROOT, "gateways")):
        for table_id, count in stats.dropped_rows.items():
            if count:
                lost.setdefault(table_id, {})[f"{stats.pid}@{stats.started}"] = count
    if not lost:
        return
    with transaction.atomic():
        rows = InferenceTable.objects.select_for_update(of=("self",)).select_related("endpoint")
        for table in rows.filter(pk__in=list(lost)):
            counted = lost[str(table.pk)]
            fresh = sum(max(0, count - int(table.drops.get(key, 0))) for key, count in counted.items())
            if not fresh:
                continue
            table.drops = dict(list({**table.drops, **counted}.items())[-_MOST_DROP_MARKS:])
            table.dropped_rows += fresh
            table.save(update_fields=["drops", "dropped_rows"])
            _tell_drops(table, fresh, now or timezone.now())


def _tell_drops(table: InferenceTable, fresh: int, now: datetime) -> None:
    """An event, once an hour at the most."""
    if table.endpoint is None:
        return
    lately = EndpointEvent.objects.filter(endpoint=table.endpoint, kind=_DROPPED, at__gt=now - _TELL_AGAIN)
    if not lately.exists():
        message = f"{fresh} requests were answered and are missing from the inference table: the spool was full."
        tell(endpoint=table.endpoint, kind=_DROPPED, message=message, level="ERROR", now=now)
