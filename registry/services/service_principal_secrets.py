"""Secrets of service principals: several each, shown once, stored as a hash, refused the moment they end."""

import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.utils import timezone

from registry.errors import InvalidParameter, LimitExceeded, NotFound
from registry.models import Principal, PrincipalKind, ServicePrincipalSecret
from registry.services.actors import Actor
from registry.services.audit import audited, audited_read, record
from registry.services.directory import check_not_housekeeping, find_by_id, require_administrator
from registry.services.paging import Page, fetch_page, page_size
from registry.services.tokens import digest_of

PREFIX = "mks"
MAX_SECRETS = 5
"""Enough to replace one while another is in use."""
DEFAULT_LIFETIME_SECONDS = 730 * 24 * 3600


@dataclass(frozen=True)
class NewSecret:
    """A secret just made. `value` cannot be had again."""

    value: str
    secret: ServicePrincipalSecret


def _service_principal(actor: Actor, principal_id: object, *, lock: bool = False) -> Principal:
    """The service principal, for itself and for metastore admins."""
    if str(principal_id) != str(actor.principal.pk):
        require_administrator(actor)
    return find_by_id(principal_id, kind=PrincipalKind.SERVICE_PRINCIPAL, lock=lock)


@audited
def create_secret(*, actor: Actor, principal_id: object, lifetime_seconds: int | None = None) -> NewSecret:
    """Make one more secret, for 730 days unless said otherwise. A service principal may make its own.

    Raises:
        AccessDenied: somebody else, without being a metastore admin.
        NotFound: no such service principal.
        InvalidParameter: a lifetime beyond the bounds, or the housekeeping account.
        LimitExceeded: as many secrets as one may have; those that have expired count no longer.
    """
    principal = _service_principal(actor, principal_id, lock=True)
    check_not_housekeeping(principal)
    seconds = DEFAULT_LIFETIME_SECONDS if lifetime_seconds is None else lifetime_seconds
    if not 0 < seconds <= DEFAULT_LIFETIME_SECONDS:
        raise InvalidParameter(
            f"'lifetime' is {seconds}s: it must be between 1s and {DEFAULT_LIFETIME_SECONDS}s.", field="lifetime"
        )
    now = timezone.now()
    if principal.secrets.filter(expires_at__gt=now).count() >= MAX_SECRETS:
        raise LimitExceeded(f"'{principal.name}' has {MAX_SECRETS} secrets already: delete one that is not in use.")
    value = f"{PREFIX}{secrets.token_hex(32)}"
    secret = ServicePrincipalSecret.objects.create(
        principal=principal,
        digest=digest_of(value),
        prefix=value[:8],
        created_by=actor.principal,
        expires_at=now + timedelta(seconds=seconds),
    )
    _record(actor, "createServicePrincipalSecret", secret)
    return NewSecret(value, secret)


def _record(actor: Actor, action: str, secret: ServicePrincipalSecret) -> None:
    record(
        actor=actor,
        action=action,
        service_name="accounts",
        subject=("SERVICE_PRINCIPAL_SECRET", str(secret.pk), secret.prefix),
        params={"principal": secret.principal.name, "expires_at": secret.expires_at.isoformat()},
    )


@audited_read
def list_secrets(
    *, actor: Actor, principal_id: object, max_results: int | None = None, page_token: str = ""
) -> Page[ServicePrincipalSecret]:
    """What is known of the secrets of a service principal, newest first; never their values. Four queries.

    Raises:
        AccessDenied, NotFound: as `create_secret`.
        InvalidParameter: a token of another list.
    """
    principal = _service_principal(actor, principal_id)
    return fetch_page(
        ServicePrincipalSecret.objects.filter(principal=principal),
        order=["-created_at", "id"],
        size=page_size(max_results),
        token=page_token,
        scope=f"secrets:{principal.pk}",
    )


@audited
def delete_secret(*, actor: Actor, principal_id: object, secret_id: str) -> None:
    """End a secret, and every access token that was given for it, with the commit.

    Raises:
        AccessDenied, NotFound: as `create_secret`, or no such secret of this service principal.
    """
    principal = _service_principal(actor, principal_id)
    try:
        # Locked, so that no access token is given for it while it goes.
        secret = principal.secrets.select_for_update(of=("self",)).select_related("principal").get(pk=secret_id)
    except (ServicePrincipalSecret.DoesNotExist, ValidationError) as error:
        raise NotFound(f"Secret '{secret_id}' of '{principal.name}' does not exist.") from error
    _record(actor, "deleteServicePrincipalSecret", secret)
    secret.delete()
