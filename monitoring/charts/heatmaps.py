"""Columns by windows: how far each column moved in each window."""

from collections.abc import Sequence

from monitoring.charts.marks import Figure

# From nothing to bad, over either theme's background. The steps are at the distances that people act on.
_SCALE = [
    [0.0, "rgba(128,128,128,0.06)"],
    [0.1, "rgba(214,158,46,0.25)"],
    [0.3, "rgba(214,117,46,0.65)"],
    [0.6, "rgba(200,60,40,0.9)"],
    [1.0, "rgba(150,20,20,1)"],
]
_ROW = 24
_MOST_COLUMNS = 60


def drift_heatmap(
    columns: Sequence[str],
    windows: Sequence[str],
    scores: Sequence[Sequence[float | None]],
    links: Sequence[Sequence[str]],
) -> Figure | None:
    """Distances between 0 and 1, a row a column and a cell a window; a click on a cell follows its link.

    Args:
        windows: what each window is called, oldest first.
        scores: one row for each of `columns`; None where nothing was compared.
    """
    if not columns or not windows or all(score is None for row in scores for score in row):
        return None
    shown = slice(0, _MOST_COLUMNS)
    cells = {
        "type": "heatmap",
        "x": list(windows),
        "y": list(columns[shown]),
        "z": [list(row) for row in scores[shown]],
        "customdata": [list(row) for row in links[shown]],
        "zmin": 0,
        "zmax": 1,
        "colorscale": _SCALE,
        "xgap": 1,
        "ygap": 1,
        "hoverongaps": False,
        # Its legend is in words below: Plotly would style it in a way that the security policy refuses.
        "showscale": False,
        "hovertemplate": "%{y}<br>%{x}<br>distance %{z:.3f}<extra></extra>",
    }
    layout = {
        "height": 90 + _ROW * len(columns[shown]),
        "margin": {"l": 120, "r": 16, "t": 8, "b": 60},
        "yaxis": {"autorange": "reversed", "type": "category"},
        "xaxis": {"type": "category", "nticks": 12},
    }
    return {"data": [cells], "layout": layout, "links": True}
