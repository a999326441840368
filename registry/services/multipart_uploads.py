"""Large files in parts: begun, received part by part in any order, completed into one file, or aborted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from registry.errors import InvalidParameter, NotFound
from registry.models import MultipartUpload
from registry.services.actors import Actor, RequestContext, actor_now
from registry.services.audit import audited, audited_read, record
from registry.services.file_links import expiry, seconds_until
from registry.services.file_locations import Place, VersionPlace, writable_place
from registry.services.files import keep_at
from registry.storage.incoming import ByteSource
from registry.storage.parts import MAX_PARTS, Part, part_store
from registry.storage.signing import Claim, Target, sign

MAX_LINKS = 100
"""Links to parts that one call hands out."""


@dataclass(frozen=True)
class PartLink:
    """What writes one part: a signed text of ours, or a whole URL of the store."""

    number: int
    link: str


@audited_read
def begin_upload(*, actor: Actor, path: str) -> MultipartUpload:
    """Begin a file that arrives in parts; the row's id is the session token.

    Raises:
        NotFound, AccessDenied, InvalidParameter, Unavailable.
        InvalidState: the version is READY or has failed.
    """
    place = writable_place(actor=actor, path=path)
    version = place.version if isinstance(place, VersionPlace) else None
    with transaction.atomic():
        upload = MultipartUpload.objects.create(path=_spelled(path), version=version, principal=actor.principal)
        part_store().begin(str(upload.pk))
    return upload


def _spelled(path: str) -> str:
    return path.strip("/")


def _find(*, actor: Actor, path: str, session_token: str, lock: bool = False) -> MultipartUpload:
    rows = MultipartUpload.objects.select_for_update() if lock else MultipartUpload.objects.all()
    try:
        upload = rows.filter(pk=UUID(session_token), principal=actor.principal, path=_spelled(path)).first()
    except ValueError:
        upload = None
    if upload is None:
        raise InvalidParameter(
            "'session_token' names no upload of yours to this path: it ended long ago, or never began.",
            field="session_token",
        )
    return upload


def _place_of(upload: MultipartUpload, *, actor: Actor) -> Place:
    """Where the file will lie, if the actor may still write there."""
    place = writable_place(actor=actor, path=upload.path)
    if isinstance(place, VersionPlace) and place.version.pk != upload.version_id:
        raise NotFound("The version of this upload does not exist any more.")
    return place


@audited_read
def create_part_links(
    *,
    actor: Actor,
    path: str,
    session_token: str,
    first: int,
    count: int,
    asked: datetime | None = None,
    now: datetime | None = None,
) -> list[PartLink]:
    """Links for `count` parts from number `first` on. Those of the store itself ask for no right when they are used.

    Raises:
        NotFound, AccessDenied, InvalidState.
        InvalidParameter: unknown session token, or numbers out of range.
    """
    if not 1 <= count <= MAX_LINKS:
        raise InvalidParameter(f"'count' is {count}: ask for 1 to {MAX_LINKS} links at once.", field="count")
    if first < 1 or first + count - 1 > MAX_PARTS:
        raise InvalidParameter(
            f"'start_part_number' is {first}: parts go from 1 to {MAX_PARTS}.", field="start_part_number"
        )
    upload = _find(actor=actor, path=path, session_token=session_token)
    _place_of(upload, actor=actor)
    numbers, expires = range(first, first + count), expiry(actor, asked, now=now)
    links = part_store().links(str(upload.pk), numbers, seconds=seconds_until(expires, now=now))
    if links is None:
        links = [_part_link(upload, number, actor=actor, expires=expires) for number in numbers]
    return [PartLink(number, link) for number, link in zip(numbers, links, strict=True)]


def _part_link(upload: MultipartUpload, number: int, *, actor: Actor, expires: int) -> str:
    return sign(Claim("PUT", Target.PART, str(upload.pk), str(number), actor.principal.pk, expires, actor.token_id))


@audited_read
def create_abort_link(
    *, actor: Actor, path: str, session_token: str, asked: datetime | None = None, now: datetime | None = None
) -> str:
    """A signed text that aborts the upload.

    Raises:
        InvalidParameter: unknown session token.
    """
    upload = _find(actor=actor, path=path, session_token=session_token)
    expires = expiry(actor, asked, now=now)
    return sign(Claim("DELETE", Target.UPLOAD, str(upload.pk), "", actor.principal.pk, expires, actor.token_id))


def receive_part(*, claim: Claim, context: RequestContext, source: ByteSource, expected: int | None) -> Part:
    """Stream one part in. A part sent again counts as another sending: its etag says which one is meant.

    Raises:
        NotFound, AccessDenied: the upload, its version, the principal, its token or its right has gone since.
        InvalidState: the version is not pending any more.
        TooLarge, InvalidParameter, Unavailable: see `incoming.pour`.
    """
    actor = actor_now(claim.principal, token=claim.token, context=context)
    _open_upload(actor=actor, upload_id=UUID(claim.subject))
    part = part_store().receive(
        claim.subject, int(claim.path), source, limit=settings.MAX_FILE_BYTES, expected=expected
    )
    if not MultipartUpload.objects.filter(pk=claim.subject, completed_at=None).exists():
        part_store().drop(claim.subject)
        raise NotFound("This upload was completed or aborted meanwhile.")
    return part


@audited_read
def _open_upload(*, actor: Actor, upload_id: UUID) -> None:
    upload = MultipartUpload.objects.filter(pk=upload_id, completed_at=None).first()
    if upload is None:
        raise NotFound("This upload was completed or aborted.")
    _place_of(upload, actor=actor)


@audited
def complete_upload(*, actor: Actor, path: str, session_token: str, parts: Sequence[Part]) -> None:
    """Join the parts into the file. Costs reading its bytes once. Completing it again changes nothing.

    Raises:
        NotFound, AccessDenied, InvalidState, Conflict, LimitExceeded, Unavailable: see `files.write_file`.
        InvalidParameter: unknown session token; a part that is missing, named twice, or was not received.
        TooLarge: the parts together.
    """
    upload = _find(actor=actor, path=path, session_token=session_token, lock=True)
    if upload.completed_at is not None:
        _record_completion(actor, upload, repeated=True)
        return
    place = _place_of(upload, actor=actor)
    received = part_store().join(str(upload.pk), _in_order(parts), limit=settings.MAX_FILE_BYTES)
    try:
        keep_at(actor=actor, place=place, received=received)
    finally:
        received.discard()
    upload.completed_at = timezone.now()
    upload.save(update_fields=["completed_at"])
    _record_completion(actor, upload, repeated=False)
    transaction.on_commit(lambda: part_store().drop(str(upload.pk)))


def _record_completion(actor: Actor, upload: MultipartUpload, *, repeated: bool) -> None:
    record(
        actor=actor,
        action="completeMultipartUpload",
        subject=("FILE", str(upload.pk), upload.path),
        params={"repeated": repeated},
    )


def _in_order(parts: Sequence[Part]) -> list[Part]:
    if not parts:
        raise InvalidParameter("'parts' is empty: name every part with its etag.", field="parts")
    ordered = sorted(parts, key=lambda part: part.number)
    for expected, part in enumerate(ordered, start=1):
        if part.number < expected:
            raise InvalidParameter(f"Part {part.number} is named twice in 'parts'.", field="parts")
        if part.number > expected:
            raise InvalidParameter(f"Part {expected} is missing in 'parts'.", field="parts")
    return ordered


@transaction.atomic
def abort_upload(*, claim: Claim, context: RequestContext) -> None:
    """Forget an upload and its parts. An upload that is gone is fine.

    Raises:
        AccessDenied: the principal is gone or disabled, or its token was revoked.
    """
    actor = actor_now(claim.principal, token=claim.token, context=context)
    rows = MultipartUpload.objects.select_for_update()
    upload = rows.filter(pk=claim.subject, principal=actor.principal, completed_at=None).first()
    if upload is None:
        return
    upload.delete()
    transaction.on_commit(lambda: part_store().drop(claim.subject))
