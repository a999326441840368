"""Where the nodes of a lineage graph stand in a picture, and the curves between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from django.urls import reverse

from registry.services.lineage_graphs import RUN, Graph, Node
from registry.web.template_tags import object_url, path_of

_WIDTH, _HEIGHT = 182, 56
_BESIDE, _BELOW, _MARGIN = 40, 16, 2
_LETTERS = 22


@dataclass(frozen=True)
class Box:
    """A node with its place. `shown` is its name cut to what fits."""

    node: Node
    x: int
    y: int
    shown: str
    url: str
    boost: bool

    @property
    def text_x(self) -> int:
        """Where its text begins."""
        return self.x + 12

    @property
    def kind_y(self) -> int:
        """The line of its kind."""
        return self.y + 20

    @property
    def name_y(self) -> int:
        """The line of its name."""
        return self.y + 40


@dataclass(frozen=True)
class Curve:
    """An arrow as the path of an SVG."""

    start: str
    end: str
    path: str


@dataclass(frozen=True)
class Picture:
    """A graph laid out in columns."""

    width: int
    height: int
    boxes: Sequence[Box]
    curves: Sequence[Curve]
    box_width: int = _WIDTH
    box_height: int = _HEIGHT


def lay_out(graph: Graph) -> Picture:
    """Columns from left to right, each in the middle of the height."""
    tallest = max(len(column) for column in graph.columns)
    height = tallest * (_HEIGHT + _BELOW) - _BELOW + 2 * _MARGIN
    boxes: list[Box] = []
    for number, column in enumerate(graph.columns):
        x = _MARGIN + number * (_WIDTH + _BESIDE)
        top = (height - len(column) * (_HEIGHT + _BELOW) + _BELOW) // 2
        boxes += [
            Box(node, x, top + row * (_HEIGHT + _BELOW), _shortened(node), url_of(node), node.run is None)
            for row, node in enumerate(column)
        ]
    placed = {box.node.id: box for box in boxes}
    curves = [Curve(start, end, _curve(placed[start], placed[end])) for start, end in graph.arrows]
    width = len(graph.columns) * (_WIDTH + _BESIDE) - _BESIDE + 2 * _MARGIN
    return Picture(width, height, boxes, curves)


def _shortened(node: Node) -> str:
    """The end of a name tells most, but for a run, whose id is known by its beginning."""
    if len(node.name) <= _LETTERS:
        return node.name
    return f"{node.name[: _LETTERS - 1]}…" if node.kind == RUN else f"…{node.name[1 - _LETTERS :]}"


def _curve(start: Box, end: Box) -> str:
    x1, y1 = start.x + _WIDTH, start.y + _HEIGHT // 2
    x2, y2 = end.x, end.y + _HEIGHT // 2
    bend = (x2 - x1) // 2
    return f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2 - 6} {y2}"


def url_of(node: Node) -> str:
    """The page of what a node stands for; empty where there is none."""
    if node.url or node.here:
        return node.url
    if node.model is not None:
        parts = path_of(node.model.securable)
        return reverse("version", args=[*parts, node.version]) if node.version else reverse("model", args=parts)
    if node.run is not None:
        experiment, run = node.run
        return f"{reverse('mlflow')}#/experiments/{quote(experiment, safe='')}/runs/{quote(run, safe='')}"
    return object_url(node.table) if node.table else ""
