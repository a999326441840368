"""Which wall this machine has: tried once, for real, before anything is trusted to it."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from enum import StrEnum
from pathlib import Path

SETTING = "MODELKEEP_SERVING_SANDBOX"
PROBE_SECONDS = 20


class Wall(StrEnum):
    """How a process is confined. OFF only where an operator asked for it."""

    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "landlock"
    OFF = "off"


class NoSandbox(Exception):
    """Nothing on this machine can confine a model, so none is run."""


def bubblewrap() -> str | None:
    """The program, where it is installed."""
    return shutil.which("bwrap")


@functools.cache
def find_wall() -> Wall:
    """The best wall that works here, or the one that `MODELKEEP_SERVING_SANDBOX` names, if that works.

    Raises:
        NoSandbox: none does; says what to install, and how to go without one while developing.
    """
    named = os.environ.get(SETTING, "auto").lower()
    if named == Wall.OFF:
        return Wall.OFF
    if named not in {"auto", *Wall}:
        raise NoSandbox(f"{SETTING} is {named!r}: it must be auto, {', '.join(Wall)}.")
    faults = []
    for wall in (Wall.BUBBLEWRAP, Wall.LANDLOCK):
        if named in {"auto", wall}:
            fault = _fault(wall)
            if not fault:
                return wall
            faults.append(f"{wall}: {fault}")
    raise NoSandbox(
        f"No model can be run on this machine, because it cannot be confined ({'; '.join(faults)}). Install "
        f"bubblewrap and allow user namespaces, or use a kernel with Landlock. {SETTING}=off runs models "
        "unconfined: only for development, with models that you trust."
    )


def wall_report() -> str:
    """One line for people: how models are confined here, or that they are not."""
    try:
        wall = find_wall()
    except NoSandbox as error:
        return str(error)
    if wall is Wall.OFF:
        return f"OFF ({SETTING}=off): models run with the platform's own rights. Only for models that you trust."
    return str(wall)


def _fault(wall: Wall) -> str:
    """Why a wall does not work here: "" when it does."""
    from serving.sandbox.confined import confined_command
    from serving.sandbox.spec import SandboxSpec

    if wall is Wall.BUBBLEWRAP and bubblewrap() is None:
        return "not installed"
    with tempfile.TemporaryDirectory(prefix="modelkeep-probe-") as scratch:
        command = (os.path.abspath(sys.executable), "-I", "-S", "-c", "print('confined')")  # noqa: PTH100  (keeps links)
        spec = SandboxSpec(command=command, scratch=Path(scratch))
        try:
            found = subprocess.run(  # noqa: S603  (our own program)
                confined_command(spec, wall=wall, uid=None, tmp=Path(scratch)),
                capture_output=True,
                text=True,
                timeout=PROBE_SECONDS,
                env={},
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
    if found.stdout.strip() == "confined":
        return ""
    return (found.stderr.strip() or f"ended with code {found.returncode}").splitlines()[-1]
