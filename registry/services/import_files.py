"""Where the files of another server's versions lie, and how that server hands them out.

Every way asks the server itself: a location such as s3:// or a path on its disk is never followed from here.
"""

import posixpath
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings

from registry.errors import LimitExceeded, TooLarge
from registry.names import find_model_id
from registry.services.artifacts import check_path
from registry.services.import_sources import API, Source, SourceVersion
from registry.services.remote_hosts import RemoteHost, SourceError
from registry.storage.incoming import ByteSource

_PROXY = "/api/2.0/mlflow-artifacts/artifacts"
_SCHEME = re.compile(r"mlflow-artifacts:")


@dataclass(frozen=True)
class RemoteFile:
    """A file of a version over there; `size` as the server announces it, or None."""

    path: str
    size: int | None


class RemoteTree(ABC):
    """The files of one version over there. `key` is the same for versions that share their files."""

    def __init__(self, host: RemoteHost, key: str) -> None:
        self.host, self.key = host, key

    @abstractmethod
    def _page(self, folder: str, token: str) -> dict[str, Any]:
        """One page of what lies right below a folder."""

    @abstractmethod
    def open(self, path: str) -> AbstractContextManager[ByteSource]:
        """The bytes of one file."""

    def files(self) -> list[RemoteFile]:
        """Every file, with paths and sizes checked against what a version may hold.

        Raises:
            SourceError: no files, or a listing that cannot be.
            InvalidParameter, TooLarge, LimitExceeded: a path, a file or their number that is refused here.
            Unauthenticated, Unavailable.
        """
        found: dict[str, RemoteFile] = {}
        folders, listed = [""], 0
        while folders:
            folder = folders.pop()
            for raw in self._children(folder):
                listed += 1
                if listed > settings.MAX_FILES_PER_VERSION * 2 or len(found) > settings.MAX_FILES_PER_VERSION:
                    raise LimitExceeded(f"A version may hold {settings.MAX_FILES_PER_VERSION} files, this has more.")
                path = _child_path(folder, raw)
                if raw.get("is_dir"):
                    folders.append(path)
                else:
                    found[path] = RemoteFile(path, _size(raw))
        if not found:
            raise SourceError("The source lists no files of this version.")
        return [found[path] for path in sorted(found)]

    def _children(self, folder: str) -> Iterator[dict[str, Any]]:
        token, pages = "", 0
        while True:
            answer = self._page(folder, token)
            files = answer.get("files")
            yield from (one for one in files if isinstance(one, dict)) if isinstance(files, list) else ()
            token, pages = str(answer.get("next_page_token") or ""), pages + 1
            if not token:
                return
            if pages > settings.MAX_FILES_PER_VERSION:
                raise SourceError("The source lists files without end.")


def _child_path(folder: str, raw: dict[str, Any]) -> str:
    """The path of a listed child: servers say the last name, or the whole path from somewhere."""
    name = posixpath.basename(str(raw.get("path", "")).rstrip("/"))
    path = posixpath.join(folder, name) if folder else name
    check_path(path)
    return path


def _size(raw: dict[str, Any]) -> int | None:
    try:
        size = int(raw.get("file_size") or 0)
    except (TypeError, ValueError):
        return None
    if size > settings.MAX_FILE_BYTES:
        raise TooLarge(f"A file has {size} bytes; at most {settings.MAX_FILE_BYTES} are accepted.")
    return size if "file_size" in raw else None


class ProxiedTree(RemoteTree):
    """Below `mlflow-artifacts:/`: the server's own store."""

    def __init__(self, host: RemoteHost, root: str) -> None:
        super().__init__(host, f"proxy:{root}")
        self._root = root.strip("/")

    def _page(self, folder: str, token: str) -> dict[str, Any]:  # noqa: ARG002  (this listing has one page)
        return self.host.get_json(_PROXY, {"path": posixpath.join(self._root, folder).rstrip("/")})

    def open(self, path: str) -> AbstractContextManager[ByteSource]:
        """The bytes of one file."""
        return self.host.open(f"{_PROXY}/{quote(f'{self._root}/{path}')}", {})


class RunTree(RemoteTree):
    """A folder of a run, wherever the server keeps it."""

    def __init__(self, host: RemoteHost, run_id: str, root: str) -> None:
        super().__init__(host, f"run:{run_id}:{root}")
        self._run_id, self._root = run_id, root.strip("/")

    def _page(self, folder: str, token: str) -> dict[str, Any]:
        query = {"run_id": self._run_id, "path": posixpath.join(self._root, folder).rstrip("/"), "page_token": token}
        return self.host.get_json(f"{API}/artifacts/list", {key: value for key, value in query.items() if value})

    def open(self, path: str) -> AbstractContextManager[ByteSource]:
        """The bytes of one file."""
        return self.host.open("/get-artifact", {"run_id": self._run_id, "path": posixpath.join(self._root, path)})


class LoggedModelTree(RemoteTree):
    """A logged model, wherever the server keeps it."""

    def __init__(self, host: RemoteHost, model_id: str) -> None:
        super().__init__(host, f"model:{model_id}")
        self._model_id = model_id

    def _page(self, folder: str, token: str) -> dict[str, Any]:
        query = {"artifact_directory_path": folder, "page_token": token}
        given = {key: value for key, value in query.items() if value}
        return self.host.get_json(f"{API}/logged-models/{self._model_id}/artifacts/directories", given)

    def open(self, path: str) -> AbstractContextManager[ByteSource]:
        """The bytes of one file."""
        address = f"/ajax-api/2.0/mlflow/logged-models/{self._model_id}/artifacts/files"
        return self.host.open(address, {"artifact_file_path": path})


class WorkspaceTree(RemoteTree):
    """A version of a workspace registry, which signs a link to its cloud store for each file."""

    def __init__(self, host: RemoteHost, version: SourceVersion) -> None:
        super().__init__(host, f"workspace:{version.model}:{version.number}")
        self._query = {"name": version.model, "version": str(version.number)}

    def _page(self, folder: str, token: str) -> dict[str, Any]:
        given = {**self._query, "path": folder, **({"page_token": token} if token else {})}
        return self.host.get_json(f"{API}/model-versions/list-artifacts", given)

    @contextmanager
    def open(self, path: str) -> Iterator[ByteSource]:
        """The bytes of one file."""
        answer = self.host.get_json(f"{API}/model-versions/get-signed-download-uri", {**self._query, "path": path})
        raw = answer.get("headers")
        pairs = [one for one in raw if isinstance(one, dict)] if isinstance(raw, list) else []
        headers = {str(one.get("name")): str(one.get("value")) for one in pairs}
        with self.host.open_signed(str(answer.get("signed_uri") or ""), headers) as body:
            yield body


def find_tree(source: Source, version: SourceVersion) -> RemoteTree:
    """The way to the files of a version. No request for a proxied source, one or two for others.

    Raises:
        SourceError: they lie where the server does not hand them out.
        Unauthenticated, Unavailable.
    """
    # A proxied source is where the files lie; any other may be a name for some other place, which the server knows.
    location = version.source if _SCHEME.match(version.source) else source.download_location(version)
    scheme = location.partition(":")[0]
    if scheme == "dbfs":
        return WorkspaceTree(source.host, version)
    if _SCHEME.match(location):
        parts = urlsplit(location)
        if parts.netloc and parts.netloc != urlsplit(source.host.url).netloc:
            raise SourceError("Its files lie on another server than the one imported from.")
        return ProxiedTree(source.host, parts.path)
    model_id = find_model_id(location)
    if model_id is not None:
        return LoggedModelTree(source.host, model_id)
    root = source.run(version.run_id).artifact_uri.rstrip("/") if version.run_id else ""
    if root and location.startswith(f"{root}/"):
        return RunTree(source.host, version.run_id, location.removeprefix(root))
    raise SourceError(
        f"Its files lie in a '{scheme}' location that the source does not hand out. "
        "Run the source's server with --serve-artifacts."
    )
