"""The process beside a model: `<python> -I <this folder> --model <folder> --socket <path> --concurrency <n> …`.

With `--spare` it becomes such a process later: see there.
"""

import importlib
import importlib.util
import sys
from pathlib import Path

_NAME = "_modelkeep_runtime"


def _as_package() -> None:
    """Import this folder as a package of a name that no model uses, and take it off the path.

    A model may bring modules named `server` or `frames`: they must be the model's.
    """
    folder = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != folder]
    spec = importlib.util.spec_from_file_location(
        _NAME, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise SystemExit(f"{folder} is no Python package.")
    package = importlib.util.module_from_spec(spec)
    sys.modules[_NAME] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    _as_package()
    if sys.argv[1:2] == ["--spare"]:
        sys.exit(importlib.import_module(f"{_NAME}.spare").run())
    sys.exit(importlib.import_module(f"{_NAME}.process").run(sys.argv[1:]))
