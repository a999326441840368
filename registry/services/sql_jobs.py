"""Query processes: started with a job, watched, stopped. Nothing of this process's environment goes with them."""

import json
import logging
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

logger = logging.getLogger(__name__)

_START = "import sys; sys.path.insert(0, sys.argv[1]); from registry.sql.worker import main; main()"
_GRACE_SECONDS = 15
_slots = threading.BoundedSemaphore(settings.SQL_CONCURRENCY)


def result_folder(statement_id: UUID) -> Path:
    """Where the result of a statement lies."""
    return Path(settings.SQL_ROOT, str(statement_id))


def take_slot(*, seconds: float) -> bool:
    """Wait for the right to run one more query at a time; give it back with `free_slot`."""
    return _slots.acquire(timeout=max(0.0, seconds))


def free_slot() -> None:
    """Let the next query run."""
    _slots.release()


@dataclass(frozen=True)
class Outcome:
    """How a job ended: with a result or what was written, or with an error as clients read it."""

    manifest: dict[str, Any] | None = None
    written: dict[str, Any] | None = None
    error_code: str = ""
    error_message: str = ""


class RunningJob:
    """One query process."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._folder = Path(job["folder"])
        limits = {
            "memory": settings.SQL_MEMORY_BYTES,
            "seconds": settings.SQL_STATEMENT_SECONDS,
            "threads": settings.SQL_THREADS,
            "file_bytes": settings.SQL_MAX_TABLE_FILE_BYTES,
        }
        with (self._folder / "worker.log").open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  Our own program, and no shell.
                [sys.executable, "-I", "-B", "-c", _START, str(settings.BASE_DIR)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={"LC_ALL": "C.UTF-8", "TZ": "UTC"},
                cwd="/",
                start_new_session=True,
            )
        self._tell(json.dumps(limits | job))

    def _tell(self, job: str) -> None:
        # Standard input stays open: its end tells the process that nobody waits for it any more.
        pipe = self._process.stdin
        if pipe is not None:
            try:
                pipe.write(job.encode() + b"\n")
                pipe.flush()
            except BrokenPipeError:
                logger.warning("a query process ended before it had read its job")

    def wait(self, seconds: float) -> bool:
        """Whether it has ended, after waiting at most so long."""
        try:
            self._process.wait(max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        """Kill it, if it still runs, and let go of its pipe."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def outcome(self) -> Outcome:
        """What it left behind, once it has ended."""
        self.stop()
        try:
            left = json.loads((self._folder / "outcome.json").read_text())
        except (OSError, ValueError):
            log = (self._folder / "worker.log").read_text(errors="replace")[-2000:]
            logger.warning("a query process ended with status %s: %s", self._process.returncode, log)
            return Outcome(
                error_code="RESOURCE_EXHAUSTED",
                error_message="The statement was stopped: it needs more memory or time than a statement may use.",
            )
        error = left.get("error") or {}
        return Outcome(left.get("manifest"), left.get("written"), error.get("code", ""), error.get("message", ""))


def lost_after_seconds() -> int:
    """How long a statement can take at the most, its time in the queue included."""
    return int(settings.SQL_QUEUE_SECONDS + settings.SQL_STATEMENT_SECONDS + _GRACE_SECONDS)
