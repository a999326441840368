"""What tests of serving share: an environment, folders, a parent that forks replicas, a model that obeys."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.serving.replicas import Forge, Running, opened_forge, save_obedient


@pytest.fixture(scope="session")
def forge() -> Iterator[Forge]:
    with opened_forge() as forge:
        yield forge


@pytest.fixture
def start_replica(forge: Forge) -> Iterator[Callable[..., Running]]:
    """Forks a replica of a model; it is ended with the test."""
    started: list[Running] = []

    def start(model: Path, *options: str) -> Running:
        started.append(forge.start(model, *options))
        return started[-1]

    yield start
    for running in started:
        running.end()


@pytest.fixture(scope="session")
def obedient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_obedient(tmp_path_factory.mktemp("obedient"))


@pytest.fixture(scope="session")
def serving_environment() -> Path:
    """A READY environment in which mlflow and scikit-learn load: this one. `bin/python` is its interpreter."""
    return Path(sys.prefix)


@pytest.fixture
def serving_root(settings, tmp_path) -> Path:
    """Empty folders for serving and for artifacts, on one file system."""
    settings.ARTIFACT_ROOT = str(tmp_path / "artifacts")
    settings.SERVING_ROOT = str(tmp_path / "serving")
    return tmp_path / "serving"
