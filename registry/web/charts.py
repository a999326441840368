"""Figures as the plain data that Plotly's JavaScript library draws (https://plotly.com/javascript/reference/index/).

Colours and fonts are the page's: `static/modelkeep/js/charts.js` adds them.
"""

import math
from collections.abc import Sequence
from typing import Any

Figure = dict[str, Any]


def history_figure(history: Sequence[tuple[int, float]]) -> Figure | None:
    """A metric over its steps; None where fewer than two steps leave no line to draw. Infinite values leave a gap."""
    points = sorted(history)
    if len({step for step, value in points if math.isfinite(value)}) < 2:
        return None
    line = {
        "type": "scatter",
        "mode": "lines+markers" if len(points) <= 60 else "lines",
        "x": [step for step, _ in points],
        "y": [value if math.isfinite(value) else None for _, value in points],
        "hovertemplate": "step %{x}: %{y}<extra></extra>",
    }
    return {"data": [line], "layout": {"xaxis": {"title": {"text": "step"}}, "height": 320}}


def bars_figure(labels: Sequence[str], values: Sequence[float | None], best: Sequence[int]) -> Figure | None:
    """One value a version, the best ones full and the others faint; None where no value can be drawn."""
    drawn = [value if value is not None and math.isfinite(value) else None for value in values]
    if all(value is None for value in drawn):
        return None
    bar = {
        "type": "bar",
        "orientation": "h",
        "x": drawn,
        "y": list(labels),
        "text": ["" if value is None else f"{value:.4g}" for value in drawn],
        "textposition": "outside",
        "cliponaxis": False,
        "marker": {"opacity": [1.0 if place in best else 0.45 for place in range(len(drawn))]},
        "hovertemplate": "%{y}: %{x}<extra></extra>",
    }
    layout = {
        "height": 70 + 30 * len(labels),
        "margin": {"l": 40, "r": 44, "t": 8, "b": 28},
        "yaxis": {"autorange": "reversed", "type": "category"},
        "bargap": 0.35,
    }
    return {"data": [bar], "layout": layout}
