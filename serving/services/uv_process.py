"""Running uv: found beside our own interpreter, with nothing of our environment, told live, ended when not wanted."""

import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from registry.errors import Unavailable
from serving.services.environment_errors import BuildCanceled, EnvironmentFailed

Log = Callable[[str], None]
Canceled = Callable[[], bool]

_LOOK_SECONDS = 0.2
_PASSED_ON = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "NETRC")
_UMASK = 0o022
# uv goes with the process that started it, kill -9 included.
_TIED = (
    "import ctypes,os,sys; ctypes.CDLL(None).prctl(1, 9, 0, 0, 0);"
    "os.getppid() == int(sys.argv[1]) or os._exit(1); os.execv(sys.argv[2], sys.argv[2:])"
)


@dataclass(frozen=True)
class UvResult:
    """How a call of uv ended, and what it wrote: answers to `output`, progress and errors to `messages`."""

    code: int
    output: str
    messages: str


def silent(_text: str) -> None:
    """A log that nobody reads."""


def never() -> bool:
    """Nobody cancels."""
    return False


def uv_program() -> str:
    """The path of uv.

    Raises:
        Unavailable: it is not installed.
    """
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise Unavailable("uv is not installed beside this server, so that no environment can be made.")
    return found


def run_uv(
    arguments: Sequence[str],
    *,
    log: Log = silent,
    canceled: Canceled = never,
    text: str = "",
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> UvResult:
    """Run uv to its end; each line that it tells goes to `log` at once. `text` is its standard input.

    Raises:
        BuildCanceled: `canceled` said so; uv is gone then.
        EnvironmentFailed: it took longer than SERVING_BUILD_SECONDS.
        Unavailable: it is not installed.
    """
    program = uv_program()
    root = Path(settings.SERVING_ROOT)
    root.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), program, "--no-config", *arguments]
    process = subprocess.Popen(  # noqa: S603  (our own program; arguments that come from outside are data files)
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**_environment(), **(environment or {})},
        cwd=cwd or root,
        umask=_UMASK,
        start_new_session=True,
    )
    try:
        return _follow(process, log=log, canceled=canceled, text=text)
    finally:
        _end(process)


def _environment() -> dict[str, str]:
    passed = {name: os.environ[name] for name in (*_PASSED_ON, *map(str.lower, _PASSED_ON)) if name in os.environ}
    own = {
        "PATH": search_path(),
        "HOME": str(Path(settings.SERVING_ROOT)),
        "UV_CACHE_DIR": str(Path(settings.SERVING_UV_CACHE)),
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        "UV_LINK_MODE": "hardlink",
        "NO_COLOR": "1",
    }
    return {**passed, **own}


def search_path() -> str:
    """Where interpreters are looked for: the path, with pyenv's installations instead of its shims."""
    folders = [folder for folder in os.get_exec_path() if not folder.rstrip("/").endswith("/shims")]
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    installed = sorted(str(path) for path in root.glob("3.*/bin"))
    return os.pathsep.join([str(Path(sys.base_prefix) / "bin"), *folders, *installed])


def _follow(process: subprocess.Popen[bytes], *, log: Log, canceled: Canceled, text: str) -> UvResult:
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise AssertionError("uv is always started with pipes")
    process.stdin.write(text.encode())
    process.stdin.close()
    pieces: dict[str, list[bytes]] = {"out": [], "err": []}
    begun = b""
    deadline = time.monotonic() + settings.SERVING_BUILD_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, "out")
        selector.register(process.stderr, selectors.EVENT_READ, "err")
        while selector.get_map():
            if canceled():
                raise BuildCanceled("canceled while packages were being installed")
            if time.monotonic() > deadline:
                raise EnvironmentFailed(
                    f"Making the environment took longer than {settings.SERVING_BUILD_SECONDS} seconds.",
                    suggestion="The operator can raise MODELKEEP_SERVING_BUILD_SECONDS.",
                )
            for key, _ in selector.select(_LOOK_SECONDS):
                chunk = os.read(key.fd, 65536)
                pieces[key.data].append(chunk)
                if not chunk:
                    selector.unregister(key.fileobj)
                elif key.data == "err":
                    begun = _tell(begun + chunk, log)
    if begun.strip():
        log(begun.decode(errors="replace").rstrip())
    code = process.wait()
    return UvResult(
        code, b"".join(pieces["out"]).decode(errors="replace"), b"".join(pieces["err"]).decode(errors="replace")
    )


def _tell(text: bytes, log: Log) -> bytes:
    """Log the whole lines; returns the beginning of the next."""
    *lines, rest = text.split(b"\n")
    for line in lines:
        if line.strip():
            log(line.decode(errors="replace").rstrip())
    return rest


def _end(process: subprocess.Popen[bytes]) -> None:
    """Nothing of it stays: it leads a session of its own."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
