"""What every test of serving may use: an environment in which models load, and folders of its own."""

import sys
from pathlib import Path

import pytest


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
