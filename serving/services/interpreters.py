"""The Pythons of this machine, and which of them a model gets."""

import json
import platform
import time
from dataclasses import dataclass

from django.conf import settings

from serving.services.environment_errors import EnvironmentFailed
from serving.services.uv_process import run_uv

_KEEP_SECONDS = 300.0
_MINOR_PARTS = 2


@dataclass(frozen=True)
class Interpreter:
    """A CPython of this machine. `platform` names system, machine and C library, as linux-x86_64-gnu."""

    version: str
    path: str
    platform: str

    @property
    def minor(self) -> tuple[int, int]:
        """(3, 11) of 3.11.7."""
        major, minor = self.version.split(".")[:_MINOR_PARTS]
        return int(major), int(minor)

    @property
    def parts(self) -> tuple[int, ...]:
        """(3, 11, 7) of 3.11.7."""
        return tuple(int(part) for part in self.version.split("."))


_known: tuple[float, list[Interpreter]] = (float("-inf"), [])


def installed_interpreters(*, fresh: bool = False) -> list[Interpreter]:
    """Every CPython that uv finds, each version once. Looked for again after five minutes, or when `fresh`."""
    global _known  # noqa: PLW0603  (a cache of a second's work, which every process may have its own of)
    if fresh or time.monotonic() - _known[0] > _KEEP_SECONDS:
        _known = time.monotonic(), _look()
    return _known[1]


def _look() -> list[Interpreter]:
    result = run_uv(["python", "list", "--only-installed", "--output-format", "json"])
    found: dict[str, Interpreter] = {}
    for entry in json.loads(result.output or "[]"):
        if entry["implementation"] != "cpython" or entry["variant"] != "default":
            continue
        if not entry["version"].replace(".", "").isdigit():
            continue
        kind = f"{entry['os']}-{entry['arch']}-{entry['libc']}"
        found.setdefault(entry["version"], Interpreter(entry["version"], entry["path"], kind))
    return sorted(found.values(), key=lambda one: one.parts)


def choose_interpreter(wanted: str) -> tuple[Interpreter, str]:
    """The interpreter for a Python that a model names, and a note for the log when it is not quite that one.

    The same release where it is installed, else the newest one of the same minor: packages are made for a minor.
    With SERVING_NEAREST_PYTHON another minor will do. A model that names none gets ours.

    Raises:
        EnvironmentFailed: none is installed that would do.
    """
    # YAML reads 3.10 without quotes as the number 3.1, which never was a Python that MLflow ran on.
    wanted = "3.10" if wanted == "3.1" else wanted
    for fresh in (False, True):
        choice = _choose(wanted, installed_interpreters(fresh=fresh))
        if choice is not None:
            return choice
    names = ", ".join(one.version for one in installed_interpreters()) or "none"
    raise EnvironmentFailed(
        f"The model needs Python {wanted}, which this server does not have; installed: {names}.",
        line=f"python: {wanted}",
        suggestion=(
            "Ask the operator to install it, or log the model again with one of these. The setting "
            "MODELKEEP_SERVING_NEAREST_PYTHON allows the nearest one."
        ),
    )


def _choose(wanted: str, installed: list[Interpreter]) -> tuple[Interpreter, str] | None:
    if not installed:
        return None
    if not wanted:
        wanted = platform.python_version()
    minor = _minor_of(wanted)
    for one in installed:
        if one.version == wanted:
            return one, ""
    same = [one for one in installed if one.minor == minor]
    if same:
        return same[-1], f"The model names Python {wanted}; it gets {same[-1].version}, which takes the same packages"
    if settings.SERVING_NEAREST_PYTHON and minor is not None:
        nearest = min(installed, key=lambda one: (abs(one.minor[1] - minor[1]), -one.minor[1]))
        return nearest, f"WARNING: the model names Python {wanted}; it gets the nearest one, {nearest.version}"
    return None


def _minor_of(wanted: str) -> tuple[int, int] | None:
    parts = wanted.split(".")
    if len(parts) < _MINOR_PARTS or not all(part.isdigit() for part in parts[:_MINOR_PARTS]):
        return None
    return int(parts[0]), int(parts[1])
