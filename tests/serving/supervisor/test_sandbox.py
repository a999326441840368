"""The sandbox itself, by either wall, with programs that try to get out."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from config.stack import processes
from serving.sandbox import NoSandbox, SandboxSpec, Wall, find_wall, run, wall_report
from serving.sandbox.spec import interpreter_folders

PYTHON = sys.executable
TRY = """
import json, os, socket, sys
def attempt(work):
    try:
        return str(work())
    except OSError as error:
        return type(error).__name__
def unix():
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(sys.argv[2])
    return "connected"
def listen():
    own = socket.socket(socket.AF_UNIX)
    own.bind(sys.argv[3] + "/s")
    own.listen()
    return "listening"
def fill():
    with open(os.environ["TMPDIR"] + "/x", "wb") as file:
        return file.write(b"x" * 20_000_000)
print(json.dumps({
    "uid": os.getuid(),
    "environment": sorted(os.environ.keys() - {"LC_CTYPE", "PWD"}),
    "file": attempt(lambda: open(sys.argv[1]).read()),
    "unix": attempt(unix),
    "tcp": attempt(lambda: socket.create_connection(("127.0.0.1", int(sys.argv[4])), 2)),
    "datagram": attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9))),
    "listen": attempt(listen),
    "beside": attempt(lambda: open(sys.argv[3] + "/file", "w")),
    "kill": attempt(lambda: os.kill(int(sys.argv[5]), 0)),
    "fill": attempt(fill),
    "ours": attempt(lambda: open(sys.argv[6], "a")),
    "root": attempt(lambda: os.setuid(0)),
}))
"""


@pytest.fixture(params=[Wall.BUBBLEWRAP, Wall.LANDLOCK])
def wall(request, monkeypatch):
    """Each wall by itself."""
    monkeypatch.setenv("MODELKEEP_SERVING_SANDBOX", request.param)
    find_wall.cache_clear()
    assert find_wall() is request.param
    yield request.param
    find_wall.cache_clear()


@pytest.fixture
def short(tmp_path_factory):
    """A folder with room for a socket's path."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="mkb-") as name:
        yield Path(name)


def python(code, *arguments, **values):
    return SandboxSpec(command=(PYTHON, "-I", "-c", code, *map(str, arguments)), **values)


def test_nothing_but_what_is_given_is_within_reach(wall, short, monkeypatch):
    import socket

    monkeypatch.setenv("MODELKEEP_SECRET_KEY", "not for models")
    secret, sockets, given = short / "secret", short / "so", short / "given"
    secret.write_text("a secret")
    given.write_text("data")
    sockets.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as platform:
        platform.bind(str(short / "db"))
        platform.listen()
        arguments = (secret, short / "db", "{sockets}", tcp.getsockname()[1], os.getpid(), given)
        spec = python(TRY, *arguments, sockets=sockets, scratch=short, tmp_bytes=16 * 1024**2, read_only=(given,))
        found = run(spec, seconds=20)
    said = json.loads(found.output)
    assert found.reason == ""
    assert said.pop("uid") not in {0, os.getuid()} or os.getuid() != 0
    assert said.pop("environment") == ["HOME", "LOGNAME", "PATH", "TMPDIR", "USER"]
    assert said.pop("listen") == "listening"
    assert said.pop("unix") in {"PermissionError", "FileNotFoundError"}
    assert said.pop("datagram") in {"PermissionError", "OSError"} or wall is Wall.BUBBLEWRAP
    assert said.pop("kill") in {"PermissionError", "ProcessLookupError"}
    assert set(said.values()) <= {"PermissionError", "FileNotFoundError", "ConnectionRefusedError", "OSError"}, said


def test_memory_of_all_its_processes_counts_together(wall, short):
    code = (
        "import os, time\nheld = bytearray(1)\nfor _ in range(3):\n    if os.fork() == 0:\n"
        "        held = bytearray(40_000_000)\n        time.sleep(60)\ntime.sleep(60)\n"
    )
    found = run(python(code, scratch=short, memory_bytes=80_000_000), seconds=20)
    assert found.reason.startswith("out of memory: it used ")


def test_forks_in_sessions_of_their_own_end_with_it(wall, short):
    code = (
        "import os, sys, time\nfor _ in range(3):\n    if os.fork() == 0:\n        os.setsid()\n"
        "        if os.fork() == 0:\n            time.sleep(600)\n        os._exit(0)\ntime.sleep(0.3)\n"
    )
    mark = f"forked-{os.getpid()}-{wall}"
    assert run(python(code, mark, scratch=short), seconds=20).code == 0
    assert not _running(mark)


def test_kill_of_who_started_it_ends_it(wall, short):
    mark = f"orphan-{os.getpid()}-{wall}"
    starter = (
        "import sys, time, pathlib\nfrom serving.sandbox import SandboxSpec, start\n"
        "start(SandboxSpec(command=(sys.argv[1], '-I', '-c', 'import time; time.sleep(600)', sys.argv[2]),"
        " scratch=pathlib.Path(sys.argv[3])))\ntime.sleep(600)\n"
    )
    parent = subprocess.Popen([PYTHON, "-c", starter, PYTHON, mark, str(short)])
    _await(lambda: len(_running(mark)) > 1)
    parent.kill()
    parent.wait()
    _await(lambda: not _running(mark))


def test_time_ends_what_ignores_every_signal(wall, short):
    code = "import signal, time\nfor n in (1, 2, 15):\n    signal.signal(n, signal.SIG_IGN)\ntime.sleep(600)\n"
    began = time.monotonic()
    assert "did not end within 1 seconds" in run(python(code, scratch=short), seconds=1).reason
    assert time.monotonic() - began < 10


def test_processes_are_bounded(wall, short):
    code = (
        "import os, time\nmade = 0\ntry:\n    while made < 200:\n"
        "        if os.fork() == 0:\n            time.sleep(60)\n        made += 1\n"
        "except OSError:\n    pass\nprint(made, flush=True)\nos._exit(0)\n"
    )
    found = run(python(code, scratch=short, processes=20), seconds=20)
    assert int(found.output) < 25, found


def test_without_a_wall_nothing_runs(monkeypatch):
    monkeypatch.setenv("MODELKEEP_SERVING_SANDBOX", "bubblewrap")
    monkeypatch.setenv("PATH", "/nowhere")
    find_wall.cache_clear()
    try:
        with pytest.raises(NoSandbox, match="cannot be confined"):
            run(python("print(1)"), seconds=5)
        monkeypatch.setenv("MODELKEEP_SERVING_SANDBOX", "off")
        find_wall.cache_clear()
        assert "OFF" in wall_report()
    finally:
        find_wall.cache_clear()


def test_interpreter_is_found_link_by_link(tmp_path):
    base, named, environment = tmp_path / "cpython-3.11.7", tmp_path / "cpython-3.11", tmp_path / "environment"
    for folder in (base / "bin", environment / "bin"):
        folder.mkdir(parents=True)
    (base / "bin" / "python3.11").write_text("")
    named.symlink_to(base.name)
    (environment / "bin" / "python3").symlink_to(named / "bin" / "python3.11")
    (environment / "bin" / "python").symlink_to("python3")
    assert interpreter_folders(environment / "bin" / "python") == [environment, named]


def test_relative_command_is_refused():
    with pytest.raises(ValueError, match="absolute"):
        SandboxSpec(command=("python",))


def _running(mark: str) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and processes.is_alive(int(folder.name)):
            try:
                if mark.encode() in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
            except OSError:
                continue
    return [pid for pid in found if pid != os.getpid()]


def _await(question) -> None:
    deadline = time.monotonic() + 20
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.02)
