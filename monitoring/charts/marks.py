"""What happened at a moment, drawn as a line across a chart over time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Figure = dict[str, Any]
"""`data` and `layout` as in https://plotly.com/javascript/reference/index/; the page adds colours and fonts."""

MOST_MARKS = 12
"""More lines than these would hide the curve: the newest are drawn."""


def escaped(text: str) -> str:
    """Text of people for the places where Plotly understands a little HTML: there it is text and nothing more."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@dataclass(frozen=True)
class Mark:
    """Something that happened: a deploy, a moved alias. `label` is short, `text` tells the whole."""

    at: datetime
    label: str
    text: str


def with_marks(figure: Figure, marks: Sequence[Mark]) -> Figure:
    """The figure with a line for each mark. The figure's x axis must be one of time."""
    newest = sorted(marks, key=lambda mark: mark.at)[-MOST_MARKS:]
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
            "hovertext": escaped(mark.text),
            "showarrow": False,
            "textangle": -30,
            "xanchor": "left",
            "font": {"size": 10},
        }
        for mark in newest
    ]
    if not newest:
        return figure
    margin = {**figure["layout"].get("margin", {}), "t": 64}
    return {**figure, "layout": {**figure["layout"], "shapes": shapes, "annotations": notes, "margin": margin}}
