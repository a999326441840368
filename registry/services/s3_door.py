"""The files of one version by object key, for who holds temporary credentials to it.

Every call checks the right anew, by the version's immutable id: a rename in between changes nothing. The files go
the way of the Files API: the same immutability, the same rights, the same rows on the audit trail.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from registry.errors import AccessDenied, InvalidParameter, NotFound
from registry.models import ManifestEntry, ModelVersion, MultipartUpload, VersionStatus
from registry.services import multipart_uploads
from registry.services.actors import Actor
from registry.services.artifacts import check_path, lock_pending
from registry.services.audit import audited, audited_read, record
from registry.services.file_locations import FileFacts, VersionPlace, recheck_version
from registry.services.files import OpenFile, facts_of, note_read, open_place, store_at
from registry.services.manifest_keys import Key, list_keys
from registry.services.temporary_credentials import Lease, Operation
from registry.services.version_locations import key_prefix
from registry.storage.incoming import ByteSource
from registry.storage.parts import MAX_PARTS, Part
from registry.storage.signing import Claim, Target

PAGE_SIZE = 1000
"""Keys on one page of a listing, and in one deletion."""


class UploadMissing(NotFound):
    """No multipart upload of that id to that key by this holder."""


@dataclass(frozen=True)
class KeyPage:
    """One page of a listing; keys are whole. `last` is where the next page begins, empty on the last one."""

    keys: list[Key]
    last: str = ""


# --- Reading ----------------------------------------------------------------------------------------------------


@audited_read
def stat_object(*, actor: Actor, lease: Lease, key: str) -> FileFacts:
    """What is known of a file.

    Raises:
        NotFound: no such file, or the version is hidden from the holder by now.
        AccessDenied: a key of another version, or the right was lost.
        InvalidState: the version is not READY, and not one that the holder is uploading.
    """
    return facts_of(_place(_visible_version(actor, lease), key))


def open_object(*, actor: Actor, lease: Lease, key: str) -> OpenFile:
    """Open a file of a READY version. Taking its bytes is put on the audit trail.

    Raises:
        As `stat_object`.
    """
    place = _readable_place(actor=actor, lease=lease, key=key)
    opened = open_place(place)
    try:
        note_read(actor=actor, place=place)
    except BaseException:
        opened.close()
        raise
    return opened


@audited_read
def _readable_place(*, actor: Actor, lease: Lease, key: str) -> VersionPlace:
    return _place(recheck_version(actor=actor, version_id=lease.version, for_write=False), key)


@audited_read
def list_objects(
    *, actor: Actor, lease: Lease, prefix: str, folded: bool = False, after: str = "", limit: int = PAGE_SIZE
) -> KeyPage:
    """One page of the keys that begin with `prefix`, which must lie within the version. Behind the key `after`.

    Raises:
        AccessDenied: a prefix that reaches beyond the version.
        Others as `stat_object`.
    """
    version = _visible_version(actor, lease)
    root = key_prefix(version)
    if f"{prefix}/" == root and not folded:
        prefix = root
    if not prefix.startswith(root):
        raise _elsewhere(version)
    size = min(limit, PAGE_SIZE)
    if size < 1 or (after >= root and not after.startswith(root)):
        return KeyPage([])
    rest, start = prefix[len(root) :], after[len(root) :] if after.startswith(root) else ""
    found = [
        replace(one, name=root + one.name)
        for one in list_keys(version.pk, prefix=rest, folded=folded, after=start, limit=size + 1)
    ]
    return KeyPage(found[:size], found[size - 1].name if len(found) > size else "")


def _visible_version(actor: Actor, lease: Lease) -> ModelVersion:
    """The version, for who may load it, or is uploading it with these credentials."""
    uploading = (
        lease.operation == Operation.READ_WRITE
        and ModelVersion.objects.filter(pk=lease.version, status=VersionStatus.PENDING_REGISTRATION).exists()
    )
    return recheck_version(actor=actor, version_id=lease.version, for_write=uploading)


def _place(version: ModelVersion, key: str) -> VersionPlace:
    root = key_prefix(version)
    if not key.startswith(root):
        raise _elsewhere(version)
    path = key[len(root) :]
    if not path:
        raise InvalidParameter("The key names the version: name a file in it.", field="key")
    check_path(path)
    return VersionPlace(version, path)


def _elsewhere(version: ModelVersion) -> AccessDenied:
    return AccessDenied(
        f"These credentials are for version {version.version} of model '{version.model.securable.full_name}' alone, "
        f"whose keys begin with {key_prefix(version)}",
        securable=version.model.securable.full_name,
    )


# --- Writing ----------------------------------------------------------------------------------------------------


def write_object(*, actor: Actor, lease: Lease, key: str, source: ByteSource, expected: int) -> FileFacts:
    """Stream a file of `expected` bytes to its place in a pending version; an error of `source` leaves nothing.

    Raises:
        AccessDenied: credentials to read only, a key of another version, or the right was lost.
        InvalidState: the version is READY or has failed.
        Others as `files.write_file`.
    """
    place = _writable_place(actor=actor, lease=lease, key=key)
    store_at(actor=actor, place=place, source=source, expected=expected)
    return facts_of(place)


@audited_read
def _writable_place(*, actor: Actor, lease: Lease, key: str) -> VersionPlace:
    return _place(_writable_version(actor, lease), key)


def _writable_version(actor: Actor, lease: Lease) -> ModelVersion:
    if lease.operation != Operation.READ_WRITE:
        raise AccessDenied("These credentials are for reading only: ask for READ_WRITE ones.")
    return recheck_version(actor=actor, version_id=lease.version, for_write=True)


@audited
def delete_objects(*, actor: Actor, lease: Lease, keys: Sequence[str]) -> None:
    """Take files out of a pending version, all or none; one that is not there is fine.

    Raises:
        As `write_object`.
    """
    version = _writable_version(actor, lease)
    paths = [_place(version, key).path for key in keys]
    lock_pending(version.pk)
    ManifestEntry.objects.filter(version=version, path__in=paths).delete()
    record(
        actor=actor,
        action="deleteModelVersionFile",
        securable=version.model.securable,
        params={"version": version.version, "paths": paths},
    )


# --- In parts ---------------------------------------------------------------------------------------------------


def begin_object(*, actor: Actor, lease: Lease, key: str) -> str:
    """Begin a file that arrives in parts; answers the upload's id.

    Raises:
        As `write_object`.
    """
    place = _writable_place(actor=actor, lease=lease, key=key)
    return str(multipart_uploads.begin_upload(actor=actor, path=_named(place)).pk)


def write_part(
    *, actor: Actor, lease: Lease, key: str, upload_id: str, number: int, source: ByteSource, expected: int
) -> str:
    """Stream one part in; answers its etag.

    Raises:
        UploadMissing: not begun with such credentials, aborted, or completed.
        InvalidParameter: a number out of range.
        Others as `write_object`.
    """
    if not 1 <= number <= MAX_PARTS:
        raise InvalidParameter(f"'partNumber' is {number}: parts go from 1 to {MAX_PARTS}.", field="partNumber")
    _find_upload(actor=actor, lease=lease, key=key, upload_id=upload_id)
    claim = Claim("PUT", Target.PART, upload_id, str(number), actor.principal.pk, lease.expires, lease.token)
    part = multipart_uploads.receive_part(claim=claim, context=actor.context, source=source, expected=expected)
    return part.etag


def complete_object(*, actor: Actor, lease: Lease, key: str, upload_id: str, parts: Sequence[Part]) -> FileFacts:
    """Join the parts into the file. Completing again changes nothing.

    Raises:
        UploadMissing, InvalidParameter (a part that is missing or was not received).
        Others as `write_object`.
    """
    place = _find_upload(actor=actor, lease=lease, key=key, upload_id=upload_id)
    multipart_uploads.complete_upload(actor=actor, path=_named(place), session_token=upload_id, parts=parts)
    return facts_of(place)


def abort_object(*, actor: Actor, lease: Lease, key: str, upload_id: str) -> None:
    """Forget an upload and its parts.

    Raises:
        UploadMissing.
        Others as `write_object`.
    """
    _find_upload(actor=actor, lease=lease, key=key, upload_id=upload_id)
    claim = Claim("DELETE", Target.UPLOAD, upload_id, "", actor.principal.pk, lease.expires, lease.token)
    multipart_uploads.abort_upload(claim=claim, context=actor.context)


def _find_upload(*, actor: Actor, lease: Lease, key: str, upload_id: str) -> VersionPlace:
    """Where the file of an upload will lie; for who began it, for this version and this key."""
    place = _writable_place(actor=actor, lease=lease, key=key)
    uploads = MultipartUpload.objects.filter(version=place.version, principal=actor.principal, path=_named(place))
    if not _is_uuid(upload_id) or not uploads.filter(pk=upload_id).exists():
        raise UploadMissing("There is no such upload to this key: it was aborted, ended long ago, or never began.")
    return place


def _is_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _named(place: VersionPlace) -> str:
    """The path that uploads in parts are kept under, by the names that hold now."""
    names = place.version.model.securable.full_name.replace(".", "/")
    return f"Models/{names}/{place.version.version}/{place.path}"
