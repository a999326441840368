"""Files that clients wrote to the object store itself become files of their version when it is finalized."""

from django.conf import settings

from registry.errors import InvalidState
from registry.models import ModelVersion, VersionStatus
from registry.privileges import Action
from registry.services.actors import Actor
from registry.services.artifacts import place_file
from registry.services.audit import audited, audited_read, record
from registry.services.model_lookup import find_version_for
from registry.storage.incoming import Received
from registry.storage.s3.direct import direct_uploads


def take_in_uploads(*, actor: Actor, name: object, version: object) -> None:
    """Take in what was written for a pending version; called again, what is left. One transaction a file.

    Costs reading the bytes once, for a digest of our own, and no query where there is no object store.

    Raises:
        NotFound, AccessDenied.
        TooLarge, LimitExceeded, Conflict: a file is none that the version may have.
        Unavailable: the object store is away.
    """
    uploads = direct_uploads()
    found = None if uploads is None else _find_pending(actor=actor, name=name, version=version)
    if uploads is None or found is None:
        return
    owner = str(found.pk)
    for path in uploads.paths(owner):
        received = uploads.take(owner, path, limit=settings.MAX_FILE_BYTES)
        if received is None:
            continue
        try:
            _place(actor=actor, version=found, path=path, received=received)
        except InvalidState:
            # Finalized by another call meanwhile: nothing is taken in any more.
            return
        finally:
            received.discard()
        uploads.drop(owner, path)


@audited_read
def _find_pending(*, actor: Actor, name: object, version: object) -> ModelVersion | None:
    found = find_version_for(actor=actor, name=name, version=version, action=Action.CREATE_VERSION)
    return found if found.status == VersionStatus.PENDING_REGISTRATION else None


@audited
def _place(*, actor: Actor, version: ModelVersion, path: str, received: Received) -> None:
    place_file(version_id=version.pk, path=path, received=received)
    record(
        actor=actor,
        action="writeModelVersionFile",
        securable=version.model.securable,
        params={"version": version.version, "path": path, "bytes": received.size, "sha256": received.sha256},
    )
