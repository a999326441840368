"""How the values of one column lie: now, and in what it is held against."""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise

from monitoring.charts.marks import Figure, escaped

_BINS = 40
_MOST_ITEMS = 20
_TRIM = 0.005


def numeric_distribution(samples: Mapping[str, Sequence[float]]) -> Figure | None:
    """Histograms drawn over each other, each from the evenly spaced quantiles of its sample.

    The widest half percent at either end is cut off, so that a single stray value does not press the rest together.
    None where no sample has two different quantiles.
    """
    known = {name: sorted(value for value in values if math.isfinite(value)) for name, values in samples.items()}
    known = {name: values for name, values in known.items() if values}
    if not known:
        return None
    low = min(_at(values, _TRIM) for values in known.values())
    high = max(_at(values, 1 - _TRIM) for values in known.values())
    if not low < high:
        return None
    width = (high - low) / _BINS
    edges = [low + width * step for step in range(_BINS + 1)]
    centres = [(left + right) / 2 for left, right in pairwise(edges)]
    layers = [
        {
            "type": "scatter",
            "mode": "lines",
            "line": {"shape": "hvh"},
            "fill": "tozeroy",
            "opacity": 0.7,
            "name": name,
            "x": centres,
            "y": [_share(values, left, right) * 100 for left, right in pairwise(edges)],
            "hovertemplate": "about %{x:.4g}: %{y:.1f} %<extra>" + escaped(name) + "</extra>",
        }
        for name, values in known.items()
    ]
    layout = {
        "height": 300,
        "yaxis": {"title": {"text": "share of rows, %"}, "rangemode": "tozero"},
        "legend": {"orientation": "h", "y": -0.18},
        "showlegend": True,
    }
    return {"data": layers, "layout": layout}


def category_distribution(samples: Mapping[str, Mapping[str, int]], totals: Mapping[str, int]) -> Figure | None:
    """Bars side by side for the most frequent values of all samples, in percent of each sample's rows."""
    if not any(samples.values()):
        return None
    weight: dict[str, float] = {}
    for name, counts in samples.items():
        for item, count in counts.items():
            weight[item] = weight.get(item, 0.0) + count / max(totals.get(name, 0), 1)
    items = sorted(weight, key=lambda item: (-weight[item], item))[:_MOST_ITEMS]
    bars = [
        {
            "type": "bar",
            "name": name,
            "x": items,
            "y": [100 * counts.get(item, 0) / max(totals.get(name, 0), 1) for item in items],
            "hovertemplate": "%{x}: %{y:.1f} %<extra>" + escaped(name) + "</extra>",
        }
        for name, counts in samples.items()
    ]
    layout = {
        "height": 300,
        "barmode": "group",
        "xaxis": {"type": "category"},
        "yaxis": {"title": {"text": "share of rows, %"}, "rangemode": "tozero"},
        "legend": {"orientation": "h", "y": -0.25},
        "showlegend": len(bars) > 1,
    }
    return {"data": bars, "layout": layout}


def _at(values: Sequence[float], share: float) -> float:
    return values[min(int(share * len(values)), len(values) - 1)]


def _share(values: Sequence[float], left: float, right: float) -> float:
    return (bisect_right(values, right) - bisect_right(values, left)) / len(values)
