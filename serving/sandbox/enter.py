"""The last step before a confined program: gives up user, limits, files and network, then becomes the program.

Run by path with `-I -S` in the interpreter of the program, so: standard library only, and old Pythons too. Its one
argument is JSON, as `confined.py` writes it. What cannot be given up ends it: a program never runs less confined.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import resource
import signal
import struct
import sys
from typing import Any

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH = 1
_READ_ONLY = 0b1101  # execute, read a file, read a folder
_WRITES = 0x1FFF & ~_READ_ONLY
_REMOVE_FILE, _MAKE_SOCKET = 1 << 5, 1 << 9
_BY_VERSION = {2: 1 << 13, 3: 1 << 14}
_OF_A_FILE = 0b111 | 1 << 14
_TCP_VERSION, _SCOPE_VERSION = 4, 6
_SET_NO_NEW_PRIVILEGES, _SET_DEATH_SIGNAL, _SET_KEEP_CAPABILITIES, _CAPABILITY_AMBIENT = 38, 1, 8, 47
_SET_SECCOMP, _SECCOMP_FILTER, _SET_SUBREAPER = 22, 2, 36
_DAC_READ_SEARCH = 1 << 2
_CAPABILITY_VERSION = 0x20080522
_LIBC = ctypes.CDLL(None, use_errno=True)


class Refused(Exception):
    """The system does not do what this step asks."""


def _prctl(what: int, *values: int) -> None:
    arguments = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    if _LIBC.prctl(what, *arguments) != 0:
        raise Refused(f"prctl {what}: {os.strerror(ctypes.get_errno())}")


def take_user(uid: int, *, keep_search: bool) -> None:
    """Become an unprivileged user. `keep_search`: with the right to pass folders that are closed to others.

    That right opens nothing by itself: Landlock still decides which files there are.
    """
    os.setgroups([])
    if keep_search:
        _prctl(_SET_KEEP_CAPABILITIES, 1)
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    if keep_search:
        header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
        data = struct.pack("=IIIIII", *([_DAC_READ_SEARCH] * 3), 0, 0, 0)
        if _LIBC.capset(header, data) != 0:
            raise Refused(f"capset: {os.strerror(ctypes.get_errno())}")
        _prctl(_CAPABILITY_AMBIENT, 2, 2)


def limit(limits: dict[str, int]) -> None:
    """Set resource limits, never above those that hold already."""
    for name, most in limits.items():
        what = getattr(resource, name)
        _, hard = resource.getrlimit(what)
        cap = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (cap, cap))


def landlock_version() -> int:
    """The version of Landlock that the kernel has; 0 without it."""
    if platform.machine() not in {"x86_64", "aarch64"}:
        return 0
    version: int = _LIBC.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    return max(0, version)


def confine_files(
    *, readable: list[str], writable: list[str], sockets: list[str], devices: list[str], reads: bool
) -> None:
    """Leave only these paths within reach. Without `reads`, only what is written is confined."""
    version = landlock_version()
    if version < 1:
        raise Refused("this kernel has no Landlock")
    newer = sum(right for since, right in _BY_VERSION.items() if version >= since)
    writes = _WRITES | newer
    handled = writes | (_READ_ONLY if reads else 0)
    tcp = 0b11 if reads and version >= _TCP_VERSION else 0
    scope = 0b11 if reads and version >= _SCOPE_VERSION else 0
    size = 24 if version >= _SCOPE_VERSION else 16 if version >= _TCP_VERSION else 8
    attributes = struct.pack("=QQQ", handled, tcp, scope)[:size]
    ruleset = _LIBC.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(size), ctypes.c_uint32(0))
    if ruleset < 0:
        raise Refused(f"Landlock: {os.strerror(ctypes.get_errno())}")
    if reads:
        for path in readable:
            _allow(ruleset, path, _READ_ONLY)
    for path in writable:
        _allow(ruleset, path, handled)
    for path in devices:
        _allow(ruleset, path, handled)
    for path in sockets:
        _allow(ruleset, path, handled & (_MAKE_SOCKET | _REMOVE_FILE | _READ_ONLY))
    if _LIBC.syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0)) != 0:
        raise Refused(f"Landlock: {os.strerror(ctypes.get_errno())}")
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not os.path.isdir(path):  # noqa: PTH112  (pathlib costs a fifth of this program's time)
        rights &= _OF_A_FILE
    rule = struct.pack("=Qi", rights, descriptor)
    if rights and _LIBC.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0) != 0:
        raise Refused(f"Landlock, {path}: {os.strerror(ctypes.get_errno())}")
    os.close(descriptor)


def confine_calls(*, signals: bool) -> None:
    """Refuse system calls by which a process reaches others: it may answer connections and make none.

    Landlock leaves Unix sockets open, and a platform's database listens on one. `signals`: refuse signals to other
    processes too, for kernels whose Landlock does not.
    """
    by_machine = {
        # audit architecture, socket, connect, sendto, sendmsg, sendmmsg, process_vm_readv, io_uring_setup, ptrace
        "x86_64": (0xC000003E, 41, 42, 44, 46, 307, 310, 425, 101, (62, 200, 129, 424)),
        "aarch64": (0xC00000B7, 198, 203, 206, 211, 269, 270, 425, 117, (129, 130, 138, 424)),
    }
    architecture, socket, connect, sendto, sendmsg, sendmmsg, vm_read, ring, ptrace, signalling = by_machine[
        platform.machine()
    ]
    load, equal, set_bits, above, answer = 0x20, 0x15, 0x45, 0x35, 0x06
    allow, refuse, kill = 0x7FFF0000, 0x00050001, 0x80000000
    lower = 16  # the first argument; each has eight bytes
    forbidden = [connect, vm_read, ring, ptrace, *(signalling if signals else ())]
    program = [
        (load, 0, 0, 4),
        (equal, 1, 0, architecture),
        (answer, 0, 0, kill),
        (load, 0, 0, 0),
        # The second ABI of x86-64 has other numbers.
        (above, 0, 1, 0x40000000),
        (answer, 0, 0, refuse),
    ]
    for number in forbidden:
        program += [(equal, 0, 1, number), (answer, 0, 0, refuse)]
    # No datagrams: they need no connection. 1 is SOCK_STREAM; flags lie above the lowest four bits.
    program += [(equal, 0, 5, socket), (load, 0, 0, lower + 8), (0x54, 0, 0, 0xF), (equal, 1, 0, 1)]
    program += [(answer, 0, 0, refuse), (answer, 0, 0, allow)]
    # sendto with an address; TCP's fast open connects while it sends.
    program += [(equal, 0, 6, sendto), (load, 0, 0, lower + 32), (equal, 1, 0, 0), (answer, 0, 0, refuse)]
    program += [(load, 0, 0, lower + 36), (equal, 1, 0, 0), (answer, 0, 0, refuse), (load, 0, 0, 0)]
    for number, flags in ((sendto, 24), (sendmsg, 16), (sendmmsg, 24)):
        program += [(equal, 0, 4, number), (load, 0, 0, lower + flags), (set_bits, 0, 1, 0x20000000)]
        program += [(answer, 0, 0, refuse), (answer, 0, 0, allow)]
    program.append((answer, 0, 0, allow))
    code = b"".join(struct.pack("=HBBI", *step) for step in program)
    held = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("@HP", len(program), ctypes.addressof(held))
    filters = ctypes.create_string_buffer(header, len(header))
    _prctl(_SET_SECCOMP, _SECCOMP_FILTER, ctypes.addressof(filters))


def _children() -> list[int]:
    with open("/proc/self/task/%d/children" % os.getpid()) as file:  # noqa: PTH123, UP031  (old Pythons too)
        return [int(child) for child in file.read().split()]


def stay_above(parent: int) -> None:
    """Fork; the child returns. The parent ends with it, or when asked to, or with `parent`, and then ends all below.

    Without a process namespace, this is what keeps a program's forks from outliving it.
    """
    watched = {signal.SIGCHLD, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    _prctl(_SET_SUBREAPER, 1)
    _prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != parent:
        raise Refused("who started it is gone")
    program = os.fork()
    if program == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, watched)
        return
    code = None
    while code is None and signal.sigwaitinfo(watched).si_signo == signal.SIGCHLD:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == program:
                code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
            if pid == 0:
                break
    while True:
        for child in _children():
            os.kill(child, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            os._exit(128 + signal.SIGKILL if code is None else code)


def main(order: dict[str, Any]) -> None:
    """Give everything up and become the program."""
    if order["wall"] != "bubblewrap":
        stay_above(order["parent"])
    above = os.getppid()
    uid = order["uid"]
    if uid is not None:
        take_user(uid, keep_search=order["wall"] == "landlock")
    if order["wall"] != "bubblewrap":
        # After the change of user, which clears it.
        _prctl(_SET_DEATH_SIGNAL, 9)
        if os.getppid() != above:
            raise Refused("who started it is gone")
    try:
        with open("/proc/self/oom_score_adj", "w") as file:  # noqa: PTH123  (as above)
            file.write("700")
    except OSError:
        pass
    limit(order["limits"])
    _prctl(_SET_NO_NEW_PRIVILEGES, 1)
    files = order["files"]
    if order["wall"] == "landlock":
        confine_files(**files, reads=True)
        confine_calls(signals=landlock_version() < _SCOPE_VERSION)
    elif order["wall"] == "bubblewrap" and landlock_version():
        confine_files(**files, reads=False)
    command = order["command"]
    os.execv(command[0], command)  # noqa: S606  (what the sandbox is for)


if __name__ == "__main__":
    try:
        main(json.loads(sys.argv[1]))
    except (Refused, OSError, ValueError) as error:
        sys.stderr.write(f"The sandbox could not be entered: {error}\n")
        sys.exit(125)
