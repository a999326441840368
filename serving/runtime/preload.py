"""What nearly every model of an environment needs: imported ahead, a replica starts in the time its model takes."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util

_PRELOADED = ("mlflow.pyfunc", "mlflow.pyfunc.scoring_server", "mlflow.pyfunc.model", "pandas", "numpy")
_WHERE_PRESENT = {"sklearn": ("mlflow.sklearn", "sklearn.ensemble", "sklearn.pipeline"), "lightgbm": ("lightgbm",)}


def preload() -> None:
    """Import what nearly every model of this environment needs."""
    names = [*_PRELOADED]
    for package, modules in _WHERE_PRESENT.items():
        if importlib.util.find_spec(package) is not None:
            names += modules
    for name in names:
        # What one environment lacks, its models do not need.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
