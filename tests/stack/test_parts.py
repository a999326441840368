"""The small parts of the stack, without starting it."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from config import bootstrap, commands
from config.stack import attach, environment, launch, logs, options, paths, postgres, preflight, processes, state
from config.stack.errors import StackError
from tests.stack.conftest import ROOT, clean_environment, wait_for


@pytest.fixture
def locked_root(tmp_path):
    (tmp_path / "requirements.lock").write_text(
        "uv==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nzope==2\n"
    )
    (tmp_path / "requirements-dev.lock").write_text("everything\n")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    return tmp_path


def stamp(root, kind):
    (root / ".venv" / bootstrap.STAMP).write_text(bootstrap.stamp_of(kind, root=root))


def test_environment_is_current_while_its_lock_is_unchanged(locked_root):
    venv = locked_root / ".venv"
    assert not bootstrap.is_current(venv, "run", root=locked_root)
    stamp(locked_root, "run")
    assert bootstrap.is_current(venv, "run", root=locked_root)
    assert not bootstrap.is_current(venv, "dev", root=locked_root)
    (locked_root / "requirements.lock").write_text("uv==2.0\n")
    assert not bootstrap.is_current(venv, "run", root=locked_root)


def test_development_environment_also_runs_the_product(locked_root):
    venv = locked_root / ".venv"
    stamp(locked_root, "dev")
    assert bootstrap.is_current(venv, "run", root=locked_root)
    (locked_root / "requirements-dev.lock").write_text("more\n")
    assert bootstrap.kind_to_build(venv, "run") == "dev"


def test_environment_without_its_python_is_not_current(locked_root):
    stamp(locked_root, "run")
    (locked_root / ".venv" / "bin" / "python").unlink()
    assert not bootstrap.is_current(locked_root / ".venv", "run", root=locked_root)


def test_uv_is_taken_from_the_lock_with_its_hashes(locked_root):
    found = bootstrap.uv_requirement((locked_root / "requirements.lock").read_text())
    assert found == "uv==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
    with pytest.raises(bootstrap.BootstrapError, match="does not name uv"):
        bootstrap.uv_requirement("zope==2\n")


def test_failed_build_leaves_no_half_made_environment(locked_root, monkeypatch):
    shutil.rmtree(locked_root / ".venv")

    def create(venv, *, root):
        venv.mkdir()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bootstrap, "_create", create)
    with pytest.raises(bootstrap.BootstrapError, match="disk is full"):
        bootstrap.build(locked_root / ".venv", "run", root=locked_root)
    assert not (locked_root / ".venv").exists()


def test_bootstrap_needs_only_the_standard_library():
    code = "import sys; sys.path.insert(0, '.'); import config.bootstrap, config.commands; print('fine')"
    result = subprocess.run([sys.executable, "-I", "-S", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout == "fine\n", result.stderr


def test_launcher_imports_neither_django_nor_mlflow():
    code = (
        "import sys; import config.stack.cli;"
        "print([name for name in ('django', 'mlflow', 'celery') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout == "[]\n", result.stderr


def test_data_dir_is_taken_from_any_command():
    assert commands.take_data_dir(["verify_audit", "--data-dir", "d", "-v"]) == (["verify_audit", "-v"], "d")
    assert commands.take_data_dir(["shell", "--data-dir=d"]) == (["shell"], "d")
    assert commands.take_data_dir(["shell"]) == (["shell"], None)


@pytest.fixture
def short(monkeypatch):
    """A short folder for sockets: pytest's own are long themselves."""
    with tempfile.TemporaryDirectory(prefix="mk-") as name:
        monkeypatch.setattr(paths.tempfile, "gettempdir", lambda: name)
        yield Path(name)


def test_long_folder_gets_a_short_place_for_its_sockets(short):
    folder = paths.DataFolder.at(short / ("x" * 90))
    assert folder.sockets.parent == short
    assert folder.sockets != folder.run
    folder.prepare()
    assert folder.sockets.stat().st_mode & 0o777 == 0o700


def test_foreign_socket_folder_is_refused(short):
    folder = paths.DataFolder.at(short / ("x" * 90))
    folder.sockets.symlink_to(short)
    with pytest.raises(StackError, match="belongs to somebody else"):
        folder.prepare()


def test_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StackError, match="--data-dir"):
        paths.DataFolder.at(tmp_path / "file" / "data").prepare()


def test_full_disk_is_named(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=10 * 1024**2)
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(StackError, match="Only 10 MB are free"):
        preflight.require_space(tmp_path)


def test_address_that_is_not_ours_is_named():
    with pytest.raises(StackError, match="--host"):
        preflight.free_port("203.0.113.7", 0)


def test_named_servers_win_over_embedded_ones(tmp_path):
    folder = paths.DataFolder.at(tmp_path)
    given = {"DATABASE_URL": "postgresql://u:p@db/modelkeep", "MODELKEEP_DATA_DIR": "/elsewhere", "OTHER": "x"}
    found = environment.shared_environment(folder, url="http://127.0.0.1:1", given=given)
    assert found["DATABASE_URL"] == given["DATABASE_URL"]
    assert found["MODELKEEP_DATA_DIR"] == str(tmp_path)
    assert found["REDIS_URL"].startswith("redis+socket://")
    assert "OTHER" not in found


@pytest.mark.parametrize(
    ("ours", "mlflows"),
    [
        ("postgresql://postgres@/modelkeep?host=/run", "postgresql+psycopg://postgres:@/mlflow?host=/run"),
        ("postgres://u:p@db:5432/modelkeep", "postgresql+psycopg://u:p@db:5432/mlflow"),
        ("postgresql://u:p@db/modelkeep?sslmode=require", "postgresql+psycopg://u:p@db/mlflow?sslmode=require"),
    ],
)
def test_mlflow_gets_a_database_of_its_own(ours, mlflows):
    assert environment.tracking_database_url({"DATABASE_URL": ours}) == mlflows


def test_secret_key_is_made_once_and_private(tmp_path):
    path = tmp_path / "secret.key"
    key = environment.ensure_secret_key(path)
    assert environment.ensure_secret_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("")
    with pytest.raises(StackError, match="empty"):
        environment.ensure_secret_key(path)


def test_large_log_is_shortened_while_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "ROTATE_BYTES", 100)
    path = tmp_path / "web.log"
    with logs.open_log(path) as log:
        for number in range(1, 6):
            log.write(f"{number}".encode() * 150)
            log.flush()
            logs.rotate_in_use(path)
        log.write(b"new\n")
        log.flush()
        assert path.read_bytes() == b"new\n"
    assert [(tmp_path / f"web.log.{n}").read_text()[0] for n in (1, 2, 3)] == ["5", "4", "3"]
    assert not (tmp_path / "web.log.4").exists()
    assert logs.last_lines(path) == "    new"


def test_attach_leaves_a_given_database_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://somewhere/else")
    monkeypatch.setenv("MODELKEEP_DATA_DIR", str(tmp_path))
    assert attach.attach(None) is False
    assert os.environ["DATABASE_URL"] == "postgresql://somewhere/else"


def test_state_of_a_folder_that_nobody_holds_is_none(tmp_path):
    folder = paths.DataFolder.at(tmp_path / "data")
    assert state.read(folder) is None
    folder.prepare()
    found = state.StackState(os.getpid(), "1", "http://x", ready=True, environment={}, children=())
    state.write(folder, found)
    assert state.read(folder) is None
    handle = state.acquire(folder)
    assert state.read(folder) == state.StackState(
        os.getpid(), "1", "http://x", ready=True, environment={}, children=()
    )
    os.close(handle)


def test_options_are_checked(capsys):
    assert options.parse_up(["--port", "9", "--host", "0.0.0.0"]).local_url == "http://127.0.0.1:9"
    assert options.parse_up(["--host", "::1", "--port", "9"]).local_url == "http://[::1]:9"
    with pytest.raises(SystemExit):
        options.parse_up(["--port", "70000"])
    assert "from 0 to 65535" in capsys.readouterr().err


def test_shim_kills_grandchildren_when_its_parent_is_killed(tmp_path):
    """The parent starts a shim, the shim a shell, the shell two sleeps in sessions of their own."""
    pids = tmp_path / "pids"
    script = f"setsid sleep 600 & echo $! >> {pids}; setsid sleep 600 & echo $! >> {pids}; wait"
    code = (
        "import subprocess, sys; from config.stack.launch import shim_command;"
        f"subprocess.Popen(shim_command(['sh', '-c', {script!r}], grace=0.1), start_new_session=True).wait()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    wait_for("two grandchildren", lambda: pids.exists() and len(pids.read_text().split()) == 2)
    found = [int(pid) for pid in pids.read_text().split()]
    parent.kill()
    parent.wait()
    wait_for("no survivor", lambda: not any(processes.is_alive(pid) for pid in found))


def test_shim_passes_the_exit_code_on():
    for script, code in (("exit 7", 7), ("kill -9 $$", 137)):
        assert subprocess.run(launch.shim_command(["sh", "-c", script])).returncode == code
    assert subprocess.run(launch.shim_command(["/no/such/program"]), capture_output=True).returncode == 127


def test_other_users_get_the_right_to_pass_only(tmp_path):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True, mode=0o700)
    (tmp_path / "a").chmod(0o700)
    from config.stack.accounts import open_way

    assert tmp_path / "a" in open_way(inner)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o711
    assert open_way(inner) == []


def test_first_database_is_created_beside_what_exists(tmp_path):
    assert postgres.data_version(tmp_path) is None
    assert (Path(postgres.binaries()) / "initdb").exists()


def test_manage_py_says_what_is_wrong_without_a_running_stack(tmp_path):
    env = clean_environment() | {"MODELKEEP_DATA_DIR": str(tmp_path)}
    command = [sys.executable, "manage.py", "client-env"]
    result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "")
    assert "manage.py up" in result.stderr


def test_web_process_imports_no_data_science_at_start():
    code = (
        "import sys; import config.asgi; from django.urls import get_resolver; get_resolver().url_patterns;"
        "print([name for name in ('mlflow', 'pandas', 'numpy', 'pyarrow', 'sklearn') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout == "[]\n", result.stderr
