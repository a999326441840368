"""Run one process so that nothing of it outlives the launcher. Started by path, isolated: stdlib only.

The shim adopts every descendant of the process (subreaper) and is told by the kernel when the launcher dies.
Then, as on SIGTERM, it sends the process its stop signal, waits for the grace time, and kills whatever is
left.

    python -I -S shim.py --parent PID --stop-signal N --grace SECONDS [--uid N --gid N] [--hold FD] --
    command...
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
WATCHED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


def prctl(option: int, value: int) -> None:
    """Call prctl(2); raise OSError when the kernel refuses."""
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="shim")
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--stop-signal", type=int, default=signal.SIGTERM)
    parser.add_argument("--grace", type=float, default=10.0)
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("--hold", type=int)
    parser.add_argument("command", nargs="+")
    return parser.parse_args(argv)


def start(options: argparse.Namespace) -> int:
    """Fork and exec the command; answer its pid."""
    shim = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        if options.uid is not None:
            os.setgroups([])
            os.setgid(options.gid)
            os.setuid(options.uid)
        # After the change of user, which clears it.
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != shim:
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)
        os.execvp(options.command[0], options.command)
    except OSError as error:
        sys.stderr.write(f"cannot start {options.command[0]}: {error}\n")
        sys.stderr.flush()
    os._exit(127)


def reap() -> dict[int, int]:
    """Collect the dead; answer {pid: exit code}."""
    dead: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return dead
        if pid == 0:
            return dead
        code = os.waitstatus_to_exitcode(status)
        dead[pid] = code if code >= 0 else 128 - code


def children(pid: int) -> list[int]:
    """Answer the direct children of a process (nothing when it is gone)."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def kill_all() -> None:
    """Kill every descendant. Those of a killed child become ours, so this ends when no child is left."""
    while True:
        for pid in children(os.getpid()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def supervise(child: int, *, stop_signal: int, grace: float) -> int:
    """Wait until the child ends by itself, or is asked to and given its grace; answer its exit code."""
    deadline: float | None = None
    while True:
        wait = 3600.0 if deadline is None else max(0.0, deadline - time.monotonic())
        received = signal.sigtimedwait(WATCHED, wait)
        if received is None and deadline is not None:
            return 128 + signal.SIGKILL
        if received is None or received.si_signo == signal.SIGCHLD:
            dead = reap()
            if child in dead:
                return dead[child]
        elif deadline is None:
            deadline = time.monotonic() + grace
            os.kill(child, stop_signal)


def main(argv: list[str]) -> int:
    """Run one command to its end; answer its exit code, 128 + n for a signal."""
    options = _parse(argv)
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != options.parent:
        return 1
    if options.hold is not None:
        os.set_inheritable(options.hold, False)  # noqa: FBT003  (positional only)
    child = start(options)
    code = supervise(child, stop_signal=options.stop_signal, grace=options.grace)
    kill_all()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
