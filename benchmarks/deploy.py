"""From a registered version to its first prediction: virtualenv and pip, as MLflow makes environments, beside ours.

    .venv/bin/python -m benchmarks.deploy [--rounds 1] [--folder DIR] [--ours]

A random forest on iris with the requirements that MLflow itself infers. Each way ends with the same first prediction,
by the function that `mlflow.models.predict` runs. Ours: nothing cached; packages cached; the environment packed in
the store by another machine; the environment there already. Ours runs in its sandbox and with hashes required, the
rival with neither. .pyc files are compiled in both, by pip and by uv. The rival's virtualenv is `python -m venv`, its
cache of packages is empty in the first round and filled in every later one. --ours: without the rival.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.servers import ROOT, migrate, start_postgres
from config.stack import postgres

TRAIN = """
import sys, mlflow
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
x, y = load_iris(return_X_y=True, as_frame=True)
model = RandomForestClassifier(100, max_depth=7, random_state=0).fit(x, y)
mlflow.sklearn.save_model(model, sys.argv[1], input_example=x[:3], serialization_format="cloudpickle",
    signature=mlflow.models.infer_signature(x, model.predict(x)))
"""
NAME = "workspace.default.iris"


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--folder", type=Path, default=None)
    options.add_argument("--ours", action="store_true")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="deploy-", dir=given.folder) as name:
        folder = Path(name)
        folder.chmod(0o755)
        saved = folder / "iris"
        subprocess.run([sys.executable, "-W", "ignore", "-c", TRAIN, str(saved)], check=True, cwd=folder)
        print((saved / "requirements.txt").read_text())
        sockets, _ = start_postgres(folder)
        database = postgres.url(sockets, "postgres")
        migrate(folder, database)
        os.environ.update(DATABASE_URL=database, DJANGO_SETTINGS_MODULE="config.settings", MODELKEEP_DATA_DIR=name)
        import django

        django.setup()
        times: dict[str, list[float]] = {}
        for number in range(given.rounds):
            found = [] if given.ours else _beside(folder / "rival", saved, number)
            for title, seconds in [*found, *_ours(saved, number)]:
                times.setdefault(title, []).append(seconds)
                print(f"{title:60} {seconds:6.1f} s", flush=True)
        print()
        slowest = statistics.median(next(iter(times.values())))
        for title, found in times.items():
            middle = statistics.median(found)
            print(f"{title:60} {middle:6.1f} s [{min(found):.1f}..{max(found):.1f}]  {slowest / middle:5.1f}x")


def _beside(rival: Path, saved: Path, number: int) -> list[tuple[str, float]]:
    found = [(f"venv + pip, {'filled' if number else 'empty'} cache", _timed(lambda: _rival(rival, saved)))]
    shutil.rmtree(rival)
    return found


def _rival(rival: Path, saved: Path) -> None:
    pip = {**os.environ, "PIP_CACHE_DIR": str(rival.parent / "pip-cache"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run([sys.executable, "-m", "venv", str(rival)], check=True)
    python = str(rival / "bin" / "python")
    install = [python, "-m", "pip", "install", "-q", "-r", str(saved / "requirements.txt")]
    subprocess.run(install, check=True, env=pip)
    answer = rival / "answer"
    answer.mkdir()
    order = {"model": str(saved), "input": str(saved / "serving_input_example.json"), "content_type": "json"}
    command = [python, "-I", str(ROOT / "serving" / "trial"), json.dumps({**order, "folder": str(answer)})]
    subprocess.run(command, check=True, cwd=answer)
    report = json.loads((answer / "report.json").read_text())
    assert not report["error"], report


def _ours(saved: Path, number: int) -> list[tuple[str, float]]:
    from django.conf import settings

    from serving.models import ServingEnvironment
    from serving.services.environment_folders import remove_folder
    from serving.services.environment_packing import pack_environment

    files = {str(path.relative_to(saved)): path.read_bytes() for path in saved.rglob("*") if path.is_file()}
    version = _register(files)

    def forget(*, cache: bool = False) -> None:
        for row in ServingEnvironment.objects.all():
            remove_folder(row.digest)
            row.delete()
        if cache:
            shutil.rmtree(settings.SERVING_UV_CACHE, ignore_errors=True)

    found = []
    forget(cache=number == 0)
    title = "ours, nothing cached" if number == 0 else "ours, nothing built, packages cached, again"
    found.append((title, _timed(lambda: _deploy(version))))
    forget()
    found.append(("ours, packages cached", _timed(lambda: _deploy(version))))
    row = pack_environment(ServingEnvironment.objects.get())
    print(f"{row.size_bytes:,} bytes on disk, {row.packed_bytes:,} packed")
    remove_folder(row.digest)
    found.append(("ours, packed in the store by another machine", _timed(lambda: _deploy(version))))
    again = _register(files)
    found.append(("ours, next version with the same requirements", _timed(lambda: _deploy(again))))
    return found


def _register(files: dict[str, bytes]) -> Any:
    from registry.models import Principal, PrincipalKind
    from registry.services.actors import load_actor
    from tests.serving.factories import make_files_version

    user, _ = Principal.objects.get_or_create(
        key="bench@example.com", defaults={"name": "bench@example.com", "kind": PrincipalKind.USER}
    )
    return make_files_version(load_actor(user), NAME, files)


def _deploy(version: Any) -> None:
    from serving.services.environment_trials import try_prediction
    from serving.services.environments import ensure_environment, environment_path
    from serving.services.input_examples import example_request
    from serving.services.model_files import materialise_version

    environment = ensure_environment(version=version)
    given = example_request(version)
    assert given is not None
    trial = try_prediction(environment_path(environment), materialise_version(version), given)
    assert not trial.error, trial


def _timed(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


if __name__ == "__main__":
    main()
