"""API tokens: made once, shown once, stored as a hash, refused the moment they end."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from registry.errors import AccessDenied, InvalidParameter, NotFound, Unauthenticated
from registry.models import ApiToken, Principal, PrincipalKind
from registry.services.actors import Actor, RequestContext, load_actor
from registry.services.audit import audited, record

PREFIX = "mk"
_USE_STAMP_EVERY = timedelta(minutes=1)
_MAX_LIFETIME_SECONDS = 10 * 365 * 24 * 3600


@dataclass(frozen=True)
class NewToken:
    """A token just made. `value` cannot be had again."""

    value: str
    token: ApiToken


def _digest(value: str) -> str:
    # A token is 256 random bits: a plain hash cannot be guessed back, and looking it up stays one indexed read.
    return hashlib.sha256(value.encode()).hexdigest()


@audited
def create_token(
    *,
    actor: Actor,
    comment: str = "",
    lifetime_seconds: int | None = None,
    principal: Principal | None = None,
) -> NewToken:
    """Make a token for the actor itself, or, as a metastore admin, for another user or service principal.

    Raises:
        InvalidParameter: a lifetime that is not positive, a comment that is too long, or a group as principal.
        AccessDenied: for another principal, without being a metastore admin.
    """
    owner = principal or actor.principal
    if owner.pk != actor.principal.pk and not actor.is_metastore_admin:
        raise AccessDenied(
            "Only a metastore admin may create a token for somebody else.", missing="metastore admin"
        )
    if owner.kind == PrincipalKind.GROUP:
        raise InvalidParameter(
            "A group cannot have a token: name a user or a service principal.", field="principal"
        )
    if lifetime_seconds is not None and not 0 < lifetime_seconds <= _MAX_LIFETIME_SECONDS:
        raise InvalidParameter(
            f"'lifetime_seconds' is {lifetime_seconds}: it must be between 1 and {_MAX_LIFETIME_SECONDS}.",
            field="lifetime_seconds",
        )
    if len(comment) > 255:
        raise InvalidParameter("'comment' is longer than 255 characters.", field="comment")
    value = f"{PREFIX}{secrets.token_hex(32)}"
    token = ApiToken.objects.create(
        principal=owner,
        digest=_digest(value),
        prefix=value[:8],
        comment=comment,
        created_by=actor.principal,
        expires_at=timezone.now() + timedelta(seconds=lifetime_seconds) if lifetime_seconds else None,
    )
    record(
        actor=actor,
        action="createToken",
        service_name="accounts",
        subject=("TOKEN", str(token.pk), token.prefix),
        params={"principal": owner.name, "comment": comment, "lifetime_seconds": lifetime_seconds},
    )
    return NewToken(value, token)


def list_tokens(*, actor: Actor, everyones: bool = False) -> list[ApiToken]:
    """The actor's own tokens, newest first; with `everyones`, all of them, for metastore admins.

    Raises:
        AccessDenied: `everyones` without being a metastore admin.
    """
    if everyones and not actor.is_metastore_admin:
        raise AccessDenied("Only a metastore admin may list everybody's tokens.", missing="metastore admin")
    tokens = ApiToken.objects.select_related("principal", "created_by")
    return list(tokens if everyones else tokens.filter(principal=actor.principal))


@audited
def revoke_token(*, actor: Actor, token_id: str) -> None:
    """End a token at once. Owners end their own, metastore admins any.

    Raises:
        NotFound: no such token, or somebody else's.
    """
    tokens = ApiToken.objects.select_related("principal")
    if not actor.is_metastore_admin:
        tokens = tokens.filter(principal=actor.principal)
    try:
        token = tokens.get(pk=token_id)
    except (ApiToken.DoesNotExist, ValueError, TypeError) as error:
        raise NotFound(f"Token '{token_id}' does not exist.") from error
    except Exception as error:
        raise NotFound(f"Token '{token_id}' does not exist.") from error
    record(
        actor=actor,
        action="revokeToken",
        service_name="accounts",
        subject=("TOKEN", str(token.pk), token.prefix),
        params={"principal": token.principal.name},
    )
    token.delete()


def authenticate_token(value: str, *, context: RequestContext) -> Actor:
    """The actor that a token stands for. Two queries; a third once a minute to note the use.

    Raises:
        Unauthenticated: unknown, revoked or expired token, or a disabled principal.
    """
    now = timezone.now()
    token = (
        ApiToken.objects.select_related("principal")
        .filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now), digest=_digest(value))
        .first()
    )
    if token is None or not token.principal.is_active:
        raise Unauthenticated(
            "The token is not valid: it may be mistyped, expired or revoked. Create a new one."
        )
    if token.last_used_at is None or now - token.last_used_at > _USE_STAMP_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return load_actor(token.principal, context=context, token=token)
