"""Lineage as a graph: tables and datasets → run → version → copies and whatever else uses it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from registry.models import ModelVersion, RegisteredModel, Securable
from registry.privileges import SecurableType
from registry.services.access import visible_to
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.lineage import DOWNSTREAM, UPSTREAM, edges_of, list_model_lineage
from registry.services.model_lookup import visible_version
from registry.services.registered_models import get_model
from registry.services.version_uses import known_copies, known_uses

MOST_IN_COLUMN = 40
RUN = "Run"


@dataclass(frozen=True)
class Node:
    """One thing in the graph. What it is decides which of `table`, `model`, `version`, `run`, `url` is set."""

    id: str
    kind: str
    name: str
    note: str = ""
    table: Securable | None = None
    model: RegisteredModel | None = None
    version: int | None = None
    run: tuple[str, str] | None = None
    url: str = ""
    here: bool = False


@dataclass
class Graph:
    """Columns of nodes from left to right, and the arrows between them by their ids."""

    columns: list[list[Node]] = field(default_factory=list)
    arrows: list[tuple[str, str]] = field(default_factory=list)
    left_out: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether it is the one thing alone."""
        return sum(len(column) for column in self.columns) < 2


@audited_read
def version_graph(*, actor: Actor, name: object, version: object) -> Graph:
    """What a version was made from and what came of it, as far as the actor may see. At most seventeen queries.

    Raises:
        NotFound, AccessDenied.
    """
    found = visible_version(actor=actor, name=name, version=version)
    edges = edges_of(actor, found)
    origins = [
        Node(
            id=f"up-{number}",
            kind=edge.kind.title(),
            name=edge.name,
            note=edge.details.get("context") or "",
            table=edge.table,
        )
        for number, edge in enumerate(edge for edge in edges if edge.direction == UPSTREAM)
    ]
    makers = [*_run_of(found), *_source_of(actor, found)]
    users = [
        Node(id=f"down-{number}", kind=edge.kind.title(), name=edge.name)
        for number, edge in enumerate(edge for edge in edges if edge.direction == DOWNSTREAM)
    ]
    here = _here(found.model, f"{found.model.securable.name} version {found.version}", found.version)
    return _joined(origins, makers, here, [*_uses(actor, found.model, found), *users])


@audited_read
def model_graph(*, actor: Actor, name: object) -> Graph:
    """The same for all versions of a model together.

    Raises:
        NotFound, AccessDenied.
    """
    model = get_model(actor=actor, name=name)
    edges = list_model_lineage(actor=actor, name=name)
    origins, users = (
        [
            Node(
                id=f"{direction}-{number}",
                kind=edge.kind.title(),
                name=edge.name,
                note=f"{edge.versions} version{'s' if edge.versions > 1 else ''}",
                table=edge.table,
            )
            for number, edge in enumerate(edge for edge in edges if edge.direction == direction)
        ]
        for direction in (UPSTREAM, DOWNSTREAM)
    )
    here = _here(model, model.securable.name, None)
    return _joined(origins, [], here, [*_uses(actor, model, None), *users])


def _here(model: RegisteredModel, called: str, version: int | None) -> Node:
    return Node(id="here", kind="Model", name=called, model=model, version=version, here=True)


def _run_of(version: ModelVersion) -> list[Node]:
    if not version.run_id:
        return []
    run = (version.run_experiment_id, version.run_id) if version.run_experiment_id else None
    return [Node(id="run", kind=RUN, name=version.run_id, run=run)]


def _source_of(actor: Actor, version: ModelVersion) -> list[Node]:
    """The version that it was copied from, if the actor may see its model."""
    if version.copied_from_id is None:
        return []
    source = ModelVersion.objects.select_related("model__securable__parent__parent").get(pk=version.copied_from_id)
    rows = Securable.objects.filter(pk=source.model_id)
    if not visible_to(actor, rows, SecurableType.REGISTERED_MODEL).exists():
        return []
    name = f"{source.model.securable.full_name} version {source.version}"
    return [Node(id="source", kind="Copied from", name=name, model=source.model, version=source.version)]


def _uses(actor: Actor, model: RegisteredModel, version: ModelVersion | None) -> list[Node]:
    copies = [
        Node(
            id=f"copy-{number}",
            kind="Copy",
            name=f"{copy.model.securable.full_name} version {copy.version.version}",
            note="" if version is not None else f"of version {copy.source.version}",
            model=copy.model,
            version=copy.version.version,
        )
        for number, copy in enumerate(known_copies(actor, model, version))
    ]
    uses = [
        Node(id=f"use-{number}", kind=use.kind, name=use.name, note=use.note, url=use.url)
        for number, use in enumerate(known_uses(actor, model, version))
    ]
    return [*uses, *copies]


def _joined(origins: Sequence[Node], makers: Sequence[Node], here: Node, users: Sequence[Node]) -> Graph:
    """Origins lead to the first maker, where there is one; every maker leads here, and here to every user."""
    graph = Graph()
    for column in (origins, makers, [here], users):
        if column:
            graph.columns.append(list(column[:MOST_IN_COLUMN]))
            graph.left_out += max(0, len(column) - MOST_IN_COLUMN)
    target = makers[0].id if makers else here.id
    graph.arrows += [(node.id, target) for node in origins[:MOST_IN_COLUMN]]
    graph.arrows += [(node.id, here.id) for node in makers]
    graph.arrows += [(here.id, node.id) for node in users[:MOST_IN_COLUMN]]
    return graph
