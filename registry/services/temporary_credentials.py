"""Temporary credentials for the files of one version, in the form that object-store clients take.

Nothing of them is stored. The session token is sealed and says for whom, for which version, for what and until when;
the access key and the secret key follow from it under this installation's secret key. Holding them opens nothing by
itself: the holder and its right are looked up anew at every request, so what is revoked is refused by the next one.
"""

import base64
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from django.utils.crypto import salted_hmac

from registry.errors import InvalidState, Unauthenticated
from registry.services.actors import Actor, RequestContext, actor_now
from registry.services.audit import audited
from registry.services.model_versions import authorize_load, authorize_upload
from registry.services.sealing import seal, unseal

_PURPOSE = "temporary-credentials"
MAX_SECONDS = 3600


class Operation(StrEnum):
    """What temporary credentials are good for."""

    READ = "READ"
    """Load a READY version."""
    READ_WRITE = "READ_WRITE"
    """Upload to a version that is still pending, and look at what has arrived."""


@dataclass(frozen=True)
class TemporaryCredentials:
    """What a client signs its requests with."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expires_at: datetime


@dataclass(frozen=True)
class Lease:
    """What a session token says. `token` is the id of the API token that it was asked for with; may be empty."""

    principal: int
    token: str
    version: UUID
    operation: Operation
    expires: int


class ExpiredLease(Unauthenticated):
    """The credentials were good once: the client asks for new ones."""


@audited
def create_temporary_credentials(
    *, actor: Actor, name: object, version: object, operation: Operation, now: datetime | None = None
) -> TemporaryCredentials:
    """Credentials for the files of one version, for at most an hour, and never longer than the token that asks.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
        InvalidState: READ and the version is not READY, or READ_WRITE and it is not pending.
    """
    authorize = authorize_load if operation == Operation.READ else authorize_upload
    found = authorize(actor=actor, name=name, version=version)
    lifetime = timedelta(seconds=min(settings.TEMPORARY_CREDENTIALS_SECONDS, MAX_SECONDS))
    expires = (now or timezone.now()) + lifetime
    if actor.token is not None and actor.token.expires_at is not None:
        expires = min(expires, actor.token.expires_at)
    expires = expires.replace(microsecond=0)
    lease = Lease(
        principal=actor.principal.pk,
        token=actor.token_id,
        version=found.pk,
        operation=operation,
        expires=int(expires.timestamp()),
    )
    session_token = seal(_written(lease), purpose=_PURPOSE)
    return TemporaryCredentials(access_key_of(session_token), secret_key_of(session_token), session_token, expires)


def _written(lease: Lease) -> str:
    return json.dumps([lease.principal, lease.token, str(lease.version), lease.operation, lease.expires])


def read_lease(session_token: str) -> Lease:
    """What a session token says. Whether its bearer knows the secret key is for the caller to check.

    Raises:
        Unauthenticated: not sealed by this installation.
    """
    try:
        principal, token, version, operation, expires = json.loads(unseal(session_token, purpose=_PURPOSE))
    except InvalidState as error:
        raise Unauthenticated("The session token is not one of this server: ask for new credentials.") from error
    return Lease(principal, token or "", UUID(version), Operation(operation), expires)


def access_key_of(session_token: str) -> str:
    """The access key id that belongs to a session token; it names the pair and is no secret."""
    digest = salted_hmac(f"modelkeep.{_PURPOSE}.access-key", session_token, algorithm="sha256").digest()
    return "MK" + base64.b32encode(digest)[:18].decode()


def secret_key_of(session_token: str) -> str:
    """The secret key that belongs to a session token."""
    digest = salted_hmac(f"modelkeep.{_PURPOSE}.secret-key", session_token, algorithm="sha256").digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def holder_of(lease: Lease, *, context: RequestContext, now: datetime) -> Actor:
    """Who acts with a lease, as it stands now. Up to three queries. What it may do is asked by what it does.

    Raises:
        ExpiredLease: past its time.
        AccessDenied: the account is disabled, or the token behind the lease was revoked.
    """
    if now.timestamp() >= lease.expires:
        raise ExpiredLease("These credentials have expired: ask for new ones.")
    return actor_now(lease.principal, token=lease.token, context=context)
