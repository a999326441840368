"""Environments from wheels of our own, with a cache that one run of the tests shares: no test asks the network."""

from collections.abc import Callable
from pathlib import Path

import pytest

from registry.models import ModelVersion
from tests.serving.environments.wheels import make_index
from tests.serving.factories import make_files_version

NAME = "workspace.default.environments"


@pytest.fixture(scope="session")
def wheels(tmp_path_factory) -> Path:
    return make_index(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="session")
def uv_cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("uv-cache")


@pytest.fixture
def offline(settings, serving_root, wheels, uv_cache) -> Path:
    """Environments are made from those wheels alone. Returns the folder of serving."""
    settings.SERVING_WHEELS, settings.SERVING_NO_INDEX = str(wheels), True
    settings.SERVING_UV_CACHE = str(uv_cache)
    return serving_root


@pytest.fixture
def make_version(people, offline) -> Callable[..., ModelVersion]:
    """The next version of one model, with these requirement lines and files."""

    def make(*lines: str, **files: bytes) -> ModelVersion:
        named = {path.replace("_dot_", "."): body for path, body in files.items()}
        requirements = "".join(f"{line}\n" for line in lines).encode()
        return make_files_version(people.owner, NAME, {"requirements.txt": requirements, **named})

    return make
