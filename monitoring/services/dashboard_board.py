"""What a dashboard shows, as plain data."""

from dataclasses import dataclass, field
from datetime import datetime

from monitoring.models import Monitor
from monitoring.services.dashboard_filters import Choices, Chosen, window_of
from monitoring.services.dashboard_insights import Insights
from monitoring.services.metric_rows import Row


@dataclass(frozen=True)
class ColumnChange:
    """How far a column moved in one window: `effect` between 0 and 1, `adjusted` its corrected p-value."""

    column: str
    effect: float
    adjusted: float | None
    significant: bool
    measures: list[tuple[str, float]]


@dataclass(frozen=True)
class ColumnDetail:
    """One column: its rows over time, and its shape in a window and in what that is held against.

    `own_metrics` are names of metrics that people defined, of which a row may have values.
    """

    name: str
    is_numeric: bool
    history: list[Row]
    own_metrics: list[str]
    drift: list[Row]
    window: datetime
    shapes: dict[str, Row]


@dataclass(frozen=True)
class VersionRow:
    """A version in one window: how many rows are its own, and its quality metrics, in the order of their labels."""

    version: str
    count: int
    values: list[float | None]


@dataclass
class Dashboard:
    """Everything that is drawn. Lists over time go from the oldest window to the newest."""

    monitor: Monitor
    chosen: Chosen
    choices: Choices
    notices: list[str] = field(default_factory=list)
    windows: list[datetime] = field(default_factory=list)
    window_ends: dict[datetime, datetime] = field(default_factory=dict)
    rows_per_window: list[int] = field(default_factory=list)
    heat: dict[str, list[float | None]] = field(default_factory=dict)
    heat_windows: list[datetime] = field(default_factory=list)
    changes: list[ColumnChange] = field(default_factory=list)
    quality: dict[str, dict[str, list[float | None]]] = field(default_factory=dict)
    quality_windows: list[datetime] = field(default_factory=list)
    versions: list[VersionRow] = field(default_factory=list)
    versions_window: datetime | None = None
    insights: Insights = field(default_factory=Insights)
    columns: list[Row] = field(default_factory=list)
    slices: list[Row] = field(default_factory=list)
    own_metrics: dict[str, list[float | None]] = field(default_factory=dict)
    detail: ColumnDetail | None = None
    open_window: datetime | None = None

    @property
    def last_window(self) -> datetime | None:
        """The window that is looked at closely: the chosen one, or the newest that is over."""
        if self.chosen.window or not self.windows:
            return window_of(self.chosen)
        is_open = self.windows[-1] == self.open_window and len(self.windows) > 1
        return self.windows[-2 if is_open else -1]

    @property
    def last_rows(self) -> int:
        """How many rows that window has."""
        counts = dict(zip(self.windows, self.rows_per_window, strict=True))
        return counts.get(self.last_window, 0) if self.last_window else 0
