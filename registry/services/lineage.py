"""Lineage of versions: read from run inputs at registration, from the client's header, and from reported loads."""

import base64
import binascii
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count

from registry.models import LineageEdge, ModelVersion, Securable
from registry.names import lookup_key
from registry.privileges import Action, SecurableType
from registry.services.access import require_visible, visible_to
from registry.services.actors import Actor
from registry.services.audit import audited, audited_read, record
from registry.services.model_lookup import canonical_name, find_model, find_version_for, visible_version

UPSTREAM, DOWNSTREAM = "UPSTREAM", "DOWNSTREAM"
_MAX_EDGES_A_CALL = 100
MOST_SHARED = 200
_DELTA = "delta_table"


@dataclass(frozen=True)
class Edge:
    """One arrow as a client or a run describes it."""

    direction: str
    kind: str
    name: str
    details: Mapping[str, Any]


def decode_header(header: str) -> dict[str, Any]:
    """The lineage header of a stock client, base64 of JSON; what cannot be read is no lineage, and no error."""
    try:
        decoded = json.loads(base64.b64decode(header, validate=True))
    except (binascii.Error, ValueError):
        return {}
    return decoded if isinstance(decoded, dict) else {}


def record_origin(
    version: ModelVersion, *, actor: Actor, inputs: Sequence[Mapping[str, Any]], header: Mapping[str, Any]
) -> None:
    """Keep where a new version came from. Call in the transaction that makes it."""
    edges = [*_edges_of_inputs(inputs), *_edges_of_header(header)]
    if version.copied_from is not None:
        copied = LineageEdge.objects.filter(version=version.copied_from, direction=UPSTREAM)
        edges += [Edge(UPSTREAM, edge.kind, edge.name, edge.details) for edge in copied]
    _keep(version, actor=actor, edges=edges)


def _edges_of_inputs(inputs: Iterable[Mapping[str, Any]]) -> Iterable[Edge]:
    """The datasets that the run logged with `mlflow.log_input`."""
    for dataset_input in inputs:
        dataset = dataset_input.get("dataset", {})
        source = _json(dataset.get("source"))
        table = source.get("delta_table_name") if dataset.get("source_type") == _DELTA else None
        context = [t.get("value") for t in dataset_input.get("tags", []) if t.get("key") == "mlflow.data.context"]
        details = {
            "digest": dataset.get("digest", ""),
            "source_type": dataset.get("source_type", ""),
            "context": context[0] if context else "",
            "table_version": source.get("delta_table_version"),
            "dataset": dataset.get("name", ""),
        }
        name = table or dataset.get("name") or dataset.get("digest")
        if name:
            yield Edge(UPSTREAM, "TABLE" if table else "DATASET", str(name), details)


def _edges_of_header(header: Mapping[str, Any]) -> Iterable[Edge]:
    for entity in _mappings(header.get("entities")):
        yield from _edges_of_entity(entity, UPSTREAM)
    for lineage in _mappings(header.get("lineages")):
        for securable in _mappings(lineage.get("source_securables")):
            table = securable.get("table")
            if isinstance(table, dict) and table.get("name"):
                yield Edge(UPSTREAM, "TABLE", str(table["name"]), {"table_id": table.get("table_id")})


def _edges_of_entity(entity: Mapping[str, Any], direction: str) -> Iterable[Edge]:
    """Notebooks and jobs, as clients that run inside one report them."""
    notebook, job = entity.get("notebook"), entity.get("job")
    if isinstance(notebook, dict) and notebook.get("id"):
        yield Edge(direction, "NOTEBOOK", str(notebook["id"]), {})
    if isinstance(job, dict) and job.get("id"):
        yield Edge(direction, "JOB", str(job["id"]), {"job_run_id": job.get("job_run_id")})


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _json(text: Any) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (TypeError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _keep(version: ModelVersion, *, actor: Actor, edges: Iterable[Edge]) -> None:
    kept = list(edges)[:_MAX_EDGES_A_CALL]
    tables = _governed_tables({edge.name for edge in kept if edge.kind == "TABLE"})
    LineageEdge.objects.bulk_create(
        (
            LineageEdge(
                version=version,
                direction=edge.direction,
                kind=edge.kind,
                name=edge.name[:1000],
                details=dict(edge.details),
                table=tables.get(lookup_key(edge.name)) if edge.kind == "TABLE" else None,
                recorded_by=actor.principal,
            )
            for edge in kept
        ),
        ignore_conflicts=True,
    )


def _governed_tables(names: set[str]) -> dict[str, Securable]:
    """The tables of this installation among some names, by lower-case full name. One query."""
    keys = {lookup_key(name) for name in names}
    if not keys:
        return {}
    last_parts = {key.rpartition(".")[2] for key in keys}
    rows = Securable.objects.filter(type=SecurableType.TABLE, key__in=last_parts).select_related("parent__parent")
    return {lookup_key(row.full_name): row for row in rows if lookup_key(row.full_name) in keys}


@audited
def report_load(*, actor: Actor, name: object, version: object, entities: Any) -> None:
    """Keep who loads a version: the notebooks and jobs a client names, none of which is an error.

    Raises:
        NotFound, AccessDenied, InvalidState: as for loading.
    """
    found = find_version_for(actor=actor, name=name, version=version, action=Action.LOAD_VERSION)
    edges = [edge for entity in _mappings(entities) for edge in _edges_of_entity(entity, DOWNSTREAM)]
    _keep(found, actor=actor, edges=edges)
    record(
        actor=actor,
        action="emitModelVersionLineage",
        securable=found.model.securable,
        params={"version": found.version, "entities": len(edges)},
    )


@audited_read
def list_lineage(*, actor: Actor, name: object, version: object) -> list[LineageEdge]:
    """The arrows at a version, without those to governed tables that the actor may not see. Seven queries.

    Raises:
        NotFound, AccessDenied.
    """
    return edges_of(actor, visible_version(actor=actor, name=name, version=version))


def edges_of(actor: Actor, version: ModelVersion) -> list[LineageEdge]:
    """As `list_lineage`, of a version that the caller has found to be visible. Four queries."""
    rows = LineageEdge.objects.filter(version=version).select_related("table__parent__parent")
    edges = list(rows.order_by("direction", "kind", "name"))
    seen = _tables_seen(actor, {edge.table_id for edge in edges})
    return [edge for edge in edges if edge.table_id is None or edge.table_id in seen]


def _tables_seen(actor: Actor, ids: Collection[UUID | None]) -> set[UUID]:
    """Which of these governed tables the actor may see."""
    if not any(ids):
        return set()
    tables = Securable.objects.filter(pk__in=[id_ for id_ in ids if id_])
    return set(visible_to(actor, tables, SecurableType.TABLE).values_list("pk", flat=True))


@dataclass(frozen=True)
class SharedEdge:
    """The same arrow at some versions of one model. `table` is set for a table that is governed here."""

    direction: str
    kind: str
    name: str
    versions: int
    table: Securable | None = None


@audited_read
def list_model_lineage(*, actor: Actor, name: object) -> list[SharedEdge]:
    """The arrows at all versions of a model together, those of most versions first, without tables that the actor may
    not see. At most MOST_SHARED. Eight queries.

    Raises:
        NotFound, AccessDenied.
    """
    model = find_model(name)
    require_visible(actor=actor, securable=model.securable, named=canonical_name(name))
    rows = LineageEdge.objects.filter(version__model=model).values_list("direction", "kind", "name", "table_id")
    counted = list(rows.annotate(versions=Count("version")).order_by("-versions", "kind", "name")[:MOST_SHARED])
    seen = _tables_seen(actor, {table_id for *_, table_id, _ in counted})
    tables = Securable.objects.select_related("parent__parent").in_bulk(seen)
    return [
        SharedEdge(direction, kind, name_, versions, tables.get(table_id) if table_id else None)
        for direction, kind, name_, table_id, versions in counted
        if table_id is None or table_id in seen
    ]
