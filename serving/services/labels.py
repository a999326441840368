"""What really was: labels that people and pipelines tell of answered requests, by request id and row."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils import timezone

from registry.errors import InvalidParameter, InvalidState, Unavailable
from registry.models import Securable, Table
from registry.privileges import Action, SecurableType
from registry.services.access import require
from registry.services.actors import Actor
from registry.services.audit import audited, record
from registry.services.securables import find_securable
from serving.models import EndpointLevel, InferenceTable
from serving.routing.spool import SpoolWriter
from serving.services.capture_appends import LABELS_FOLDER, spool_root
from serving.services.capture_labels import label_columns
from serving.services.delta_tables import create_delta_table, delta_type_of
from serving.services.endpoint_access import SERVICE, require_endpoint, subject_of
from serving.services.inference_tables import find_table
from serving.services.unpacking import LABEL, fitted

MOST_LABELS = 200_000
_MOST_PLACE = 2**31
_IDS = ("databricks_request_id", "request_id")
_CLIENT_ID = "client_request_id"
_MOST_ID = 1000


@dataclass(frozen=True)
class Label:
    """What really was of one row of a request."""

    request_id: str
    row_index: int
    value: Any
    client_request_id: str = ""
    """Instead of `request_id`, which is empty then: the id that the caller gave the request."""


@audited
def upload_labels(*, actor: Actor, name: str, labels: list[Label], form: str = "") -> InferenceTable:
    """Take labels for requests to an endpoint: they come into its label table, and into the unpacked rows, within
    seconds. Told again, the last one counts; the row of a request may come after its label.

    Needs CAN_VIEW on the endpoint and MODIFY on its unpacked table; the first labels also CREATE_TABLE on the schema.

    Raises:
        NotFound, AccessDenied.
        InvalidParameter: a label that is not of the prediction's type.
        InvalidState: nothing was unpacked yet.
        Unavailable: the spool takes nothing now.
    """
    endpoint = require_endpoint(actor=actor, name=name, level=EndpointLevel.CAN_VIEW, action="uploadLabels")
    table = find_table(endpoint, form)
    unpacked = table.unpacked_table
    if unpacked is None:
        raise InvalidState(f"The unpacked table of endpoint '{name}' was deleted: there is nothing to label.")
    _require_modify(actor, unpacked)
    type_ = _label_type(unpacked)
    for place, label in enumerate(labels):
        if fitted(label.value, type_) is None:
            request = label.request_id or label.client_request_id
            raise InvalidParameter(
                f"Label {place} (request '{request}') is {str(label.value)[:80]!r}: predictions of this endpoint are "
                f"{type_}, and so are labels.",
                field="labels",
            )
    if table.label_table is None:
        table.label_table = _label_table(actor, table, unpacked, type_)
        table.save(update_fields=["label_table"])
    else:
        _require_modify(actor, table.label_table)
    record(
        actor=actor,
        action="uploadLabels",
        service_name=SERVICE,
        subject=subject_of(endpoint),
        params={"table": table.label_table.full_name, "labels": len(labels)},
    )
    _spool(table, actor, labels)
    return table


def _require_modify(actor: Actor, table: Securable) -> None:
    securable = find_securable(SecurableType.TABLE, table.full_name)
    require(actor=actor, action=Action.MODIFY_TABLE, securable=securable)


def _label_type(unpacked: Securable) -> str:
    columns = Table.objects.get(pk=unpacked.pk).columns
    found = next((column for column in columns if column["name"] == LABEL), None)
    if found is None:
        raise InvalidState("No request was unpacked yet, so the type of labels is not known: send one first.")
    return delta_type_of(found)


def _label_table(actor: Actor, table: InferenceTable, unpacked: Securable, type_: str) -> Securable:
    schema = unpacked.parent
    if schema is None or schema.parent is None:
        raise InvalidState("The unpacked table is in no schema.")
    made = create_delta_table(
        actor=actor,
        place=(schema.parent.name, schema.name),
        name=f"{unpacked.name.removesuffix('_unpacked')}_labels",
        columns=label_columns(type_),
        comment=f"Labels of requests to serving endpoint {table.endpoint_name}.",
        properties={"modelkeep.endpoint": table.endpoint_name, "modelkeep.inference_table": table.form},
    )
    return made.securable


def _spool(table: InferenceTable, actor: Actor, labels: list[Label]) -> None:
    """Written down as one row, so that an upload is taken as a whole."""
    folder = spool_root() / str(table.pk) / LABELS_FOLDER
    writer = SpoolWriter(folder, max_bytes=settings.SERVING_SPOOL_BYTES)
    upload = {
        "labels": [[one.request_id, one.client_request_id, one.row_index, one.value] for one in labels],
        "labeled_at": timezone.now().timestamp(),
        "labeled_by": actor.name,
    }
    kept = writer.append(upload)
    writer.close()
    if not kept:
        raise Unavailable(f"The labels were not taken: {writer.message}")


# --- As files -----------------------------------------------------------------------------------------------------


def read_labels(body: bytes, content_type: str) -> list[Label]:
    """Labels as they are sent: JSON `{"labels": [{"request_id", "row_index", "label"}]}`, or CSV or Parquet with
    those columns. `row_index` is 0 where it is not given; `labels` of an entry are those of one request's rows.
    `client_request_id` may be given instead of `request_id`.

    Raises:
        InvalidParameter: none of these, or too many; says which entry.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "text/csv":
        entries: Iterable[object] = csv.DictReader(io.StringIO(_decoded(body)))
    elif "parquet" in kind:
        entries = _parquet(body)
    else:
        entries = _json(body)
    labels: list[Label] = []
    for place, entry in enumerate(entries):
        labels += _labels(entry, place)
        if len(labels) > MOST_LABELS:
            raise InvalidParameter(f"Send at most {MOST_LABELS} labels at a time.", field="labels")
    if not labels:
        raise InvalidParameter("'labels' is empty: give request_id and label of at least one row.", field="labels")
    return labels


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidParameter("The file of labels must be UTF-8.", field="labels") from error


def _json(body: bytes) -> list[object]:
    try:
        sent = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise InvalidParameter("The request body is not valid JSON.") from error
    entries = sent.get("labels") if isinstance(sent, dict) else None
    if not isinstance(entries, list):
        raise InvalidParameter("'labels' must be a list of objects with request_id and label.", field="labels")
    return entries


def _parquet(body: bytes) -> list[object]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(body))
        if file.metadata.num_rows > MOST_LABELS:
            raise InvalidParameter(f"Send at most {MOST_LABELS} labels at a time.", field="labels")
        wanted = [name for name in file.schema_arrow.names if name in {*_IDS, _CLIENT_ID, "row_index", LABEL}]
        return list(file.read(columns=wanted).to_pylist())
    except (pa.ArrowException, OSError) as error:
        raise InvalidParameter("The file of labels is no Parquet file that can be read.", field="labels") from error


def _labels(entry: object, place: int) -> list[Label]:
    if not isinstance(entry, Mapping):
        raise InvalidParameter(f"Entry {place} of 'labels' must be an object.", field="labels")
    request_id = next((entry[name] for name in _IDS if entry.get(name)), "")
    client_id = "" if request_id else entry.get(_CLIENT_ID) or ""
    given = request_id or client_id
    if not isinstance(given, str) or not 0 < len(given) <= _MOST_ID:
        raise InvalidParameter(
            f"Entry {place} of 'labels' needs a 'request_id', or the 'client_request_id' that the request was sent "
            "with.",
            field="labels",
        )
    several = entry.get("labels")
    if isinstance(several, list):
        return [Label(request_id, row, _value(value, place), client_id) for row, value in enumerate(several)]
    row = _row_index(entry.get("row_index"), place)
    return [Label(request_id, row, _value(entry.get(LABEL), place), client_id)]


def _value(value: Any, place: int) -> Any:
    if value is None or value == "":
        raise InvalidParameter(f"Entry {place} of 'labels' has no 'label'.", field="labels")
    return value if isinstance(value, str | int | float | bool) else str(value)


def _row_index(given: Any, place: int) -> int:
    try:
        index = int(given or 0)
    except (TypeError, ValueError):
        index = -1
    if not 0 <= index < _MOST_PLACE:
        raise InvalidParameter(f"'row_index' of entry {place} must be a whole number from 0.", field="labels")
    return index
