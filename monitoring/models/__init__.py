"""The nouns of monitoring, one file a noun."""

from monitoring.models.alerts import (
    Aggregation,
    Alert,
    AlertEvaluation,
    AlertIncident,
    AlertSource,
    AlertState,
    Comparison,
    EvaluationTrigger,
)
from monitoring.models.monitors import (
    Monitor,
    MonitorKind,
    MonitorRefresh,
    MonitorStatus,
    ProblemType,
    RefreshState,
    RefreshTrigger,
)

__all__ = [
    "Aggregation",
    "Alert",
    "AlertEvaluation",
    "AlertIncident",
    "AlertSource",
    "AlertState",
    "Comparison",
    "EvaluationTrigger",
    "Monitor",
    "MonitorKind",
    "MonitorRefresh",
    "MonitorStatus",
    "ProblemType",
    "RefreshState",
    "RefreshTrigger",
]
