"""Inference tables: turned on and off for an endpoint, in either documented form, and shown.

Turning one on makes governed Delta tables as whoever asks, who needs CREATE_TABLE on the schema and then owns them.
They outlive the endpoint. A gateway spools a row for every table that is on; `capture_appends` moves it over.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils import timezone

from registry.errors import AlreadyExists, InvalidParameter, InvalidState
from registry.models import Securable
from registry.names import lookup_key
from registry.privileges import Action, SecurableType
from registry.services.access import require
from registry.services.actors import Actor
from registry.services.audit import audited, audited_read, record
from registry.services.securables import find_securable
from serving.models import CaptureForm, EndpointLevel, InferenceTable, ServedEntity, ServingEndpoint
from serving.routing.routes import CaptureRoute
from serving.services.delta_tables import Column, create_delta_table
from serving.services.endpoint_access import SERVICE, require_endpoint, subject_of
from serving.services.payload_rows import COLUMNS, DATE_COLUMN
from serving.services.unpacking import FACTS, LABEL, label_type, united, unpacking_of

_MAX_RETENTION_DAYS = 3650
Signatures = Sequence[Mapping[str, Any]]
_FIELD = {CaptureForm.AI_GATEWAY: "inference_table_config", CaptureForm.LEGACY: "auto_capture_config"}


@dataclass(frozen=True)
class Capture:
    """Where an endpoint's requests are to be kept, as a client asks for it."""

    is_enabled: bool
    catalog: str
    schema: str
    prefix: str

    @property
    def payload_name(self) -> str:
        """Name of the payload table in its schema."""
        return f"{self.prefix}_payload"

    @property
    def full_name(self) -> str:
        """Full name of the payload table."""
        return f"{self.catalog}.{self.schema}.{self.payload_name}"


def parse_capture(config: object, *, form: CaptureForm, endpoint_name: str) -> Capture | None:
    """What a client wrote of an inference table; None when it wrote nothing.

    Without a prefix, tables are called after the endpoint.

    Raises:
        InvalidParameter.
    """
    field = _FIELD[form]
    if config is None or config == {}:
        return None
    if not isinstance(config, Mapping):
        raise InvalidParameter(f"'{field}' must be an object.", field=field)
    enabled = config.get("enabled", form == CaptureForm.LEGACY)
    if not isinstance(enabled, bool):
        raise InvalidParameter(f"'{field}.enabled' must be true or false.", field=field)
    texts = {}
    for key in ("catalog_name", "schema_name", "table_name_prefix"):
        value = config.get(key)
        if value is not None and not isinstance(value, str):
            raise InvalidParameter(f"'{field}.{key}' must be text.", field=field)
        texts[key] = (value or "").strip()
    if enabled and not (texts["catalog_name"] and texts["schema_name"]):
        raise InvalidParameter(
            f"'{field}' needs 'catalog_name' and 'schema_name': the schema that the table is made in.", field=field
        )
    prefix = texts["table_name_prefix"] or endpoint_name
    return Capture(enabled, texts["catalog_name"], texts["schema_name"], prefix)


def apply_auto_capture(
    *, actor: Actor, endpoint: ServingEndpoint, config: object, signatures: Signatures | None = None
) -> dict[str, Any]:
    """Bring the legacy table in line with the `auto_capture_config` of a configuration; returns it as it now is.

    Nothing given changes nothing. `signatures` are those of the versions that are to be served, for the columns of
    the unpacked table; without them, of those that are. Call inside an `audited` function that has checked
    CAN_MANAGE.

    Raises:
        NotFound, AccessDenied: the schema is not there, or the actor may not make tables in it.
        InvalidParameter, AlreadyExists.
        InvalidState: another place while it is on.
    """
    capture = parse_capture(config, form=CaptureForm.LEGACY, endpoint_name=endpoint.name)
    if capture is not None:
        _apply(actor, endpoint, CaptureForm.LEGACY, capture, signatures)
    return auto_capture_wire(endpoint)


def apply_inference_table_config(
    *, actor: Actor, endpoint: ServingEndpoint, config: object, signatures: Signatures | None = None
) -> dict[str, Any]:
    """As `apply_auto_capture` for the AI gateway's `inference_table_config`; nothing given turns it off."""
    capture = parse_capture(config, form=CaptureForm.AI_GATEWAY, endpoint_name=endpoint.name)
    if capture is None:
        capture = Capture(is_enabled=False, catalog="", schema="", prefix="")
    _apply(actor, endpoint, CaptureForm.AI_GATEWAY, capture, signatures)
    return inference_table_wire(endpoint)


def _apply(
    actor: Actor, endpoint: ServingEndpoint, form: CaptureForm, capture: Capture, signatures: Signatures | None
) -> None:
    current = (
        InferenceTable.objects.select_for_update(of=("self",))
        .filter(endpoint=endpoint, form=form)
        .select_related("table__parent__parent")
        .first()
    )
    if not capture.is_enabled:
        if current is not None and current.is_enabled:
            current.is_enabled = False
            current.save(update_fields=["is_enabled"])
            _record(actor, "disableInferenceTable", endpoint, current)
        return
    if current is not None and current.is_enabled and current.table is not None:
        if lookup_key(current.table.full_name) != lookup_key(capture.full_name):
            raise InvalidState(
                f"Requests are kept in '{current.table.full_name}': turn that off before choosing "
                f"'{capture.full_name}'."
            )
        return
    _enable(actor, endpoint, form, capture, current, signatures)


def _enable(
    actor: Actor,
    endpoint: ServingEndpoint,
    form: CaptureForm,
    capture: Capture,
    current: InferenceTable | None,
    signatures: Signatures | None,
) -> None:
    if current is not None and current.table is not None and _is_named(current.table, capture):
        require(actor=actor, action=Action.MODIFY_TABLE, securable=current.table)
        current.is_enabled, current.message = True, ""
        current.save(update_fields=["is_enabled", "message"])
        _record(actor, "enableInferenceTable", endpoint, current)
        return
    if current is not None:
        # What still waits in its spool goes to its own table: the row lives on by itself.
        current.endpoint = None
        current.is_enabled = False
        current.save(update_fields=["endpoint", "is_enabled"])
    known = _signatures(endpoint) if signatures is None else signatures
    made = _adopted(actor, endpoint, form, capture) or _created(actor, endpoint, form, capture, known)
    _record(actor, "enableInferenceTable", endpoint, made)


def _is_named(table: Securable, capture: Capture) -> bool:
    return lookup_key(table.full_name) == lookup_key(capture.full_name)


def _adopted(actor: Actor, endpoint: ServingEndpoint, form: CaptureForm, capture: Capture) -> InferenceTable | None:
    """The table that an earlier endpoint of the same name left there, for who may write to it."""
    left = (
        InferenceTable.objects.select_for_update(of=("self",))
        .filter(endpoint=None, endpoint_name=endpoint.name, form=form, table__key=lookup_key(capture.payload_name))
        .select_related("table__parent__parent", "table__owner")
        .order_by("-created_at")
    )
    for row in left:
        if row.table is not None and _is_named(row.table, capture):
            require(actor=actor, action=Action.MODIFY_TABLE, securable=row.table)
            row.endpoint, row.is_enabled, row.message = endpoint, True, ""
            row.save(update_fields=["endpoint", "is_enabled", "message"])
            return row
    return None


def _created(
    actor: Actor, endpoint: ServingEndpoint, form: CaptureForm, capture: Capture, signatures: Signatures
) -> InferenceTable:
    place = (capture.catalog, capture.schema)
    properties = {"modelkeep.endpoint": endpoint.name, "modelkeep.inference_table": form}
    try:
        payload = create_delta_table(
            actor=actor,
            place=place,
            name=capture.payload_name,
            columns=COLUMNS[form],
            partition_by=[DATE_COLUMN[form]],
            comment=f"Requests to serving endpoint {endpoint.name} and its answers.",
            properties=properties,
        )
        unpacked = create_delta_table(
            actor=actor,
            place=place,
            name=f"{capture.prefix}_unpacked",
            columns=unpacked_columns(signatures),
            comment=f"Requests to serving endpoint {endpoint.name}, a column for each input and prediction.",
            properties=properties,
        )
    except AlreadyExists as taken:
        raise AlreadyExists(f"{taken.message} Choose another 'table_name_prefix'.") from taken
    return InferenceTable.objects.create(
        endpoint=endpoint,
        endpoint_name=endpoint.name,
        form=form,
        table=payload.securable,
        unpacked_table=unpacked.securable,
        created_at=timezone.now(),
        created_by=actor.principal,
    )


def _signatures(endpoint: ServingEndpoint) -> Signatures:
    """Of the versions that the endpoint's newest configuration serves. One query."""
    entities = ServedEntity.objects.filter(config__endpoint=endpoint, version__isnull=False)
    found = list(entities.order_by("-config__version").values_list("config__version", "version__signature"))
    return [signature for number, signature in found if number == found[0][0]]


def unpacked_columns(signatures: Signatures) -> list[Column]:
    """The columns of an unpacked table for versions with these signatures; more may come with later ones."""
    columns = united(column for signature in signatures for column in unpacking_of(signature).columns)
    label = Column(LABEL, label_type(columns), "What really was, once somebody has said so.")
    return [*FACTS, *columns, *([label] if columns else [])]


@audited
def set_retention(*, actor: Actor, name: str, form: str, days: int) -> InferenceTable:
    """How many days the rows of an endpoint's tables are kept, 0 for ever. Needs CAN_MANAGE, and MODIFY on the table.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
        InvalidState: the endpoint has no such table.
    """
    endpoint = require_endpoint(actor=actor, name=name, level=EndpointLevel.CAN_MANAGE)
    if not 0 <= days <= _MAX_RETENTION_DAYS:
        raise InvalidParameter(
            f"'retention_days' is {days}: use 0 (for ever) to {_MAX_RETENTION_DAYS}.", field="retention_days"
        )
    table = find_table(endpoint, form)
    if table.table is not None:
        require(actor=actor, action=Action.MODIFY_TABLE, securable=_with_owner(table.table))
    before = table.retention_days
    table.retention_days = days
    table.save(update_fields=["retention_days"])
    _record(actor, "updateInferenceTable", endpoint, table, before={"retention_days": before})
    return table


def _with_owner(securable: Securable) -> Securable:
    return find_securable(SecurableType.TABLE, securable.full_name)


def find_table(endpoint: ServingEndpoint, form: str = "") -> InferenceTable:
    """The endpoint's table of a form; of its only form when none is named.

    Raises:
        InvalidParameter: another form, or none named though there are two.
        InvalidState: there is none.
    """
    if form and form not in CaptureForm.values:
        raise InvalidParameter(f"'form' is '{form}': use {' or '.join(CaptureForm.values)}.", field="form")
    rows = _of_endpoint(endpoint.pk).filter(**({"form": form} if form else {}))
    found = list(rows)
    if not found:
        raise InvalidState(
            f"Endpoint '{endpoint.name}' keeps no requests: turn on its inference table "
            "(inference_table_config of the AI gateway) first."
        )
    if len(found) > 1:
        raise InvalidParameter(
            f"Endpoint '{endpoint.name}' has two inference tables: name one with 'form', "
            f"{' or '.join(CaptureForm.values)}.",
            field="form",
        )
    return found[0]


def _of_endpoint(endpoint_id: UUID) -> "QuerySet[InferenceTable]":
    return (
        InferenceTable.objects.filter(endpoint=endpoint_id)
        .select_related(
            "table__parent__parent", "unpacked_table__parent__parent", "label_table__parent__parent", "created_by"
        )
        .order_by("form")
    )


@audited_read
def list_inference_tables(*, actor: Actor, name: str) -> list[InferenceTable]:
    """The tables of an endpoint, at most one a form, whether on or off. Needs CAN_VIEW. Two queries.

    Raises:
        NotFound, AccessDenied.
    """
    endpoint = require_endpoint(actor=actor, name=name, level=EndpointLevel.CAN_VIEW)
    return list(_of_endpoint(endpoint.pk))


def capture_routes(endpoint_ids: Collection[UUID]) -> dict[UUID, list[CaptureRoute]]:
    """Where gateways spool the requests of these endpoints, for the published routes. One query."""
    rows = InferenceTable.objects.filter(endpoint__in=list(endpoint_ids), is_enabled=True, table__isnull=False)
    found: dict[UUID, list[CaptureRoute]] = {}
    for pk, endpoint_id, form in rows.order_by("form").values_list("pk", "endpoint_id", "form"):
        if endpoint_id is not None:
            found.setdefault(endpoint_id, []).append(CaptureRoute(id=str(pk), form=form))
    return found


def inference_table_wire(endpoint: ServingEndpoint) -> dict[str, Any]:
    """`inference_table_config` as clients read it; empty without a table. One query."""
    row = _of_endpoint(endpoint.pk).filter(form=CaptureForm.AI_GATEWAY).first()
    return {} if row is None or row.table is None else _config(row)


def auto_capture_wire(endpoint: ServingEndpoint) -> dict[str, Any]:
    """`auto_capture_config` as clients read it, with the state of the table; empty without a table. One query."""
    row = _of_endpoint(endpoint.pk).filter(form=CaptureForm.LEGACY).first()
    if row is None or row.table is None:
        return {}
    state = {"name": row.table.name, "status": "FAILED" if row.message else "ACTIVE", "status_message": row.message}
    return {**_config(row), "state": {"payload_table": state}}


def _config(row: InferenceTable) -> dict[str, Any]:
    table = row.table
    if table is None or table.parent is None or table.parent.parent is None:
        return {}
    return {
        "enabled": row.is_enabled,
        "catalog_name": table.parent.parent.name,
        "schema_name": table.parent.name,
        "table_name_prefix": table.name.removesuffix("_payload"),
    }


def _record(
    actor: Actor,
    action: str,
    endpoint: ServingEndpoint,
    table: InferenceTable,
    *,
    before: dict[str, Any] | None = None,
) -> None:
    record(
        actor=actor,
        action=action,
        service_name=SERVICE,
        subject=subject_of(endpoint),
        params={"form": table.form, "table": table.table.full_name if table.table else ""},
        before=before,
        after={"enabled": table.is_enabled, "retention_days": table.retention_days},
    )
