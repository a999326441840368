"""Versions that do harm: the endpoint goes on with what it has, people read why, and nothing is left of them.

All of them are started at once, beside a version that answers the whole time.
"""

import os
import time
from pathlib import Path

import pytest

from config.stack import processes
from serving.models import Replica, ReplicaState
from serving.sandbox import Wall, find_wall
from tests.serving.supervisor.conftest import eventually

pytestmark = pytest.mark.stack
MEMORY = 96 * 1024**2
SECRET = "signs nothing outside of a test run"
VICTIMS = {
    "import-error": ("import not_in_this_environment\n", "not_in_this_environment"),
    "wrong-example": ("def predict(rows):\n    raise ValueError('these are not my columns')\n", "not my columns"),
    "hangs": ("import time\ntime.sleep(600)\n", "not loaded within 8 seconds"),
    "exits": ("import os\n\ndef predict(rows):\n    os._exit(7)\n", "code 7"),
    "hungry": (
        "held = []\nfor _ in range(400):\n    held.append(bytearray(4 * 1024 * 1024))\nimport time\ntime.sleep(60)\n",
        "out of memory",
    ),
    "stubborn": (
        "import signal, time\nfor number in (2, 15):\n    signal.signal(number, signal.SIG_IGN)\ntime.sleep(600)\n",
        "not loaded within 8 seconds",
    ),
    "forks": (
        "import os, time\nfor _ in range(5):\n    if os.fork() == 0:\n        time.sleep(os.setsid() or 99)\n1 / 0\n",
        "ZeroDivisionError",
    ),
}
SPY = '''
import glob, os, socket

def reached(what, attempt):
    try:
        return f"{what}: {str(attempt())[:200]}"
    except Exception:
        return ""

def connected(path):
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(path)
    return "connected"

def environments():
    return [text for path in glob.glob("/proc/*/environ") if (text := open(path, "rb").read()) and b"SECRET" in text]

def written(path):
    with open(path, "wb") as file:
        file.write(b"x")
    return "written"

def filled(folder):
    """How many MiB fit into a folder."""
    for number in range(4000):
        try:
            with open(f"{folder}/{number}", "wb") as file:
                file.write(b"x" * 1048576)
        except OSError:
            return number
    return number

def predict(rows):
    places = rows[0]
    found = [
        reached("environment", lambda: [name for name in os.environ if "SECRET" in name or "URL" in name] or 1 / 0),
        reached("others' environments", lambda: environments() or 1 / 0),
        reached("passwords", lambda: open("/etc/shadow").read()),
        reached("network", lambda: socket.create_connection(("127.0.0.1", places["port"]), 2)),
        reached("own environment", lambda: written(places["environment"] + "/x")),
        reached("own model", lambda: written(places["model"] + "/x")),
        reached("beside its socket", lambda: written("/sockets/x")),
        reached("others' sockets", lambda: os.listdir(places["sockets"])),
        reached("kill", lambda: [os.kill(pid, 0) for pid in places["pids"]]),
    ]
    found += [reached(path, lambda: connected(path)) for path in places["connect"]]
    found += [reached(path, lambda: open(path, "rb").read(20)) for path in places["files"]]
    sizes = [filled(folder) for folder in places["fill"]]
    return [[one for one in found if one], sizes, os.getuid()]
'''


@pytest.fixture(scope="module")
def stage_settings():
    return {
        "MODELKEEP_SERVING_START_ATTEMPTS": "2",
        "MODELKEEP_SERVING_LOAD_SECONDS": "8",
        "MODELKEEP_SERVING_TIMEOUT_SECONDS": "2",
        "MODELKEEP_SERVING_MEMORY_BYTES_PER_UNIT": str(MEMORY // 4),
        "MODELKEEP_SERVING_TMP_BYTES": str(16 * 1024**2),
    }


def test_hostile_versions_change_nothing(stage, people):
    good = stage.serve(people.owner, "home", active=True)
    before = set(stage.models())
    pending = {name: stage.serve(people.owner, name, code) for name, (code, _) in VICTIMS.items()}
    reasons = {name: stage.await_failed(entity) for name, entity in pending.items()}
    for name, (_, said) in VICTIMS.items():
        assert said in reasons[name], (name, reasons[name])
    assert stage.ask("home", [21]) == {"predictions": [42]}
    eventually("nothing of them to be left", lambda: set(stage.models()) == before)
    rows = Replica.objects.exclude(entity=good)
    eventually("their rows", lambda: not rows.filter(ended_at=None).exists())
    assert set(rows.values_list("state", flat=True)) <= {ReplicaState.FAILED, ReplicaState.STOPPED}
    assert "ZeroDivisionError" in rows.filter(entity=pending["forks"]).first().log_tail
    eventually(
        "only the good one's socket", lambda: len([one for one in stage.sockets.iterdir() if one.is_dir()]) == 1
    )
    assert len(list((stage.root / "replicas").iterdir())) == 1
    # Each was tried again where that could have helped, and no more often than that.
    assert rows.filter(entity=pending["import-error"], state=ReplicaState.FAILED).count() == 2
    assert rows.filter(entity=pending["hangs"], state=ReplicaState.FAILED).count() == 1


def test_version_that_fails_keeps_the_old_one(stage, people):
    old = stage.serve(people.owner, "kept", active=True)
    new = stage.serve(people.owner, "kept", VICTIMS["wrong-example"][0], endpoint=old.config.endpoint)
    assert "not my columns" in stage.await_failed(new)
    assert stage.ask("kept", [1]) == {"predictions": [2]}
    assert stage.entity_route("kept").id == str(old.pk)


def test_confined_model_reaches_nothing_of_the_platform(stage, people, live_port):
    entity = stage.serve(people.owner, "spy", SPY, example=None, active=True)
    database = os.environ["DATABASE_URL"]
    folder = database.partition("host=")[2].replace("%2F", "/")
    environment = entity.environment.digest
    places = {
        "port": live_port,
        "environment": str(stage.root / "environments" / environment),
        "model": str(stage.root / "models" / str(entity.version_id)),
        "sockets": str(stage.sockets),
        "pids": [os.getpid(), *processes.children(stage.host.pid)],
        "connect": [str(stage.sockets / "host.sock"), f"{folder}/.s.PGSQL.5432"],
        # Without a file system of its own, a model that fills its folder is ended: another test.
        "fill": ["/tmp", "/dev/shm"] if find_wall() is Wall.BUBBLEWRAP else [],
        "files": [str(stage.root / "host.log"), str(stage.root / "routes.json"), str(Path(__file__))],
    }
    assert all(Path(path).exists() for path in (*places["connect"], *places["files"]))
    reached, sizes, uid = stage.ask("spy", [places])["predictions"]
    assert reached == []
    assert all(size <= 16 for size in sizes)
    assert uid != 0


def test_model_that_ends_in_its_first_prediction_is_started_again(stage, people):
    code = "import os\n\ndef predict(rows):\n    if rows == ['die']:\n        os._exit(9)\n    return rows\n"
    entity = stage.serve(people.owner, "mortal", code, active=True)
    with pytest.raises(Exception, match="connection"):
        stage.ask("mortal", ["die"])
    (failed,) = eventually("its row", lambda: stage.replicas(entity, ReplicaState.FAILED))
    assert "code 9" in failed.reason
    eventually("another one", lambda: stage.replicas(entity, ReplicaState.READY))


def test_stuck_prediction_has_its_replica_replaced(stage, people):
    code = "import time\n\ndef predict(rows):\n    time.sleep(rows[0])\n    return rows\n"
    entity = stage.serve(people.owner, "slow", code, example=b'{"inputs": [0]}', active=True)
    (first,) = stage.replicas(entity, ReplicaState.READY)
    began = time.monotonic()
    stage.ask_and_leave("slow", [60])
    eventually(
        "another one", lambda: [row for row in stage.replicas(entity, ReplicaState.READY) if row.pk != first.pk]
    )
    first.refresh_from_db()
    assert "did not end in time" in first.reason
    assert time.monotonic() - began < 30


@pytest.fixture
def live_port():
    """A listener of this machine that a model must not reach."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]
