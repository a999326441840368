"""A parent that has imported what takes long and forks replicas, so that a test has one in a moment.

`python -m tests.serving.forking <socket>`. A connection starts one replica: it sends a line of JSON, and reads one
line when the replica runs and another when it has ended. The replica ends with the connection.

    → {"argv": ["--model", …], "environment": {…}, "log": "<path>"}
    ← {"pid": 4711}
    ← {"pid": 4711, "exit": 0}
"""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
import sys
from typing import Any, NoReturn

_LINE_LIMIT = 1024 * 1024
_PR_SET_PDEATHSIG = 1


class Parent:
    """Forks replicas on request. Runs in one thread: a process that forks must have no other."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._selector = selectors.DefaultSelector()
        self._buffers: dict[socket.socket, bytes] = {}
        self._children: dict[int, socket.socket] = {}

    def serve(self) -> NoReturn:
        """Fork for ever."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._address)  # noqa: PTH108
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
            # However the parent ends, its replicas do.
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            self._selector.close()
            self._listener.close()
            for peer in self._buffers:
                peer.close()
            os.environ.clear()
            os.environ.update(order["environment"])
            from serving.runtime.process import run

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


if __name__ == "__main__":
    from serving.runtime.preload import preload

    preload()
    Parent(sys.argv[1]).serve()
