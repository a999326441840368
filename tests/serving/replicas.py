"""Real replicas for tests: one forking parent for the session, a model that does what its input says."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import serving.runtime

RUNTIME = Path(serving.runtime.__file__).parent
ROOT = RUNTIME.parents[1]
MODEL_CODE = '''
import os, sys, time
import mlflow
import pandas as pd

class Obedient(mlflow.pyfunc.PythonModel):
    """Does what the column `order` says, row by row."""

    def predict(self, context, model_input, params=None):
        return [self._obey(order, value) for order, value in zip(model_input["order"], model_input["value"])]

    def predict_stream(self, context, model_input, params=None):
        rows = model_input if isinstance(model_input, list) else [model_input]
        for number in range(int(rows[0]["value"])):
            if rows[0]["order"] == "fail" and number == 2:
                raise ValueError("in the middle")
            yield {"number": number}

    def _obey(self, order, value):
        if order == "sleep":
            time.sleep(value)
        elif order == "exit":
            os._exit(3)
        elif order == "raise":
            raise ValueError("told to")
        elif order == "leave":
            sys.exit(5)
        elif order == "pid":
            # Of the replica, which has forked this process.
            return os.getpgrp()
        elif order == "unit":
            time.sleep(0.05)
            return os.getpid()
        elif order == "set":
            return {1, 2}
        return value

mlflow.models.set_model(Obedient())
'''


_SAVE = """
import sys
import mlflow
import pandas as pd
from mlflow.models import infer_signature

example = pd.DataFrame({"order": ["echo", "echo"], "value": [1.0, 2.5]})
mlflow.pyfunc.save_model(
    sys.argv[2],
    python_model=sys.argv[1],
    signature=infer_signature(example, [1.0, 2.5]),
    input_example=example,
    pip_requirements=["mlflow"],
)
"""


def save_obedient(folder: Path) -> Path:
    """Save the model, in a process of its own: MLflow warns a lot; the folder of it."""
    code, model = folder / "obedient.py", folder / "model"
    code.write_text(MODEL_CODE)
    subprocess.run([sys.executable, "-W", "ignore", "-c", _SAVE, str(code), str(model)], check=True, cwd=folder)
    return model


@dataclass
class Running:
    """A replica that a test started."""

    address: str
    pid: int
    control: socket.socket
    log: Path
    _said: bytes = field(default=b"", repr=False)

    def exit_code(self) -> int:
        """How it ended; waits for it."""
        return int(_line(self.control)["exit"])

    def end(self) -> None:
        """Kill it, if it still runs."""
        self.control.close()


class Forge:
    """The forking parent of a session."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mkz-"))
        self.socket = str(self.folder / "z.sock")
        environment = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", "HOME": str(self.folder)}
        command = [sys.executable, "-m", "tests.serving.forking", self.socket]
        self.process = subprocess.Popen(command, env=environment, cwd=ROOT)
        self._started = 0

    def start(self, model: Path, *options: str) -> Running:
        """Fork a replica of a model; it answers health at once and predictions when it has loaded."""
        self._started += 1
        address = str(self.folder / f"{self._started}.sock")
        log = self.folder / f"{self._started}.log"
        control = self._connect()
        order = {
            "argv": ["--model", str(model), "--socket", address, *options],
            "environment": {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", "HOME": str(self.folder)},
            "log": str(log),
        }
        control.sendall(json.dumps(order).encode() + b"\n")
        return Running(address, int(_line(control)["pid"]), control, log)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()

    def _connect(self) -> socket.socket:
        until = time.monotonic() + 120
        while True:
            control = socket.socket(socket.AF_UNIX)
            control.settimeout(60)
            try:
                control.connect(self.socket)
                return control
            except OSError:
                control.close()
                assert self.process.poll() is None, "the parent ended"
                assert time.monotonic() < until, "the parent never listened"
                time.sleep(0.05)


@contextmanager
def opened_forge() -> Iterator[Forge]:
    forge = Forge()
    try:
        yield forge
    finally:
        forge.close()


def _line(control: socket.socket) -> dict[str, int]:
    said = b""
    while not said.endswith(b"\n"):
        part = control.recv(1)
        assert part, "the parent hung up"
        said += part
    return json.loads(said)


def body(order: str = "echo", *values: float) -> bytes:
    """A request with one row for each value."""
    data = [[order, value] for value in values or (1.0,)]
    return json.dumps({"dataframe_split": {"columns": ["order", "value"], "data": data}}).encode()
