"""A model that scores batches in the sandbox: started once, given one batch after the other, watched all the time."""

import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings

from registry.errors import InvalidState, Unavailable
from serving import sandbox
from serving.sandbox import usage
from serving.sandbox.confined import WATCH_SECONDS
from serving.services.package_names import package_of_module

PROGRAM = Path(__file__).resolve().parent.parent / "scoring"
MOST_ANSWER_BYTES = 512 * 1024**2
_LOADED = "loaded"
_LOOK_SECONDS = 0.02
_LAST_LINES = 20
_MOST_OUTPUT = 20_000
_LONGEST_MESSAGE = 2_000


class ScoringFailed(InvalidState):
    """The model could not be loaded, or refused a batch. The text is for people; `trace` is for the log."""

    def __init__(self, message: str, *, trace: str = "") -> None:
        super().__init__(message[:_LONGEST_MESSAGE])
        self.trace = "\n".join(trace.splitlines()[-_LAST_LINES:])


class ConfinedScorer:
    """A model in its own environment, behind the walls of the sandbox. It runs until `close`.

    Args:
        environment, model: folders, as deployments have them.
        folder: where it may keep what passes between the two sides; made anew.
        check: asked all the time, and may raise to end it.

    Raises:
        ScoringFailed: the model does not load.
        Unavailable: nothing can confine a model on this machine.
    """

    def __init__(self, environment: Path, model: Path, folder: Path, *, check: Callable[[], None]) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self._batches, self._answers = folder / "batches", folder / "answers"
        for one in (self._batches, self._answers):
            one.mkdir(parents=True)
            one.chmod(0o755)
        order = {"model": str(model), "batches": str(self._batches), "answers": str(self._answers)}
        self._spec = sandbox.SandboxSpec(
            command=(str(environment / "bin" / "python"), "-I", str(PROGRAM), json.dumps(order)),
            read_only=(environment, PROGRAM, model, self._batches),
            writable=(self._answers,),
            environment={"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONDONTWRITEBYTECODE": "1"},
            memory_bytes=settings.SERVING_MEMORY_BYTES_PER_UNIT,
            scratch=Path(settings.SERVING_ROOT),
        )
        self._folder, self._check = folder, check
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the process)
        self._process: sandbox.Confined | None = None
        try:
            self._process = sandbox.start(self._spec, output=self._output, has_input=True)
            self._answer_to(_LOADED)
        except sandbox.NoSandbox as error:
            self.close()
            raise Unavailable(str(error)) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the process and remove what it left."""
        if self._process is not None:
            self._process.kill()
            self._process.process.wait()
            pipe = self._process.process.stdin
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
            self._process.clean()
            self._process = None
        self._output.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def score(self, name: str, batch: Any) -> Any:
        """The predictions for an Arrow batch as values of JSON, in whatever form the model gives them.

        Raises:
            ScoringFailed: the model refuses the batch, breaks, or takes more than it may.
        """
        import pyarrow as pa

        path = self._batches / f"{name}.arrow"
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
            writer.write(batch)
        path.chmod(0o644)
        process = self._running()
        try:
            process.stdin.write(f"{name}\n".encode())
            process.stdin.flush()
        except BrokenPipeError:
            pass  # It has ended: whoever waits for its answer learns why.
        answer = self._answer_to(name)
        path.unlink()
        return answer.get("predictions")

    def _running(self) -> Any:
        if self._process is None:
            raise RuntimeError("the model is not started")
        return self._process.process

    def _answer_to(self, name: str) -> dict[str, Any]:
        path, process = self._answers / f"{name}.json", self._process
        until = time.monotonic() + settings.SERVING_DEPLOY_SECONDS
        next_look = 0.0
        while process is not None and not path.exists():
            if process.poll() is not None and not path.exists():
                raise self._ended("")
            if time.monotonic() >= next_look:
                self._check()
                if reason := self._excess(process):
                    raise self._ended(reason)
                next_look = time.monotonic() + WATCH_SECONDS
            if time.monotonic() > until:
                raise self._ended(f"it did not answer within {settings.SERVING_DEPLOY_SECONDS:g} seconds")
            time.sleep(_LOOK_SECONDS)
        answer = self._read(path)
        if error := str(answer.get("error") or ""):
            missing = str(answer.get("missing") or "")[:200]
            remedy = f" Add '{package_of_module(missing)}' to the model's requirements." if missing else ""
            message = f"{error[:_LONGEST_MESSAGE].rstrip('.')}.{remedy}"
            raise ScoringFailed(message, trace=str(answer.get("trace") or ""))
        return answer

    def _excess(self, process: sandbox.Confined) -> str:
        if usage.of_folder(self._answers) > MOST_ANSWER_BYTES:
            return f"its answer has more than {MOST_ANSWER_BYTES:,} bytes"
        return process.excess()

    def _ended(self, reason: str) -> ScoringFailed:
        self._output.seek(0)
        output = self._output.read()[-_MOST_OUTPUT:].decode(errors="replace")
        last = next((line for line in reversed(output.splitlines()) if line.strip()), "")
        return ScoringFailed(f"The model's process ended: {reason or last or 'it did not say why'}", trace=output)

    def _read(self, path: Path) -> dict[str, Any]:
        """What a stranger wrote who may still be writing: a plain file, of a size that can be held."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise ScoringFailed("The model's process left something that is no answer.")
                body = file.read(MOST_ANSWER_BYTES + 1)
            path.unlink()
            answer = json.loads(body) if len(body) <= MOST_ANSWER_BYTES else None
        except (OSError, ValueError, RecursionError) as error:
            raise ScoringFailed("The model's process left something that is no answer.") from error
        if not isinstance(answer, dict):
            raise ScoringFailed(f"The model's answer is none, or has more than {MOST_ANSWER_BYTES:,} bytes.")
        return answer
