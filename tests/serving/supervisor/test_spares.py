"""A process that waits, with its imports done, becomes the next replica: the same confinement, and much sooner."""

import os
import signal

import pytest

from config.stack import processes
from serving.models import ReplicaState
from serving.services.replica_logs import logs_text
from tests.serving.supervisor.conftest import GOOD, eventually

pytestmark = pytest.mark.stack
LOOK = """
import os

def predict(rows):
    seen = []
    for place in rows:
        try:
            seen += os.listdir(place)
        except OSError:
            continue
    return [sorted(seen), os.getuid(), __file__]
"""


@pytest.fixture(scope="module")
def stage_settings():
    return {"MODELKEEP_SERVING_SPARES": "2"}


def spares(stage) -> set[str]:
    return {folder.name for folder in (stage.root / "spares").iterdir()}


def test_spare_becomes_a_replica_and_another_one_waits(stage, people):
    first = stage.serve(people.owner, "first", active=True)
    (waiting,) = eventually("a spare", lambda: spares(stage))
    second = stage.serve(people.owner, "second", LOOK, example=None, active=True)
    folders = [str(stage.root / "spares"), str(stage.root / "spares" / waiting / "model")]
    seen, uid, code = stage.ask("second", folders)["predictions"]
    # It is that spare, and sees its own model alone, by Landlock not even where that lies.
    assert set(seen) - {waiting} == {"MLmodel", "model.py"}
    assert code == str(stage.root / "spares" / waiting / "model" / "model.py")
    assert uid != 0
    assert "Loaded" in logs_text(second)
    eventually("another spare", lambda: len(spares(stage)) == 2)
    (replica,) = stage.replicas(second, ReplicaState.READY)
    os.kill(list(processes.tree(replica.pid))[-1], signal.SIGKILL)
    eventually("its end", lambda: stage.replicas(second, ReplicaState.FAILED))
    eventually("another replica", lambda: stage.replicas(second, ReplicaState.READY))
    eventually("its traces to go", lambda: waiting not in spares(stage))
    assert stage.replicas(first, ReplicaState.READY)


def test_entity_with_variables_of_its_own_starts_afresh(stage, people):
    stage.serve(people.owner, "plain", active=True)
    (waiting,) = eventually("a spare", lambda: spares(stage))
    code = "import os\n\ndef predict(rows):\n    return [os.environ['COLOUR']]\n"
    stage.serve(people.owner, "coloured", code, example=None, active=True, environment_vars={"COLOUR": "red"})
    assert stage.ask("coloured", [1]) == {"predictions": ["red"]}
    assert spares(stage) == {waiting}


def test_spare_that_dies_is_replaced_and_none_is_left_when_nothing_is_served(stage, people):
    entity = stage.serve(people.owner, "lonely", GOOD, active=True)
    (before,) = eventually("a spare", lambda: spares(stage))
    (replica,) = stage.replicas(entity, ReplicaState.READY)
    others = [pid for pid in stage.models() if pid not in set(processes.tree(replica.pid))]
    os.kill(others[-1], signal.SIGKILL)
    eventually("another spare", lambda: spares(stage) and before not in spares(stage))
    type(entity).objects.update(is_wanted=False)
    eventually("none", lambda: not spares(stage) and not stage.models())
