"""Static files that come from installed packages: exactly those that a page uses, never a package's folder."""

from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage, Storage

_FILES = {"plotly/plotly.min.js": ("plotly", "package_data/plotly.min.js")}
"""Address below STATIC_URL, and the package and path that it is served from."""


class PackageFileFinder(BaseFinder):
    """Finds single files of packages without importing them: importing Plotly costs a second."""

    def check(self, **_kwargs: Any) -> list[Any]:
        """Nothing can be configured, so nothing can be wrong."""
        return []

    def find(self, path: str, find_all: bool = False, **_kwargs: Any) -> Any:  # noqa: FBT001, FBT002
        """The file at an address: its path, or with `find_all` a list of none or one."""
        file = _located(path)
        if find_all:
            return [str(file)] if file else []
        return str(file) if file else []

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[tuple[str, Storage]]:  # noqa: ARG002
        """Every file with a storage that opens it by its address."""
        for path in _FILES:
            file = _located(path)
            if file is not None:
                yield path, _OneFile(path, file)


class _OneFile(FileSystemStorage):
    """A storage of one file, which has another name inside than on the disk."""

    def __init__(self, name: str, file: Path) -> None:
        super().__init__(location=file.parent)
        self._name, self._file = name, file

    def path(self, name: str) -> str:
        """Where it lies."""
        return str(self._file) if name == self._name else super().path(name)


def _located(path: str) -> Path | None:
    if path not in _FILES:
        return None
    package, inside = _FILES[path]
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).parent / inside
    return file if file.is_file() else None
