"""A parent that has imported what takes long, and forks a replica in the time that its model takes to load.

`<python> -I <this folder> --zygote <socket>`; one parent for each environment. A connection starts one replica: it
sends a line of JSON, and reads one line when the replica runs and another when it has ended. The replica ends with
the connection, so that it never outlives who asked for it.

    → {"argv": ["--model", …], "environment": {…}, "log": "<path>", "confine": {"module": "<path>", "spec": {…}}}
    ← {"pid": 4711}
    ← {"pid": 4711, "exit": 0}

`confine` is optional: the file is loaded in the child, before any model is, and its `confine(spec)` called. What it
raises ends the child: a replica that cannot be confined does not run.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import selectors
import signal
import socket
import sys
from typing import Any, NoReturn

_PRELOADED = ("mlflow.pyfunc", "mlflow.pyfunc.scoring_server", "mlflow.pyfunc.model", "pandas", "numpy")
_WHERE_PRESENT = {"sklearn": ("mlflow.sklearn", "sklearn.ensemble", "sklearn.pipeline"), "lightgbm": ("lightgbm",)}
_LINE_LIMIT = 1024 * 1024


def preload() -> None:
    """Import what nearly every model of this environment needs."""
    names = [*_PRELOADED]
    for package, modules in _WHERE_PRESENT.items():
        if importlib.util.find_spec(package) is not None:
            names += modules
    for name in names:
        # What one environment lacks, its models do not need.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


class Zygote:
    """Forks replicas on request. Runs in one thread: a process that forks must have no other."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._selector = selectors.DefaultSelector()
        self._buffers: dict[socket.socket, bytes] = {}
        self._children: dict[int, socket.socket] = {}

    def serve(self) -> NoReturn:
        """Fork for ever."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._address)  # noqa: PTH108 — runs on the model's interpreter, cheapest form
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(self._address)
        listener.listen(64)
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ)
        ended, signaled = os.pipe()
        for end in (ended, signaled):
            os.set_blocking(end, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(signaled)
        self._selector.register(ended, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is listener:
                    peer, _ = listener.accept()
                    self._buffers[peer] = b""
                    self._selector.register(peer, selectors.EVENT_READ)
                elif isinstance(key.fileobj, socket.socket):
                    self._read(key.fileobj)
                else:
                    with contextlib.suppress(BlockingIOError):
                        os.read(ended, 4096)
            self._reap()

    def _read(self, peer: socket.socket) -> None:
        try:
            data = peer.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._forget(peer)
            return
        buffer = self._buffers[peer] + data
        line, newline, rest = buffer.partition(b"\n")
        self._buffers[peer] = rest if newline else buffer
        if newline:
            self._start(peer, json.loads(line))
        elif len(buffer) > _LINE_LIMIT:
            self._forget(peer)

    def _start(self, peer: socket.socket, order: dict[str, Any]) -> None:
        pid = os.fork()
        if pid == 0:
            self._become_replica(order)
        self._children[pid] = peer
        self._say(peer, {"pid": pid})

    def _become_replica(self, order: dict[str, Any]) -> NoReturn:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setsid()
            log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            self._selector.close()
            self._listener.close()
            for peer in self._buffers:
                peer.close()
            os.environ.clear()
            os.environ.update(order["environment"])
            if confine := order.get("confine"):
                _confine(confine["module"], confine["spec"])
            from .process import run

            code = run(order["argv"])
        except BaseException as error:  # noqa: BLE001 — whatever it is, this process must not go on as its parent
            sys.stderr.write(f"Cannot start: {type(error).__name__}: {error}\n")
            sys.stderr.flush()
        finally:
            os._exit(code)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            peer = self._children.pop(pid, None)
            if peer is not None:
                self._say(peer, {"pid": pid, "exit": os.waitstatus_to_exitcode(status)})

    def _forget(self, peer: socket.socket) -> None:
        """Who asked is gone: so must be what it asked for."""
        self._selector.unregister(peer)
        del self._buffers[peer]
        peer.close()
        for pid, owner in self._children.items():
            if owner is peer:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)

    def _say(self, peer: socket.socket, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            peer.sendall(json.dumps(message).encode() + b"\n")


def _confine(path: str, spec: dict[str, Any]) -> None:
    found = importlib.util.spec_from_file_location("_modelkeep_confine", path)
    if found is None or found.loader is None:
        raise ImportError(f"{path} is no module")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    module.confine(spec)


def run(address: str) -> NoReturn:
    """Import, then fork for ever."""
    preload()
    Zygote(address).serve()
