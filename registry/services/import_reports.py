"""What an import tells: each model and version, what became of it, and why. A dry run tells the same."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

MAX_LISTED_VERSIONS = 20_000
"""Beyond this many, only versions that failed are listed one by one: the report is a row in the database."""


class Outcome(StrEnum):
    """What became of a version: brought here by this import, here before, or of no use."""

    IMPORTED = "IMPORTED"
    PRESENT = "PRESENT"
    FAILED = "FAILED"


@dataclass
class VersionReport:
    """One version: its number over there, its number here, what became of it."""

    source_version: int
    version: int
    outcome: Outcome
    reason: str = ""
    files: int = 0
    bytes: int = 0


@dataclass
class ModelReport:
    """One model. `reason` is set when it could not be imported at all; `name` is empty when it has no place here."""

    source_name: str
    name: str = ""
    is_new: bool = False
    reason: str = ""
    aliases: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    versions: list[VersionReport] = field(default_factory=list)

    def count(self, outcome: Outcome) -> int:
        """How many versions ended so."""
        return sum(version.outcome == outcome for version in self.versions)

    def summary(self) -> str:
        """One line for people."""
        if self.reason:
            return f"{self.source_name}: {self.reason}"
        counts = ", ".join(f"{self.count(outcome)} {outcome.lower()}" for outcome in Outcome)
        return f"{self.source_name} → {self.name}: {counts}"


def as_result(models: Iterable[ModelReport], **facts: Any) -> dict[str, Any]:
    """The report as an operation's result."""
    reports = list(models)
    counts = {outcome.lower(): sum(report.count(outcome) for report in reports) for outcome in Outcome}
    listed = sum(len(report.versions) for report in reports) <= MAX_LISTED_VERSIONS
    return {
        **facts,
        "counts": {"models": len(reports), "models_failed": sum(bool(r.reason) for r in reports), **counts},
        "all_versions_listed": listed,
        "models": [_plain(report, everything=listed) for report in reports],
    }


def _plain(report: ModelReport, *, everything: bool) -> dict[str, Any]:
    plain = asdict(report)
    plain["versions"] = [
        asdict(version) for version in report.versions if everything or version.outcome == Outcome.FAILED
    ]
    return plain
