"""Processes held ready: confined like any replica, with their imports done, to become the next one in a moment.

A spare is used once and for one model, so nothing is shared between models. Its model's folder is empty until then;
what is put into it appears inside.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from serving.host.wire import PROGRAM_ARGUMENTS, Launch, SpareKind
from serving.sandbox import Confined, NoSandbox, start

MODEL = "{model}"


@dataclass
class Spare:
    """One of them. `folder` holds its model, later, and its log."""

    kind: str
    confined: Confined
    folder: Path
    sockets: Path

    def become(self, launch: Launch) -> None:
        """Give it a model and tell it what it is. Raises OSError; then it is good for nothing."""
        if launch.model is None or launch.spec.sockets is None or self.confined.process.stdin is None:
            raise OSError("this launch is not for a spare")
        _link(launch.model, self.folder / "model")
        launch.log.parent.parent.mkdir(parents=True, exist_ok=True)
        launch.log.parent.symlink_to(self.folder)
        launch.spec.sockets.symlink_to(self.sockets)
        model, sockets = str(self.folder / "model"), self.confined.sockets_inside
        arguments = [
            part.replace(MODEL, model).replace("{sockets}", sockets)
            for part in launch.spec.command[PROGRAM_ARGUMENTS:]
        ]
        with self.confined.process.stdin as stream:
            stream.write(json.dumps(arguments).encode() + b"\n")

    def end(self) -> None:
        """Nobody needs it."""
        self.confined.kill()
        self.confined.process.wait()
        if self.confined.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.confined.process.stdin.close()
        self.confined.clean()
        for folder in (self.folder, self.sockets):
            shutil.rmtree(folder, ignore_errors=True)


class Spares:
    """One spare of each kind that is wanted."""

    def __init__(self, *, root: Path, sockets: Path) -> None:
        self._root = root / "spares"
        self._sockets = sockets
        self._held: dict[str, Spare] = {}

    def hold(self, kinds: Collection[SpareKind]) -> None:
        """Hold one of each of these kinds, and none of any other. What cannot be started is tried the next time."""
        wanted = {kind.name: kind for kind in kinds}
        for name in list(self._held):
            if name not in wanted or self._held[name].confined.poll() is not None:
                self._held.pop(name).end()
        for name, kind in wanted.items():
            if name not in self._held:
                with contextlib.suppress(NoSandbox, OSError):
                    self._held[name] = self._start(kind)

    def take(self, kind: str) -> Spare | None:
        """One of that kind, which is the caller's from now on."""
        spare = self._held.pop(kind, None)
        if spare is not None and spare.confined.poll() is not None:
            spare.end()
            return None
        return spare

    def end(self) -> None:
        """End all of them."""
        self.hold(())

    def _start(self, kind: SpareKind) -> Spare:
        identity = uuid4().hex
        folder, sockets = self._root / identity, self._sockets / identity[:12]
        (folder / "model").mkdir(parents=True)
        for made in (self._root, folder, folder / "model"):
            made.chmod(0o755)
        sockets.mkdir(mode=0o700)
        spec = replace(kind.spec, sockets=sockets, read_only=(*kind.spec.read_only, folder / "model"))
        with (folder / "log").open("ab") as output:
            return Spare(kind.name, start(spec, output=output, has_input=True), folder, sockets)


def _link(source: Path, target: Path) -> None:
    """The files of a folder under other names, or copies of them where that cannot be."""
    for path, folders, files in os.walk(source):
        here = target / Path(path).relative_to(source)
        for name in folders:
            (here / name).mkdir(exist_ok=True)
        for name in files:
            try:
                os.link(Path(path, name), here / name)
            except OSError:
                shutil.copyfile(Path(path, name), here / name)


def remove(path: Path) -> None:
    """Remove a folder, and where it is a link to a spare's, that one."""
    if path.is_symlink():
        shutil.rmtree(path.resolve(), ignore_errors=True)
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)
