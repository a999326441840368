"""A small package index of our own: wheels made on the spot, an mlflow among them that does as little as it can."""

import base64
import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

SCORING_SERVER = """
import json
from pathlib import Path

def _predict(model_uri, input_path, output_path, content_type):
    code = Path(model_uri, "predict.py").read_text()
    space = {}
    exec(code, space)
    given = json.loads(Path(input_path).read_text())
    Path(output_path).write_text(json.dumps({"predictions": space["predict"](given)}))
"""
MLFLOW = {
    "mlflow/__init__.py": "",
    "mlflow/version.py": "VERSION = '3.17.2'",
    "mlflow/pyfunc/__init__.py": "",
    "mlflow/pyfunc/scoring_server/__init__.py": SCORING_SERVER,
}


def make_wheel(
    folder: Path, name: str, version: str, files: Mapping[str, str] | None = None, requires: Sequence[str] = ()
) -> Path:
    """A wheel of pure Python; without `files` it holds one empty module of its name."""
    info = f"{name}-{version}.dist-info"
    metadata = [
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}",
        *(f"Requires-Dist: {r}" for r in requires),
    ]
    content = {
        **(files or {f"{name}.py": f"VERSION = {version!r}\n"}),
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{path},sha256={_digest(text)},{len(text.encode())}" for path, text in content.items()]
    content[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for inside, text in content.items():
            wheel.writestr(inside, text)
    return path


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def make_index(folder: Path) -> Path:
    """mlflow, alpha 1.0 and 2.0, and beta, which needs alpha below 2."""
    make_wheel(folder, "mlflow", "3.17.2", MLFLOW)
    make_wheel(folder, "alpha", "1.0")
    make_wheel(folder, "alpha", "2.0")
    make_wheel(folder, "beta", "1.0", requires=["alpha<2"])
    return folder
