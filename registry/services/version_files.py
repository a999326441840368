"""The files of a version as facts: names, sizes and digests, without handing out a byte; and where they are found."""

from uuid import UUID

from registry.errors import FileMissing
from registry.models import ManifestEntry, ModelVersion
from registry.privileges import Action
from registry.services.actors import Actor
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
