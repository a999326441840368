"""Real runs of `manage.py up`, each in a data folder of its own, on a free port."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from config.stack import processes

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE_SECONDS = 60.0


def wait_for(what: str, question: Callable[[], Any], *, seconds: float = PATIENCE_SECONDS) -> Any:
    """Ask until the answer is true; fail the test when it never is."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(0.05)
    pytest.fail(f"never happened: {what}")


def clean_environment() -> dict[str, str]:
    """The environment of a person's shell: nothing of this test run's own servers and settings."""
    ours = ("MODELKEEP_", "DJANGO_", "PYTEST_", "DATABASE_URL", "REDIS_URL")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


class Launcher:
    """One data folder and the `up` that runs on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self.environment: dict[str, str] = {}
        self.process: subprocess.Popen[str] | None = None
        self.output = folder.parent / f"{folder.name}.out"

    def manage(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *arguments]
        env = clean_environment() | environment
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)

    def start(self, *arguments: str) -> float:
        """Start it and wait until it says that it is ready; the seconds that took."""
        began = time.monotonic()
        command = [sys.executable, "manage.py", "up", "--port", "0", "--data-dir", str(self.folder), *arguments]
        with self.output.open("w") as output:
            # Every process below inherits the mark, whatever session or parent it has later.
            env = clean_environment() | self.environment | {"MODELKEEP_TEST_MARK": self.mark}
            self.process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=output, stderr=output, text=True)
        wait_for("ready", lambda: "is ready at" in self.said() or self.process.poll() is not None)
        assert self.process.poll() is None, self.said()
        return time.monotonic() - began

    def said(self) -> str:
        return self.output.read_text()

    def state(self) -> dict[str, Any]:
        return json.loads((self.folder / "run" / "state.json").read_text())

    def child(self, name: str) -> dict[str, Any]:
        return next(child for child in self.state()["children"] if child["name"] == name)

    def all_ready(self) -> bool:
        return bool(self.state()["ready"])

    def survivors(self) -> list[str]:
        """The command lines of every process that was started below this launcher and still runs."""
        found = []
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit() or not processes.is_alive(int(folder.name)):
                continue
            try:
                if self.mark.encode() in (folder / "environ").read_bytes():
                    found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found

    def remove(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE_SECONDS)
        wait_for("everything ended", lambda: not self.survivors())
        shutil.rmtree(self.folder, ignore_errors=True)
        self.output.unlink(missing_ok=True)


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    """A launcher on an empty data folder."""
    made = Launcher(Path(tempfile.mkdtemp(prefix="mk-")))
    yield made
    made.remove()


@pytest.fixture(scope="module")
def running() -> Iterator[Launcher]:
    """A stack that several tests share; each leaves it running."""
    made = Launcher(Path(tempfile.mkdtemp(prefix="mk-")))
    made.start()
    yield made
    made.remove()
