"""Links to one file for one principal: handed out under the right, and checked against it again when used."""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from registry.models import ExperimentLevel
from registry.services.actors import Actor, RequestContext, actor_now
from registry.services.audit import audited_read
from registry.services.experiments import require_level
from registry.services.file_locations import FileFacts, Place, TreePlace, VersionPlace, recheck_version
from registry.services.files import (
    OpenFile,
    facts_of,
    note_read,
    open_place,
    place_to_read,
    place_to_write,
    store_at,
)
from registry.storage.blobs import blob_store
from registry.storage.incoming import ByteSource
from registry.storage.s3.direct import direct_uploads
from registry.storage.signing import Claim, Target, sign
from registry.storage.trees import tree_store


def expiry(actor: Actor, asked: datetime | None, *, now: datetime | None = None) -> int:
    """When a link ends, in seconds since 1970: as asked, but never later than the setting and the token allow."""
    latest = (now or timezone.now()) + timedelta(seconds=settings.SIGNED_URL_SECONDS)
    if actor.token is not None and actor.token.expires_at is not None:
        latest = min(latest, actor.token.expires_at)
    return int((min(asked, latest) if asked else latest).timestamp())


def seconds_until(expires: int, *, now: datetime | None = None) -> int:
    """How long a link lives that ends then; at least a second, for one that was asked for too late."""
    return max(1, int(expires - (now or timezone.now()).timestamp()))


def create_download_link(
    *, actor: Actor, path: str, asked: datetime | None = None, now: datetime | None = None
) -> str:
    """What reads one file: a signed text of ours, or a whole URL of the store that keeps it.

    Taking a version's bytes is put on the audit trail here. The right and the token are checked now; again, when the
    link is used, only with a link of ours. The store's own lives on for its time when the right is withdrawn.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
        InvalidState: the version is not READY.
    """
    place = place_to_read(actor=actor, path=path)
    facts = facts_of(place)
    note_read(actor=actor, place=place)
    expires = expiry(actor, asked, now=now)
    seconds = seconds_until(expires, now=now)
    if isinstance(place, VersionPlace):
        link = blob_store().link(facts.etag, filename=facts.name, seconds=seconds)
    else:
        link = tree_store().link(place.path, filename=facts.name, seconds=seconds)
    return link or sign(_claim("GET", place, actor=actor, expires=expires))


def create_upload_link(*, actor: Actor, path: str, asked: datetime | None = None, now: datetime | None = None) -> str:
    """What writes one file, as long as its version is pending: a signed text of ours, or a whole URL of the store.

    What a client writes to the store itself becomes a file of the version when it is finalized.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
        InvalidState: the version is READY or has failed.
    """
    place = place_to_write(actor=actor, path=path)
    expires = expiry(actor, asked, now=now)
    direct, link = direct_uploads(), None
    if direct is not None and isinstance(place, VersionPlace):
        link = direct.link(str(place.version.pk), place.path, seconds=seconds_until(expires, now=now))
    return link or sign(_claim("PUT", place, actor=actor, expires=expires))


def _claim(method: str, place: Place, *, actor: Actor, expires: int) -> Claim:
    if isinstance(place, VersionPlace):
        target, subject = Target.VERSION_FILE, str(place.version.pk)
    else:
        target, subject = Target.TREE_FILE, place.experiment_id
    return Claim(method, target, subject, place.path, actor.principal.pk, expires, actor.token_id)


def stat_linked_file(*, claim: Claim, context: RequestContext) -> FileFacts:
    """What is known of the file behind a verified link. Raises as `open_linked_file`."""
    actor = actor_now(claim.principal, token=claim.token, context=context)
    return facts_of(_place_behind(actor=actor, claim=claim))


def open_linked_file(*, claim: Claim, context: RequestContext) -> OpenFile:
    """Open the file behind a verified link.

    Raises:
        NotFound, AccessDenied: the file, its version, the principal, its token or its right has gone since.
    """
    actor = actor_now(claim.principal, token=claim.token, context=context)
    return open_place(_place_behind(actor=actor, claim=claim))


def write_linked_file(*, claim: Claim, context: RequestContext, source: ByteSource, expected: int | None) -> None:
    """Stream bytes to the place behind a verified link.

    Raises:
        NotFound, AccessDenied: the version, the principal, its token or its right has gone since.
        InvalidState: the version is not pending any more.
        Others as `files.write_file`.
    """
    actor = actor_now(claim.principal, token=claim.token, context=context)
    place = _place_behind(actor=actor, claim=claim)
    store_at(actor=actor, place=place, source=source, expected=expected)


@audited_read
def _place_behind(*, actor: Actor, claim: Claim) -> Place:
    for_write = claim.method != "GET"
    if claim.target == Target.VERSION_FILE:
        version = recheck_version(actor=actor, version_id=UUID(claim.subject), for_write=for_write)
        return VersionPlace(version, claim.path)
    level = ExperimentLevel.CAN_EDIT if for_write else ExperimentLevel.CAN_READ
    require_level(actor=actor, experiment_id=claim.subject, level=level)
    return TreePlace(claim.subject, claim.path)
