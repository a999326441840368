"""Numbers over time."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime

from monitoring.charts.marks import Figure, escaped

_MANY = 80


def time_lines(
    times: Sequence[datetime],
    series: Mapping[str, Sequence[float | None]],
    *,
    axis: str = "",
    height: int = 280,
    from_zero: bool = False,
    threshold: float | None = None,
) -> Figure | None:
    """One line a series over the starts of windows; None where there is nothing to draw. Gaps stay gaps."""
    drawn = {name: [_finite(value) for value in values] for name, values in series.items()}
    drawn = {name: values for name, values in drawn.items() if any(value is not None for value in values)}
    if not drawn:
        return None
    moments = [moment.isoformat() for moment in times]
    lines = [
        {
            "type": "scatter",
            "mode": "lines" if len(moments) > _MANY else "lines+markers",
            "name": name,
            "x": moments,
            "y": values,
            "connectgaps": False,
            "hovertemplate": "%{x}<br>%{y:.4g}<extra>" + escaped(name) + "</extra>",
        }
        for name, values in drawn.items()
    ]
    layout: Figure = {
        "height": height,
        "showlegend": len(lines) > 1,
        "legend": {"orientation": "h", "y": -0.22},
        "xaxis": {"type": "date"},
        "yaxis": {"title": {"text": axis}, **({"rangemode": "tozero"} if from_zero else {})},
        "hovermode": "x unified" if len(lines) > 1 else "closest",
    }
    if threshold is not None:
        line = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": threshold, "y1": threshold}
        layout["shapes"] = [{**line, "line": {"width": 1, "dash": "dash", "color": "rgb(200,60,40)"}}]
    return {"data": lines, "layout": layout}


def time_bars(
    times: Sequence[datetime], values: Sequence[float | None], *, axis: str, height: int = 180
) -> Figure | None:
    """One bar a window; None where there is nothing to draw."""
    if not any(values):
        return None
    bars = {
        "type": "bar",
        "x": [moment.isoformat() for moment in times],
        "y": [_finite(value) for value in values],
        "hovertemplate": "%{x}<br>%{y:,}<extra></extra>",
    }
    layout = {"height": height, "xaxis": {"type": "date"}, "yaxis": {"title": {"text": axis}, "rangemode": "tozero"}}
    return {"data": [bars], "layout": layout}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
