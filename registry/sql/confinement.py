"""What the query process gives up before it runs a query: files, network, and more than its share of the machine.

A second wall behind the vocabulary and the engine's own settings. Landlock needs Linux 5.13 and no privilege; where
it is missing, the other walls stand alone.
"""

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_PATH_BENEATH = 1
_SET_NO_NEW_PRIVILEGES = 38
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
_EXECUTE_TO_SYMLINK = 0x1FFF  # Every right of the first version of the interface.
_BY_VERSION = {2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
_TCP_VERSION, _TCP = 4, 0b11
_SYSTEM = """
    /usr /lib /lib64 /etc/localtime /etc/ld.so.cache /dev/null /dev/urandom
    /proc/self /proc/meminfo /sys/fs/cgroup /sys/devices/system
""".split()


def limit_resources(*, memory: int, seconds: int, file_bytes: int, threads: int) -> None:
    """Cap memory, processor time and the size of a file. What goes beyond ends the process."""
    processor = seconds * threads + 10
    for what, most in (
        # The engine and Arrow reserve more addresses than they use.
        (resource.RLIMIT_AS, memory * 2 + 2 * 1024**3),
        (resource.RLIMIT_CPU, processor),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 1024),
    ):
        _, hard = resource.getrlimit(what)
        cap = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (cap, cap))


def confine(*, readable: Iterable[Path], writable: Iterable[Path]) -> bool:
    """Leave only these folders, and Python's own for reading, within reach; and no network. Cannot be undone.

    Answers whether the kernel does it.
    """
    if sys.platform != "linux" or platform.machine() not in {"x86_64", "aarch64"}:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, 0, 1)
    if version < 1:
        return False
    every = _EXECUTE_TO_SYMLINK | sum(right for since, right in _BY_VERSION.items() if version >= since)
    tcp = _TCP if version >= _TCP_VERSION else 0
    attributes = struct.pack("=QQ", every, tcp)[: 16 if tcp else 8]
    ruleset = libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        return False
    own = {Path(sys.prefix), Path(sys.base_prefix), *map(Path, _SYSTEM)}
    for folder in {*own, *readable}:
        _allow(libc, ruleset, folder, _READ_FILE | _READ_FOLDER)
    for folder in writable:
        _allow(libc, ruleset, folder, every)
    libc.prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    confined = libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0
    os.close(ruleset)
    return bool(confined)


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not path.is_dir():
        rights &= 0b111  # A file can be executed, written and read.
    libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0)
    os.close(descriptor)
