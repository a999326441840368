"""Files by path, for whoever holds the right: of versions under /Models, of runs and logged models beside them.

Bodies are streamed outside of any transaction. Rights are checked before the first byte is read, and again when the
bytes take their place: an upload may last longer than a right.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from django.conf import settings

from registry.errors import AlreadyExists, Conflict, FileMissing, InvalidParameter
from registry.models import ExperimentLevel
from registry.privileges import Action
from registry.services.actors import Actor, renewed
from registry.services.artifacts import find_entry, folder_exists, list_children, place_file, remove_file
from registry.services.audit import audited, audited_read, record
from registry.services.experiments import record_write, require_level
from registry.services.file_locations import (
    FileFacts,
    Place,
    TreePlace,
    VersionPlace,
    listable_place,
    parse_path,
    readable_place,
    recheck_version,
    writable_place,
)
from registry.storage.blobs import blob_store
from registry.storage.incoming import ByteSource, Received
from registry.storage.trees import TreeEntry, tree_store

PAGE_SIZE = 1000
"""Names on one page of a folder's listing."""


@dataclass(frozen=True)
class Listed:
    """One line of a folder's listing. `path` is spelled as the folder was asked for."""

    path: str
    name: str
    is_directory: bool
    size: int
    modified_at: datetime


@dataclass(frozen=True)
class Listing:
    """One page of a folder; `next_page_token` is empty on the last one."""

    contents: list[Listed]
    next_page_token: str = ""


@dataclass(frozen=True)
class OpenFile:
    """A file about to be read. Call either `stream(start, length)` or `close()`, once."""

    facts: FileFacts
    stream: Callable[[int, int], Iterator[bytes]]
    close: Callable[[], None]


# --- Reading ----------------------------------------------------------------------------------------------------


def stat_file(*, actor: Actor, path: str) -> FileFacts:
    """What is known of a file that the actor may read.

    Raises:
        NotFound (FileMissing for a missing file or a folder), AccessDenied, InvalidParameter, InvalidState.
    """
    return facts_of(place_to_read(actor=actor, path=path))


def open_file(*, actor: Actor, path: str) -> OpenFile:
    """Open a file that the actor may read. Taking a version's bytes is put on the audit trail.

    Raises:
        As `stat_file`.
    """
    place = place_to_read(actor=actor, path=path)
    opened = open_place(place)
    try:
        note_read(actor=actor, place=place)
    except BaseException:
        opened.close()
        raise
    return opened


@audited_read
def place_to_read(*, actor: Actor, path: str) -> Place:
    """Where a file lies that the actor may read; see `readable_place`. A denial is put on the audit trail."""
    return readable_place(actor=actor, path=path)


def note_read(*, actor: Actor, place: Place) -> None:
    """Put on the audit trail that the actor takes a version's bytes. Runs and logged models are not noted."""
    if isinstance(place, VersionPlace):
        _record_load(actor=actor, place=place)


@audited
def _record_load(*, actor: Actor, place: VersionPlace) -> None:
    record(
        actor=actor,
        action=Action.LOAD_VERSION,
        securable=place.version.model.securable,
        params={"version": place.version.version, "operation": "READ", "path": place.path},
    )


def facts_of(place: Place) -> FileFacts:
    """What is known of a file. Raises FileMissing for a missing file or a folder."""
    if isinstance(place, VersionPlace):
        entry = find_entry(place.version.pk, place.path)
        return FileFacts(
            name=place.path.rpartition("/")[2],
            size=entry.blob.size,
            modified_at=entry.modified_at,
            etag=entry.blob_id,
        )
    found = tree_store().stat(place.path)
    if found.is_directory:
        raise FileMissing(f"'{place.path}' is a folder, not a file.")
    return _tree_facts(found)


def _tree_facts(entry: TreeEntry) -> FileFacts:
    return FileFacts(
        name=entry.name,
        size=entry.size,
        modified_at=datetime.fromtimestamp(entry.modified, tz=UTC),
        etag=entry.etag or f"{int(entry.modified * 1_000_000):x}-{entry.size:x}",
    )


def open_place(place: Place) -> OpenFile:
    """Open a file for reading. Raises FileMissing."""
    if isinstance(place, VersionPlace):
        facts = facts_of(place)
        return OpenFile(facts, stream=partial(_stream_blob, facts.etag), close=lambda: None)
    file = tree_store().open(place.path)
    return OpenFile(_tree_facts(file.entry), stream=file.narrow, close=file.close)


def _stream_blob(sha256: str, start: int, length: int) -> Iterator[bytes]:
    return blob_store().open(sha256, start=start, length=length)


# --- Writing ----------------------------------------------------------------------------------------------------


def write_file(*, actor: Actor, path: str, source: ByteSource, expected: int | None, overwrite: bool = True) -> None:
    """Stream a file to its place. Nothing is left behind when it fails half-way; writing it again is harmless.

    `expected` is the announced number of bytes, where one was.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
        InvalidState: the version is READY or has failed.
        AlreadyExists: the file is there, and `overwrite` is off.
        TooLarge, LimitExceeded, Conflict, Unavailable: see `artifacts.place_file` and `incoming.receive`.
    """
    place = place_to_write(actor=actor, path=path)
    if not overwrite and _exists(place):
        raise AlreadyExists(f"'{path}' exists already: send overwrite=true to replace it.")
    store_at(actor=actor, place=place, source=source, expected=expected)


@audited_read
def place_to_write(*, actor: Actor, path: str) -> Place:
    """Where the actor may write a file; see `writable_place`. A denial is put on the audit trail."""
    return writable_place(actor=actor, path=path)


def _exists(place: Place) -> bool:
    try:
        facts_of(place)
    except FileMissing:
        return False
    return True


def store_at(*, actor: Actor, place: Place, source: ByteSource, expected: int | None) -> None:
    """Stream bytes to a place that the actor was found to be allowed to write; the right is checked again at the end.

    Raises:
        As `write_file`.
    """
    store = blob_store() if isinstance(place, VersionPlace) else tree_store()
    received = store.receive(source, limit=settings.MAX_FILE_BYTES, expected=expected)
    try:
        keep_at(actor=actor, place=place, received=received)
    finally:
        received.discard()


def keep_at(*, actor: Actor, place: Place, received: Received) -> None:
    """Give received bytes their place, if the actor may still write there.

    Raises:
        As `write_file`.
    """
    still = renewed(actor)
    if isinstance(place, VersionPlace):
        _keep_version_file(actor=still, place=place, received=received)
    else:
        _keep_tree_file(actor=still, place=place, received=received)


@audited
def _keep_version_file(*, actor: Actor, place: VersionPlace, received: Received) -> None:
    version = recheck_version(actor=actor, version_id=place.version.pk, for_write=True)
    place_file(version_id=version.pk, path=place.path, received=received)
    record(
        actor=actor,
        action="writeModelVersionFile",
        securable=version.model.securable,
        params={
            "version": version.version,
            "path": place.path,
            "bytes": received.size,
            "sha256": received.sha256,
        },
    )


@audited
def _keep_tree_file(*, actor: Actor, place: TreePlace, received: Received) -> None:
    require_level(actor=actor, experiment_id=place.experiment_id, level=ExperimentLevel.CAN_EDIT)
    tree_store().keep(received, place.path)
    record_write(
        actor=actor,
        experiment_id=place.experiment_id,
        action="writeMlflowArtifact",
        params={"path": place.path, "bytes": received.size},
    )


@audited
def delete_file(*, actor: Actor, path: str) -> None:
    """Delete a file of a pending version, or of a run or logged model.

    Raises:
        NotFound, AccessDenied, InvalidParameter, InvalidState.
    """
    place = writable_place(actor=actor, path=path, follow=False)
    if isinstance(place, VersionPlace):
        remove_file(version_id=place.version.pk, path=place.path)
        record(
            actor=actor,
            action="deleteModelVersionFile",
            securable=place.version.model.securable,
            params={"version": place.version.version, "path": place.path},
        )
        return
    tree_store().delete(place.path)
    record_write(
        actor=actor,
        experiment_id=place.experiment_id,
        action="deleteMlflowArtifact",
        params={"path": place.path},
    )


# --- Folders ----------------------------------------------------------------------------------------------------


@audited_read
def list_directory(*, actor: Actor, path: str, page_token: str = "", page_size: int = PAGE_SIZE) -> Listing:
    """One page of what lies right below a folder, by name.

    Raises:
        NotFound (FileMissing for a missing folder or a file), AccessDenied.
        InvalidParameter: a page size below one.
    """
    if page_size < 1:
        raise InvalidParameter("'page_size' must be at least 1.", field="page_size")
    size = min(page_size, PAGE_SIZE)
    place = listable_place(actor=actor, path=path)
    spelled = "/" + path.strip("/")
    if isinstance(place, VersionPlace):
        found = _list_version(place, spelled, after=page_token, limit=size + 1)
    else:
        found = _list_tree(place, spelled, after=page_token, limit=size + 1)
    return Listing(found[:size], found[size - 1].name if len(found) > size else "")


def _list_version(place: VersionPlace, spelled: str, *, after: str, limit: int) -> list[Listed]:
    children = list_children(place.version.pk, place.path, after=after, limit=limit)
    if not children and not folder_exists(place.version.pk, place.path):
        raise FileMissing(f"There is no folder '{spelled}'.")
    return [
        Listed(f"{spelled}/{child.name}", child.name, child.is_directory, child.size, child.modified_at)
        for child in children
    ]


def _list_tree(place: TreePlace, spelled: str, *, after: str, limit: int) -> list[Listed]:
    try:
        entries = tree_store().children(place.path)
    except FileMissing:
        # A run that has logged nothing yet has an empty root, not a missing one.
        if not place.is_root:
            raise
        entries = []
    return [
        Listed(
            f"{spelled}/{entry.name}",
            entry.name,
            entry.is_directory,
            entry.size,
            datetime.fromtimestamp(entry.modified, tz=UTC),
        )
        for entry in entries
        if entry.name > after
    ][:limit]


@audited_read
def make_directory(*, actor: Actor, path: str) -> None:
    """Make a folder. In a version there are only files, so there it only has to be possible.

    Raises:
        NotFound, AccessDenied, InvalidParameter, InvalidState.
        Conflict: a file has that name.
    """
    parsed = parse_path(path)
    if not parsed.path:
        listable_place(actor=actor, path=path)
        return
    place = writable_place(actor=actor, path=path, follow=False)
    if isinstance(place, TreePlace):
        tree_store().make_folder(place.path)
    elif _exists(place):
        raise Conflict(f"'{path}' cannot be made: a file has that name.")


@audited_read
def delete_directory(*, actor: Actor, path: str) -> None:
    """Delete an empty folder.

    Raises:
        NotFound, AccessDenied, InvalidParameter, InvalidState.
        Conflict: it is not empty.
    """
    place = writable_place(actor=actor, path=path, follow=False)
    if isinstance(place, TreePlace):
        tree_store().delete_folder(place.path)
    elif list_children(place.version.pk, place.path, limit=1):
        raise Conflict(f"'{path}' is not empty: delete the files in it first.")
