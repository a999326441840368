"""The files of a version as facts: names, sizes and digests, without handing out a byte; and where they are found."""

from dataclasses import dataclass
from uuid import UUID

from registry.errors import FileMissing
from registry.models import ManifestEntry, ModelVersion
from registry.privileges import Action
from registry.services.actors import Actor
from registry.services.artifacts import Child, list_children
from registry.services.audit import audited_read
from registry.services.model_lookup import find_version_for
from registry.services.paging import Page, fetch_page, page_size


@audited_read
def list_version_files(
    *, actor: Actor, name: object, version: object, max_results: int | None = None, page_token: str = ""
) -> Page[ManifestEntry]:
    """The manifest of a version by path, for who may read its model: BROWSE is not enough. Four queries.

    Raises:
        NotFound, AccessDenied.
        InvalidParameter: a token of another list.
    """
    found = find_version_for(actor=actor, name=name, version=version, action=Action.READ_VERSION)
    rows = ManifestEntry.objects.filter(version=found).select_related("blob")
    size = page_size(max_results)
    return fetch_page(rows, order=["path"], size=size, token=page_token, scope=f"manifest:{found.pk}")


@dataclass(frozen=True)
class FolderRow:
    """A file or folder right below a folder of a version. Folders have no digest."""

    child: Child
    path: str
    sha256: str = ""


@audited_read
def browse_files(
    *, actor: Actor, name: object, version: object, folder: str = "", after: str = "", max_results: int | None = None
) -> tuple[list[FolderRow], str]:
    """One page of a folder of a version, for who may read its model: names after `after`, and the last one when more
    follow. Five queries.

    Raises:
        NotFound, AccessDenied.
        FileMissing: no such folder.
    """
    found = find_version_for(actor=actor, name=name, version=version, action=Action.READ_VERSION)
    size = page_size(max_results)
    children = list_children(found.pk, folder, after=after, limit=size + 1)
    if folder and not children and not after:
        raise FileMissing(f"There is no folder '{folder}' in version {found.version}.")
    shown = children[:size]
    prefix = f"{folder}/" if folder else ""
    files = [f"{prefix}{child.name}" for child in shown if not child.is_directory]
    digests = dict(ManifestEntry.objects.filter(version=found, path__in=files).values_list("path", "blob_id"))
    rows = [FolderRow(child, path := f"{prefix}{child.name}", digests.get(path, "")) for child in shown]
    return rows, shown[-1].name if len(children) > size else ""


ARTIFACTS = "model-versions"
"""The folder beside those of experiments under which clients of plain MLflow find the files of versions."""


def artifact_path(version: ModelVersion) -> str:
    """The folder of a version below the artifacts' root: by its id, since names change and hold any character."""
    return f"{ARTIFACTS}/{version.pk}"


def is_of_version(path: str) -> bool:
    """Whether a path below the artifacts' root speaks of the files of versions, not of an experiment's."""
    return path.partition("/")[0] == ARTIFACTS


def version_at(path: str) -> ModelVersion | None:
    """The version whose folder, or a file in it, a path below the artifacts' root names; None for other paths.

    Whoever asks: the callee that opens the file, or copies the version, checks the right. At most one query.

    Raises:
        FileMissing: there is no such version.
    """
    if not is_of_version(path):
        return None
    try:
        id_ = UUID(path.split("/")[1])
    except (ValueError, IndexError) as error:
        raise FileMissing(no_artifact(path)) from error
    found = ModelVersion.objects.select_related("model__securable__parent__parent").filter(pk=id_).first()
    if found is None:
        raise FileMissing(no_artifact(path))
    return found


def no_artifact(path: str) -> str:
    """What a caller reads of a file that is missing, or that it may not know of."""
    return f"No such artifact: '{path}'"
