"""What happened at a moment, drawn as a line across a chart over time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Figure = dict[str, Any]
"""`data` and `layout` as in https://plotly.com/javascript/reference/index/; the page adds colours and fonts."""

MOST_MARKS = 12
"""More lines than these would hide the curve: the newest are drawn."""
_PLACES = 25


def escaped(text: str) -> str:
    """Text of people for the places where Plotly understands a little HTML: there it is text and nothing more."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@dataclass(frozen=True)
class Mark:
    """Something that happened: a deploy, a moved alias. `label` is short, `text` tells the whole."""

    at: datetime
    label: str
    text: str


def _gathered(marks: Sequence[Mark], figure: Figure) -> list[Mark]:
    """The marks in their order; those that would stand on each other as one, under the label of the first."""
    times = [moment for line in figure["data"] for moment in line["x"]]
    first, last = datetime.fromisoformat(min(times)), datetime.fromisoformat(max(times))
    apart = (last - first) / _PLACES
    groups: list[list[Mark]] = []
    for mark in sorted(marks, key=lambda mark: mark.at):
        if groups and mark.at - groups[-1][-1].at <= apart:
            groups[-1].append(mark)
        else:
            groups.append([mark])
    return [
        Mark(
            group[0].at,
            group[0].label if len(group) == 1 else f"{group[0].label} +{len(group) - 1}",
            "\n".join(mark.text for mark in group),
        )
        for group in groups
    ]


def with_marks(figure: Figure, marks: Sequence[Mark]) -> Figure:
    """The figure with a line for each mark. The figure's x axis must be one of time."""
    newest = _gathered(marks, figure)[-MOST_MARKS:]
    shapes = [
        {
            "type": "line",
            "xref": "x",
            "yref": "paper",
            "x0": mark.at.isoformat(),
            "x1": mark.at.isoformat(),
            "y0": 0,
            "y1": 1,
            "line": {"width": 1, "dash": "dot"},
        }
        for mark in newest
    ]
    notes = [
        {
            "x": mark.at.isoformat(),
            "y": 1,
            "xref": "x",
            "yref": "paper",
            "yanchor": "bottom",
            "text": escaped(mark.label),
            "hovertext": escaped(mark.text).replace("\n", "<br>"),
            "showarrow": False,
            "textangle": -30,
            "xanchor": "left",
            "font": {"size": 10},
        }
        for mark in newest
    ]
    if not newest:
        return figure
    layout = figure["layout"]
    margin = {**layout.get("margin", {}), "t": 64}
    drawn = [*layout.get("shapes", []), *shapes]
    return {**figure, "layout": {**layout, "shapes": drawn, "annotations": notes, "margin": margin}}
