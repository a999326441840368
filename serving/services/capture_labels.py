"""Labels: what really was, told later by request id, kept in a table of its own and joined to the unpacked rows."""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from serving.models import InferenceTable
from serving.services.delta_tables import Column
from serving.services.delta_writes import open_table, type_name, write_rows
from serving.services.spool_batches import Batch
from serving.services.unpacking import LABEL, fitted

if TYPE_CHECKING:
    from deltalake import DeltaTable

BY_REQUEST, BY_CLIENT = "databricks_request_id", "client_request_id"
Key = tuple[str, str, int]
"""By which of the two ids, the id, and the row of the request."""


def label_columns(type_: str) -> tuple[Column, ...]:
    """The columns of a table of labels of that type."""
    return (
        Column(
            BY_REQUEST, "string", "Id of the request, as in the unpacked table; null where its caller's was given."
        ),
        Column(BY_CLIENT, "string", "The id that the caller gave the request."),
        Column("row_index", "integer", "Which row of the request, from 0."),
        Column(LABEL, type_, "What really was."),
        Column("labeled_at", "timestamp", "When it was told."),
        Column("labeled_by", "string", "Who told it."),
    )


def merge_labels(table: InferenceTable, batch: Batch, *, application: str) -> None:
    """Keep the labels of a batch and set them in the unpacked rows that are there, each once."""
    labels, unpacked = open_table(table.label_table), open_table(table.unpacked_table)
    if labels is None:
        return
    type_ = _label_type(labels)
    rows = [row for upload in batch.rows() for row in _rows(upload, type_)]
    if (labels.transaction_version(application) or 0) < batch.number:
        write_rows(labels, rows, (application, batch.number))
    newest = newest_of(rows)
    if unpacked is None:
        return
    for kind in (BY_REQUEST, BY_CLIENT):
        mark = (f"{application}/{kind}", batch.number)
        told = {key: value for key, value in newest.items() if key[0] == kind}
        if told and (unpacked.transaction_version(mark[0]) or 0) < batch.number:
            _merge(unpacked, kind, told, mark)


def _rows(upload: Mapping[str, Any], type_: str) -> Iterator[dict[str, Any]]:
    moment = datetime.fromtimestamp(upload["labeled_at"], UTC)
    for request_id, client_request_id, place, label in upload["labels"]:
        yield {
            BY_REQUEST: request_id or None,
            BY_CLIENT: client_request_id or None,
            "row_index": place,
            LABEL: fitted(label, type_),
            "labeled_at": moment,
            "labeled_by": upload["labeled_by"],
        }


def _label_type(labels: "DeltaTable") -> str:
    import pyarrow as pa

    return type_name(pa.schema(labels.schema().to_arrow()).field(LABEL).type)


def newest_of(rows: Collection[Mapping[str, Any]]) -> dict[Key, Any]:
    """The label that was told last of each row."""
    ordered = sorted(rows, key=lambda row: row["labeled_at"])
    return {_key(row): row[LABEL] for row in ordered}


def _key(row: Mapping[str, Any]) -> Key:
    kind = BY_REQUEST if row[BY_REQUEST] else BY_CLIENT
    return kind, row[kind], row["row_index"]


def newest_labels(
    labels: "DeltaTable", *, since: datetime, request_ids: Collection[str], client_ids: Collection[str]
) -> dict[Key, Any]:
    """The labels of these requests that were told since then. Reads only files that hold such labels."""
    import pyarrow as pa
    import pyarrow.compute as pc

    def among(name: str, ids: Collection[str]) -> pc.Expression:
        # Files that retention rewrote hold texts in a form that Arrow compares only once it is made plain.
        return pc.field(name).cast(pa.string()).isin(pa.array(list(ids), pa.string()))

    wanted = among(BY_REQUEST, request_ids) | among(BY_CLIENT, client_ids)
    condition = (pc.field("labeled_at") >= since) & wanted
    return newest_of(labels.to_pyarrow_dataset().to_table(filter=condition).to_pylist())


def _merge(unpacked: "DeltaTable", kind: str, labels: Mapping[Key, Any], mark: tuple[str, int]) -> None:
    import pyarrow as pa
    from deltalake import CommitProperties, Transaction

    schema = pa.schema(unpacked.schema().to_arrow())
    source = pa.table(
        {
            "request": pa.array([key[1] for key in labels], pa.string()),
            "place": pa.array([key[2] for key in labels], pa.int32()),
            "told": pa.array(list(labels.values()), schema.field(LABEL).type),
        }
    )
    unpacked.merge(
        source,
        f"t.{kind} = s.request AND t.row_index = s.place",
        source_alias="s",
        target_alias="t",
        commit_properties=CommitProperties(app_transactions=[Transaction(*mark)]),
    ).when_matched_update({LABEL: "s.told"}).execute()
