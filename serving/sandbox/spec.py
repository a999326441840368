"""What a confined process may have. Everything that is not named is out of its reach."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

MAX_LINKS = 40
SYSTEM = (
    "/usr",
    "/lib",
    "/lib64",
    "/bin",
    "/sbin",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/alternatives",
    "/etc/mime.types",
)
NETWORK = (
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/ssl",
    "/etc/ca-certificates",
    "/etc/services",
)


@dataclass(frozen=True)
class SandboxSpec:
    """One confined process.

    `command` begins with the absolute path of a Python interpreter; its environment and its base installation are
    readable without being named. Paths are the same inside and outside, but for `sockets`: a folder in which the
    process may make Unix sockets and nothing else, for which `{sockets}` stands in its command. `environment` is all
    of its environment, but for HOME, TMPDIR, PATH and USER, which the sandbox sets. `tmp_bytes` bounds its private
    /tmp, and once more its /dev/shm. `memory_bytes` is for all its processes together; who starts it looks at
    `Confined.excess`. `scratch` is a folder of ours for a private temporary folder where the system has no tmpfs for
    it. `devices` are passed through, such as those of a GPU.
    """

    command: tuple[str, ...]
    read_only: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    sockets: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    memory_bytes: int = 4 * 1024**3
    tmp_bytes: int = 512 * 1024**2
    processes: int = 256
    files: int = 4096
    network: bool = False
    devices: tuple[Path, ...] = ()
    scratch: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what could not be what was meant."""
        if not self.command or not Path(self.command[0]).is_absolute():
            raise ValueError("the command of a sandbox begins with the absolute path of an interpreter")

    def readable(self) -> list[Path]:
        """Every folder and file that the process can read: what was named, its interpreter, the system's programs."""
        system = [*SYSTEM, *(NETWORK if self.network else ())]
        found = [Path(name) for name in system]
        found += interpreter_folders(Path(self.command[0]))
        found += [path.absolute() for path in self.read_only]
        return [path for path in dict.fromkeys(found) if path.exists()]


def interpreter_folders(python: Path) -> list[Path]:
    """The folder of an environment and, link by link, of the installation that its interpreter belongs to.

    Each under the name by which the links know it, since that is the name that has to exist inside.
    """
    found: list[Path] = []
    for step in _links(python):
        folder = step.parent.parent
        if folder != Path("/") and not any(folder.is_relative_to(known) for known in found):
            found.append(folder)
    return found


def _links(path: Path) -> Iterator[Path]:
    """The path and each that it links to, as written but absolute and without `..`."""
    for _ in range(MAX_LINKS):
        yield path
        if not path.is_symlink():
            return
        path = Path(os.path.normpath(path.parent / path.readlink()))
