"""Model code runs in no process of ours: none of them even imports what loads models."""

import json
import os
import subprocess
import sys

import pytest

from tests.operations.conftest import ROOT

LOADERS = ("mlflow", "pandas", "numpy", "sklearn", "cloudpickle", "torch")
_ASK = """
import json, sys
{what}
print(json.dumps(sorted(name for name in {names!r} if name in sys.modules)))
"""
PROCESSES = {
    "web": "import config.asgi",
    "worker": "import config.celery as c; c.app.loader.import_default_modules()",
    "supervisor": "import django; django.setup(); import serving.supervisor.loop, serving.supervisor.backends.local",
}


@pytest.mark.parametrize("process", PROCESSES)
def test_no_process_of_ours_imports_what_loads_models(process):
    code = _ASK.format(what=PROCESSES[process], names=LOADERS)
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1]) == []


def test_the_model_host_knows_nothing_of_the_platform():
    code = "import sys, json; import serving.host.server; print(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    loaded = json.loads(ran.stdout)
    refused = {"django", "registry", "config", "celery", "psycopg", *LOADERS}
    assert not [name for name in loaded if name.split(".")[0] in refused]
