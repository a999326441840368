"""The examples run as they stand, in the environment that the README tells people to make."""

import pytest

from tests.clients.conftest import Server
from tests.stack.conftest import ROOT

pytestmark = [pytest.mark.client, pytest.mark.xdist_group("clients")]


@pytest.mark.parametrize(
    ("example", "arguments", "last_line"),
    [("first_model.py", [], "[0 0 0]"), ("lifecycle.py", ["--clean"], "Version 1 of run ")],
)
def test_example(server: Server, skinny: str, example, arguments, last_line):
    done = server.run(skinny, str(ROOT / "examples" / example), *arguments)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.splitlines()[-1].startswith(last_line), done.stdout[-2000:]
