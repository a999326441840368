"""A small environment for replicas: a real one, with a stand-in for MLflow that starts in a tenth of a second.

The stand-in loads `model.py` of the model's folder and calls its `predict(rows)`. Everything around it, from the
sandbox to the frames, is what serves any model.
"""

import sys
from pathlib import Path

DIGEST = "5" * 64
_PYFUNC = """
import importlib.util, json, os


class _Metadata:
    def get_input_schema(self):
        return None

    def load_input_example(self, folder):
        return None


class _Model:
    metadata = _Metadata()

    def __init__(self, folder):
        spec = importlib.util.spec_from_file_location("model", os.path.join(folder, "model.py"))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.predict = module.predict


def load_model(folder):
    return _Model(folder)
"""
_SERVER = """
import json
from types import SimpleNamespace

NumpyEncoder = json.JSONEncoder


def _predict(model_uri, input_path, output_path, content_type):
    from pathlib import Path

    import mlflow.pyfunc

    given = json.loads(Path(input_path).read_text())
    answer = {"predictions": mlflow.pyfunc.load_model(model_uri).predict(given["inputs"])}
    Path(output_path).write_text(json.dumps(answer))


def invocations(body, content_type, model, schema):
    answer = {"predictions": model.predict(json.loads(body)["inputs"])}
    return SimpleNamespace(status=200, mimetype="application/json", response=json.dumps(answer))
"""
_EXCEPTIONS = """
class MlflowException(Exception):
    pass
"""


STAND_IN = {
    "mlflow/__init__.py": "",
    "mlflow/version.py": "VERSION = '3.17.2'",
    "mlflow/pyfunc/__init__.py": _PYFUNC,
    "mlflow/pyfunc/scoring_server/__init__.py": _SERVER,
    "mlflow/exceptions.py": _EXCEPTIONS,
}
"""Its files, as a wheel would have them."""


def make_environment(root: Path) -> Path:
    """Make it below a folder of serving; answers its folder."""
    folder = root / "environments" / DIGEST
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / version / "site-packages"
    for path, text in STAND_IN.items():
        (packages / path).parent.mkdir(parents=True, exist_ok=True)
        (packages / path).write_text(text)
    (folder / "bin").mkdir()
    base = Path(sys.base_prefix) / "bin" / version
    (folder / "bin" / "python").symlink_to(base)
    (folder / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
    (folder / ".ready").write_text("")
    return folder
