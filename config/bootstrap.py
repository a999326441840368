"""Build .venv from the locked requirements and go on inside it. Standard library only.

The environment carries a stamp: which lock it was built from. While that stays true, this costs a few
milliseconds. The development lock holds everything of the runtime lock, so an environment made for tests also
runs the product and is never cut down.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAMP = "modelkeep.stamp"
LOCKS = {"run": "requirements.lock", "demo": "requirements-demo.lock", "dev": "requirements-dev.lock"}
"""Each holds all of the one before."""
DEVELOPMENT_COMMANDS = {"test", "lint", "lock", "screenshots"}
NO_NETWORK = re.compile(
    r"dns error|failed to lookup|name resolution|connection refused|connection error|connect error|timed out"
    r"|network is unreachable|no matching distribution|error sending request",
    re.IGNORECASE,
)


class BootstrapError(Exception):
    """The environment could not be built. The text says why and what to do."""


def ensure_environment(arguments: Sequence[str], *, root: Path = ROOT) -> None:
    """Return inside an environment that matches the lock; builds it and restarts the command when needed.

    Ends the program with a message when that is not possible. MODELKEEP_BOOTSTRAP=off leaves the choice of
    the environment to the caller (container images).
    """
    if os.environ.get("MODELKEEP_BOOTSTRAP") == "off":
        return
    venv = root / ".venv"
    wanted = kind_needed(arguments)
    try:
        if not is_current(venv, wanted, root=root):
            with _only_one(root):
                build(venv, wanted, root=root)
    except BootstrapError as error:
        sys.exit(f"manage.py: {error}")
    except KeyboardInterrupt:
        sys.exit("manage.py: stopped; the next start goes on from here.")
    if Path(sys.prefix).resolve() != venv.resolve():
        python = str(venv / "bin" / "python")
        os.execv(python, [python, str(root / "manage.py"), *arguments])


def stamp_of(kind: str, *, root: Path) -> str:
    """Answer the stamp of an environment built from the present lock of a kind."""
    digest = hashlib.sha256((root / LOCKS[kind]).read_bytes()).hexdigest()
    return f"{kind} {digest}"


def kind_needed(arguments: Sequence[str]) -> str:
    """Answer which lock a command needs at least."""
    command = arguments[0] if arguments else ""
    if command in DEVELOPMENT_COMMANDS:
        return "dev"
    return "demo" if command == "load_demo" or (command == "up" and "--demo" in arguments) else "run"


def kind_to_build(venv: Path, wanted: str) -> str:
    """Answer which lock to install: an environment that holds more is never cut down."""
    built = _read_stamp(venv).partition(" ")[0]
    order = list(LOCKS)
    return max(wanted, built, key=order.index) if built in LOCKS else wanted


def is_current(venv: Path, wanted: str, *, root: Path) -> bool:
    """Say whether the environment was built from the present lock, and its Python is still there."""
    return (venv / "bin" / "python").exists() and _read_stamp(venv) == stamp_of(
        kind_to_build(venv, wanted), root=root
    )


def build(venv: Path, wanted: str, *, root: Path) -> None:
    """Make the environment match its lock. A failure leaves nothing that would disturb the next try."""
    if is_current(venv, wanted, root=root):  # another process built it while this one waited
        return
    began = time.monotonic()
    kind = kind_to_build(venv, wanted)
    fresh = not _works(venv)
    try:
        if fresh:
            _say(f"Creating {venv.name} with Python {sys.version.split()[0]} ...")
            shutil.rmtree(venv, ignore_errors=True)
            _create(venv, root=root)
        (venv / STAMP).unlink(missing_ok=True)
        _say(f"Installing the packages of {LOCKS[kind]} (a first time takes a minute or two) ...")
        _install(venv, root / LOCKS[kind], root=root)
        _finish(venv, kind, root=root)
    except BaseException as error:
        if fresh:
            shutil.rmtree(venv, ignore_errors=True)
        if isinstance(error, OSError):
            raise BootstrapError(_explain(str(error))) from error
        raise
    _say(f"Environment ready after {time.monotonic() - began:.0f} s.")


def _finish(venv: Path, kind: str, *, root: Path) -> None:
    # The repository itself is importable from every program of the environment (pytest, celery, granian).
    for packages in venv.glob("lib/python*/site-packages"):
        (packages / "modelkeep.pth").write_text(f"{root}\n")
    (venv / STAMP).write_text(stamp_of(kind, root=root))


def _read_stamp(venv: Path) -> str:
    try:
        return (venv / STAMP).read_text()
    except OSError:
        return ""


def _works(venv: Path) -> bool:
    """Say whether the environment's Python starts and is new enough."""
    return _succeeds([str(venv / "bin" / "python"), "-c", "import sys; sys.exit(sys.version_info < (3, 11))"])


def _create(venv: Path, *, root: Path) -> None:
    """Create an environment that holds uv."""
    with tempfile.TemporaryDirectory(prefix="modelkeep-uv-") as folder:
        pinned = Path(folder, "uv.txt")
        pinned.write_text(uv_requirement((root / LOCKS["run"]).read_text()))
        install = ["install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", str(pinned)]
        if _has_ensurepip():
            _run([sys.executable, "-m", "venv", str(venv)])
            _run([str(venv / "bin" / "python"), "-m", "pip", *install])
        elif _has_pip():
            # Debian without python3-venv: uv makes the environment, from a folder that is thrown away.
            _run([sys.executable, "-m", "pip", *install, "--target", folder])
            _run([str(Path(folder, "bin", "uv")), "venv", "--quiet", "--python", sys.executable, str(venv)])
            shutil.copy2(Path(folder, "bin", "uv"), venv / "bin" / "uv")
        else:
            raise BootstrapError(
                f"{sys.executable} has neither the module venv nor pip. "
                "Install one of them (on Debian: apt install python3-venv) and run this again."
            )


def _install(venv: Path, lock: Path, *, root: Path) -> None:
    command = [str(venv / "bin" / "uv"), "pip", "sync", "--quiet", "--require-hashes"]
    _run([*command, "--python", str(venv / "bin" / "python"), str(lock)], cwd=root)


def uv_requirement(lock: str) -> str:
    """Cut the entry of uv, with its hashes, out of a lock."""
    found = re.search(r"^uv==[^\n]*(?:\n[ \t]+--hash[^\n]*)*", lock, re.MULTILINE)
    if found is None:
        raise BootstrapError("requirements.lock does not name uv; restore the file from the repository.")
    return found.group(0).rstrip("\\ \n") + "\n"


def _has_ensurepip() -> bool:
    return _succeeds([sys.executable, "-c", "import venv, ensurepip"])


def _has_pip() -> bool:
    return _succeeds([sys.executable, "-m", "pip", "--version"])


def _succeeds(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _run(command: Sequence[str], *, cwd: Path | None = None) -> None:
    result = subprocess.run(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if result.returncode != 0:
        raise BootstrapError(_explain(result.stdout, command=command))


def _explain(output: str, *, command: Sequence[str] = ()) -> str:
    """Turn the output of a failed step into a cause and a remedy."""
    if "No space left on device" in output:
        return f"The disk is full: {ROOT} needs about 2 GB for .venv. Free some space and run this again."
    tail = "\n  ".join(output.strip().splitlines()[-8:])
    if NO_NETWORK.search(output):
        return (
            "The package index could not be reached. Check the network (or set PIP_INDEX_URL and "
            f"UV_DEFAULT_INDEX to a mirror) and run this again. The installer said:\n  {tail}"
        )
    return f"Building .venv failed in `{' '.join(command)}`:\n  {tail}"


@contextmanager
def _only_one(root: Path) -> Iterator[None]:
    """Let one process at a time build; the others wait for it."""
    folder = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("Another process is building .venv; waiting for it ...")
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _say(text: str) -> None:
    print(f"manage.py: {text}", file=sys.stderr, flush=True)
