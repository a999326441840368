"""Starting a confined process, watching what it takes, ending all of it."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from serving.sandbox import usage
from serving.sandbox.spec import SandboxSpec
from serving.sandbox.walls import Wall, bubblewrap, find_wall

ENTER = Path(__file__).with_name("enter.py")
UIDS = range(61184, 65520)
"""Users without a name or a file, which systemd too gives to passing services."""
WATCH_SECONDS = 0.1
HARMLESS_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")
SOCKETS_INSIDE = "/sockets"
"""Out of /tmp, below which everything can be written."""
PROC = tuple(
    f"/proc/{name}" for name in ("self", "cpuinfo", "filesystems", "loadavg", "meminfo", "stat", "sys", "version")
)
LARGEST_FILE = 64 * 1024**3


@dataclass(frozen=True)
class Finished:
    """How a confined program ended. `reason` says why it was ended, empty when it ended by itself."""

    code: int
    output: str
    reason: str


class Confined:
    """A confined process and everything below it. Call `clean` when it is over."""

    def __init__(self, spec: SandboxSpec, process: subprocess.Popen[bytes], tmp: Path | None) -> None:
        # Without a tmp of ours there is a namespace: then the death of the outermost is the death of all.
        self._has_namespace = tmp is None
        self.spec = spec
        self.process = process
        self._tmp = tmp

    @property
    def sockets_inside(self) -> str:
        """Where the program finds the folder for its sockets."""
        return SOCKETS_INSIDE if self._has_namespace else str(self.spec.sockets)

    @property
    def pid(self) -> int:
        """The outermost process: a parent of the program, or the program."""
        return self.process.pid

    def poll(self) -> int | None:
        """Its exit code once it is over; 128 + n, or -n, for a signal."""
        return self.process.poll()

    def usage(self) -> usage.Usage:
        """What it takes now, all its processes together."""
        return usage.of_tree(self.pid)

    def excess(self) -> str:
        """Why it has to be ended: what it takes beyond what it was given, for people. Empty when nothing."""
        rough = usage.of_tree(self.pid, is_exact=False)
        if rough.processes > self.spec.processes:
            return f"{rough.processes} processes, more than the {self.spec.processes} it may have"
        used = rough.memory_bytes
        if used > self.spec.memory_bytes:
            used = self.usage().memory_bytes
        if used > self.spec.memory_bytes:
            return f"out of memory: it used {_size(used)} of {_size(self.spec.memory_bytes)}"
        folders = [folder for folder in (self._tmp, self.spec.sockets) if folder is not None]
        written = sum(usage.of_folder(folder) for folder in folders)
        if written > self.spec.tmp_bytes:
            return f"temporary files of {_size(written)}, more than the {_size(self.spec.tmp_bytes)} it may have"
        return ""

    def terminate(self) -> None:
        """Ask the program to end."""
        levels = 2 if self._has_namespace else 1
        for pid in usage.below(self.pid, levels):
            _signal(pid, signal.SIGTERM)

    def kill(self) -> None:
        """End all of it at once."""
        if self.process.poll() is None:
            _signal(self.pid, signal.SIGKILL if self._has_namespace else signal.SIGTERM)

    def clean(self) -> None:
        """Remove what it left on our side."""
        if self._tmp is not None:
            shutil.rmtree(self._tmp, ignore_errors=True)


def start(
    spec: SandboxSpec,
    *,
    output: IO[bytes] | int = subprocess.DEVNULL,
    has_input: bool = False,
) -> Confined:
    """Start a confined process that writes both its streams to `output`. It ends with the thread that calls this.

    `has_input`: it reads what is written to `process.stdin`; else there is nothing to read.

    Raises:
        NoSandbox: nothing can confine it here.
        OSError: it could not be started.
    """
    wall = find_wall()
    uid = free_uid() if os.geteuid() == 0 and wall is not Wall.OFF else None
    tmp = None if wall is Wall.BUBBLEWRAP else Path(tempfile.mkdtemp(prefix="model-", dir=spec.scratch))
    for folder in (tmp, spec.sockets, *spec.writable):
        if folder is not None and uid is not None:
            os.chown(folder, uid, uid)
    inside = "/tmp" if tmp is None else str(tmp)  # noqa: S108  (a tmpfs of its own)
    try:
        process = subprocess.Popen(  # noqa: S603  (what runs is what the sandbox is for)
            confined_command(spec, wall=wall, uid=uid, tmp=tmp),
            stdin=subprocess.PIPE if has_input else subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if output is not subprocess.DEVNULL else output,
            env={
                **spec.environment,
                "HOME": inside,
                "TMPDIR": inside,
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "USER": "model",
                "LOGNAME": "model",
            },
            cwd="/" if tmp is None else str(tmp),
            start_new_session=True,
        )
    except OSError:
        if tmp is not None:
            shutil.rmtree(tmp, ignore_errors=True)
        raise
    return Confined(spec, process, tmp)


def run(
    spec: SandboxSpec,
    *,
    seconds: float,
    canceled: Callable[[], bool] = lambda: False,
) -> Finished:
    """Run a confined program to its end, and answer what it wrote. It is ended after `seconds`, or when `canceled`.

    Raises:
        NoSandbox: nothing can confine it here.
    """
    reason = ""
    with tempfile.TemporaryFile() as output:
        confined = start(spec, output=output)
        deadline = time.monotonic() + seconds
        try:
            while not reason:
                try:
                    confined.process.wait(WATCH_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    reason = confined.excess()
                if time.monotonic() > deadline:
                    reason = f"it did not end within {seconds:g} seconds"
                elif canceled():
                    reason = "canceled"
        finally:
            confined.kill()
            code = confined.process.wait()
            confined.clean()
        output.seek(0)
        return Finished(code=code, output=output.read().decode(errors="replace"), reason=reason)


def confined_command(spec: SandboxSpec, *, wall: Wall, uid: int | None, tmp: Path | None) -> list[str]:
    """The command that confines and then becomes the program. For a process of ours that is its parent."""
    writable = [*map(str, spec.writable), *([str(tmp)] if tmp else ["/tmp"]), "/dev/shm"]  # noqa: S108  (its own)
    inside = SOCKETS_INSIDE if wall is Wall.BUBBLEWRAP else str(spec.sockets)
    order = {
        "wall": str(wall),
        "uid": uid,
        "parent": os.getpid(),
        "limits": _limits(spec, bounded_tmp=tmp is None, is_alone=uid is not None or wall is Wall.BUBBLEWRAP),
        "files": {
            "readable": [*map(str, spec.readable()), str(ENTER), *PROC, "/sys/devices/system"],
            "writable": writable if wall is Wall.BUBBLEWRAP else writable[:-1],
            "sockets": [inside] if spec.sockets else [],
            "devices": [*HARMLESS_DEVICES, *map(str, spec.devices)],
        },
        "command": [part.replace("{sockets}", inside) for part in spec.command],
    }
    enter = [spec.command[0], "-I", "-S", str(ENTER), json.dumps(order)]
    return enter if wall is not Wall.BUBBLEWRAP else [*_bubblewrap(spec, uid=uid), "--", *enter]


def _bubblewrap(spec: SandboxSpec, *, uid: int | None) -> list[str]:
    size = str(spec.tmp_bytes)
    command = [bubblewrap() or "bwrap", "--die-with-parent", "--new-session", "--hostname", "model"]
    command += ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if uid is None:
        command += ["--unshare-user", "--uid", "65534", "--gid", "65534"]
    else:
        # As root it takes another user for real, and needs no user namespace for it.
        command += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    if not spec.network:
        command.append("--unshare-net")
    command += ["--dev", "/dev", "--perms", "1777", "--size", size, "--tmpfs", "/dev/shm"]  # noqa: S108  (its own)
    for device in spec.devices:
        command += ["--dev-bind-try", str(device), str(device)]
    command += ["--proc", "/proc", "--perms", "1777", "--size", size, "--tmpfs", "/tmp"]  # noqa: S108  (its own)
    readable = sorted((*spec.readable(), ENTER), key=lambda path: len(path.parts))
    writable = spec.writable
    # Folders on the way are made here, because those that it makes by itself are closed to other users.
    for folder in sorted({parent for path in (*readable, *writable) for parent in path.parents} - {Path("/")}):
        if not any(folder.is_relative_to(path) for path in readable) and folder != Path("/tmp"):  # noqa: S108  (its own)
            command += ["--perms", "0755", "--dir", str(folder)]
    # Parents before what lies in them, or the later mount hides the earlier one.
    for path in readable:
        command += (
            ["--symlink", str(path.readlink()), str(path)] if _is_system_link(path) else _bind("--ro-bind", path)
        )
    for path in writable:
        command += _bind("--bind", path)
    if spec.sockets is not None:
        command += ["--perms", "0755", "--dir", SOCKETS_INSIDE, "--bind", str(spec.sockets), SOCKETS_INSIDE]
    return [*command, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]  # noqa: S108  (its own)


def _bind(kind: str, path: Path) -> list[str]:
    return [kind, str(path), str(path)]


def _is_system_link(path: Path) -> bool:
    return path.parent == Path("/") and path.is_symlink()


def _limits(spec: SandboxSpec, *, bounded_tmp: bool, is_alone: bool) -> dict[str, int]:
    return {
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": spec.files,
        # It counts by user, so it says nothing of a process that shares ours. Then only the watch bounds them.
        **({"RLIMIT_NPROC": spec.processes} if is_alone else {}),
        # Address space says nothing of numpy and torch, which reserve far more than they use. Private memory that can
        # be written does; twice of it stops what allocates faster than the watch looks.
        "RLIMIT_DATA": spec.memory_bytes * 2 + 1024**3,
        "RLIMIT_FSIZE": LARGEST_FILE if bounded_tmp else spec.tmp_bytes,
    }


def free_uid() -> int:
    """A user that no process runs as. Root only; two that ask at once get the same with little likelihood."""
    taken = set()
    for folder in os.scandir("/proc"):
        if folder.name.isdigit():
            try:
                taken.add(folder.stat().st_uid)
            except OSError:
                continue
    return random.choice([uid for uid in UIDS if uid not in taken])  # noqa: S311  (not a secret)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _size(count: int) -> str:
    return f"{count / 1024**3:.1f} GiB" if count >= 1024**3 else f"{count / 1024**2:.0f} MiB"
