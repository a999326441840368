"""The files of registered versions, where clients of plain MLflow look for them: below the artifacts' root.

`model-versions/get-download-uri` names a folder here. Nothing of it lies on the tracking server: the files are those
of the Files API, read under the same rights and written to the same trail.
"""

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse, HttpResponseBase, JsonResponse

from registry.api.downloads import describe_file, send_file
from registry.api.tracking.calls import Call, check_artifact_path
from registry.errors import FileMissing, NotFound
from registry.services.files import Listed, list_directory, open_file, stat_file
from registry.services.version_files import no_artifact, version_at


@dataclass(frozen=True)
class VersionFile:
    """A file or folder of a version: its `path` as clients of this dialect spell it, and as the Files API does."""

    path: str
    files_path: str


def find_version_file(path: str) -> VersionFile | None:
    """What a path names in a version's files; None for a path of the tracking server's.

    Raises:
        InvalidParameter: a path that leaves its folder.
        NotFound: there is no such version.
    """
    version = version_at(check_artifact_path(path))
    if version is None:
        return None
    names = [*version.model.securable.full_name.split("."), str(version.version), *path.split("/")[2:]]
    return VersionFile(path, "/Models/" + "/".join(name for name in names if name))


def download(call: Call, file: VersionFile) -> HttpResponseBase:
    """Stream a file to who may load the version."""
    try:
        if call.request.method == "HEAD":
            return describe_file(call.request, stat_file(actor=call.actor, path=file.files_path))
        response = send_file(call.request, open_file(actor=call.actor, path=file.files_path))
    except NotFound as error:
        # The model's name is not for everybody who holds an address.
        raise NotFound(no_artifact(file.path)) from error
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


def list_folder(call: Call, folder: VersionFile) -> HttpResponse:
    """The names right below a folder. A file has none, which is how clients tell it from a folder."""
    files: list[dict[str, Any]] = []
    token = ""
    while True:
        try:
            page = list_directory(actor=call.actor, path=folder.files_path, page_token=token)
        except FileMissing:
            return JsonResponse({"files": []})
        except NotFound as error:
            raise NotFound(no_artifact(folder.path)) from error
        files += [_file_info(child) for child in page.contents]
        token = page.next_page_token
        if not token:
            return JsonResponse({"files": files})


def _file_info(child: Listed) -> dict[str, Any]:
    info: dict[str, Any] = {"path": child.name, "is_dir": child.is_directory}
    return info if child.is_directory else {**info, "file_size": child.size}
