"""What supervisor and host say to each other: one JSON object a line, an answer for each question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from serving.sandbox import SandboxSpec

SOCKET_NAME = "host.sock"
REPORT_NAME = "sandbox"
"""A file below the root of serving that says how models are confined on this machine."""
LINE_LIMIT = 4 * 1024**2


@dataclass(frozen=True)
class Launch:
    """A process to start. `note` is kept for whoever asks later, such as a supervisor that was started again.

    Its command begins with interpreter, `-I` and program; `{model}` in it stands for where `model` lies inside. Where
    `spare` is not empty, a spare of that kind may become this process.
    """

    id: str
    spec: SandboxSpec
    log: Path
    note: Mapping[str, str] = field(default_factory=dict)
    model: Path | None = None
    spare: str = ""


@dataclass(frozen=True)
class SpareKind:
    """A process to hold ready: confined as those that it may become, but for the model, which it gets later."""

    name: str
    spec: SandboxSpec


PROGRAM_ARGUMENTS = 3
"""Interpreter, `-I` and program: what comes before the arguments of a replica."""


@dataclass(frozen=True)
class Held:
    """A process that the host holds. `exit_code` is None while it runs; `reason` says why the host ended it."""

    id: str
    pid: int
    note: dict[str, str]
    exit_code: int | None
    reason: str
    memory_bytes: int
    memory_limit: int
    cpu_seconds: float


def launch_to_wire(launch: Launch) -> dict[str, Any]:
    """A launch as JSON."""
    return {
        "id": launch.id,
        "log": str(launch.log),
        "note": dict(launch.note),
        "model": str(launch.model) if launch.model else None,
        "spare": launch.spare,
        "spec": _spec_to_wire(launch.spec),
    }


def kind_to_wire(kind: SpareKind) -> dict[str, Any]:
    """A kind of spares as JSON."""
    return {"name": kind.name, "spec": _spec_to_wire(kind.spec)}


def kind_from_wire(wire: dict[str, Any]) -> SpareKind:
    """A kind of spares from JSON."""
    return SpareKind(name=wire["name"], spec=_spec_from_wire(wire["spec"]))


def _spec_to_wire(spec: SandboxSpec) -> dict[str, Any]:
    return {
        **{name: getattr(spec, name) for name in ("memory_bytes", "tmp_bytes", "processes", "files", "network")},
        "command": list(spec.command),
        "environment": dict(spec.environment),
        **{name: list(map(str, getattr(spec, name))) for name in ("read_only", "writable", "devices")},
        "sockets": str(spec.sockets) if spec.sockets else None,
        "scratch": str(spec.scratch) if spec.scratch else None,
    }


def launch_from_wire(wire: dict[str, Any]) -> Launch:
    """A launch from JSON."""
    return Launch(
        id=wire["id"],
        spec=_spec_from_wire(wire["spec"]),
        log=Path(wire["log"]),
        note=wire["note"],
        model=Path(wire["model"]) if wire["model"] else None,
        spare=wire["spare"],
    )


def _spec_from_wire(wire: dict[str, Any]) -> SandboxSpec:
    spec = dict(wire)
    for name in ("read_only", "writable", "devices"):
        spec[name] = tuple(map(Path, spec[name]))
    for name in ("sockets", "scratch"):
        spec[name] = Path(spec[name]) if spec[name] else None
    spec["command"] = tuple(spec["command"])
    return SandboxSpec(**spec)


def held_to_wire(held: Held) -> dict[str, Any]:
    """A held process as JSON."""
    return asdict(held)


def held_from_wire(wire: dict[str, Any]) -> Held:
    """A held process from JSON."""
    return Held(**wire)


def held_now(launch: Launch, pid: int) -> Held:
    """A process that was started a moment ago."""
    return Held(
        id=launch.id,
        pid=pid,
        note=dict(launch.note),
        exit_code=None,
        reason="",
        memory_bytes=0,
        memory_limit=launch.spec.memory_bytes,
        cpu_seconds=0.0,
    )
