"""Access tokens: what a service principal's secret is exchanged for, one hour at a time (RFC 6749, section 4.4)."""

import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.utils import timezone

from registry.errors import ErrorCode, ModelkeepError, Unauthenticated
from registry.models import ApiToken, AuditEvent, ServicePrincipalSecret
from registry.names import lookup_key
from registry.services.actors import Actor, RequestContext, load_actor, system_actor
from registry.services.audit import audited, record
from registry.services.tokens import PREFIX, digest_of

LIFETIME = timedelta(hours=1)
MAX_FAILURES = 20
"""Wrong secrets from one address within WAIT, after which they are no longer looked at one by one."""
WAIT = timedelta(minutes=5)
_ACTION = "issueAccessToken"
_STAMP_EVERY = timedelta(minutes=1)


class TooManyFailures(ModelkeepError):
    """Wrong secrets come in a row from this address; a right one still passes, for it cannot be guessed."""

    code = ErrorCode.RESOURCE_EXHAUSTED


@dataclass(frozen=True)
class AccessToken:
    """An access token just made. `value` cannot be had again."""

    value: str
    expires_in: int


def issue_access_token(*, client_id: str, client_secret: str, context: RequestContext) -> AccessToken:
    """Give a token that does what the service principal may do, until it ends or its secret does.

    Every try leaves an audit row, but for those beyond MAX_FAILURES. About ten queries.

    Raises:
        Unauthenticated: client id or secret is wrong (which of the two is not told), the secret has ended, or the
            service principal is disabled.
        TooManyFailures.
    """
    given = _issue(actor=system_actor(), client_id=client_id, client_secret=client_secret, context=context)
    if given is None:
        raise Unauthenticated(
            "The client id or the client secret is not right, or the secret has expired or was deleted. "
            "Make a new secret for the service principal."
        )
    return given


@audited
def _issue(*, actor: Actor, client_id: str, client_secret: str, context: RequestContext) -> AccessToken | None:
    now = timezone.now()
    secret = _find(client_id, client_secret, now=now)
    if secret is None:
        address = hashlib.sha256(context.source_ip.encode()).hexdigest()
        _check_failures(address, now=now)
        record(
            actor=replace(actor, context=context),
            action=_ACTION,
            decision="DENY",
            service_name="accounts",
            subject=("SIGN_IN", address, client_id[:255]),
        )
        return None
    return _give(secret, context=context, now=now)


def _find(client_id: str, client_secret: str, *, now: datetime) -> ServicePrincipalSecret | None:
    # Locked, so that it cannot be deleted while a token is given for it.
    return (
        ServicePrincipalSecret.objects.select_for_update(of=("self",), no_key=True)
        .select_related("principal")
        .filter(
            digest=digest_of(client_secret),
            expires_at__gt=now,
            principal__key=lookup_key(client_id),
            principal__is_active=True,
        )
        .first()
    )


def _check_failures(address: str, *, now: datetime) -> None:
    recent = AuditEvent.objects.filter(securable_id=address, action=_ACTION, decision="DENY", at__gt=now - WAIT)
    if recent[:MAX_FAILURES].count() == MAX_FAILURES:
        minutes = round(WAIT.total_seconds() / 60)
        raise TooManyFailures(f"Too many wrong client secrets from this address. Wait up to {minutes} minutes.")


def _give(secret: ServicePrincipalSecret, *, context: RequestContext, now: datetime) -> AccessToken:
    expires = min(now + LIFETIME, secret.expires_at)
    value = f"{PREFIX}{secrets.token_hex(32)}"
    # Clients ask for one at every start: those that have ended are of no use to anybody.
    secret.tokens.filter(expires_at__lte=now).delete()
    token = ApiToken.objects.create(
        principal=secret.principal,
        secret=secret,
        digest=digest_of(value),
        prefix=value[:8],
        comment=f"access token for secret {secret.prefix}…",
        created_by=secret.principal,
        expires_at=expires,
    )
    if secret.last_used_at is None or now - secret.last_used_at > _STAMP_EVERY:
        secret.last_used_at = now
        secret.save(update_fields=["last_used_at"])
    record(
        actor=load_actor(secret.principal, context=context),
        action=_ACTION,
        service_name="accounts",
        subject=("TOKEN", str(token.pk), token.prefix),
        params={"principal": secret.principal.name, "secret": str(secret.pk)},
    )
    return AccessToken(value, int((expires - now).total_seconds()))
