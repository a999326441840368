"""API tokens: made once, shown once, stored as a hash, refused the moment they end."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.utils import timezone

from registry.errors import AccessDenied, InvalidParameter, NotFound, Unauthenticated
from registry.models import ApiToken, Principal, PrincipalKind
from registry.names import lookup_key
from registry.services.actors import Actor, RequestContext, load_actor
from registry.services.audit import audited, audited_read, record
from registry.services.directory import check_not_housekeeping, require_administrator
from registry.services.statements import fetch, instance
from registry.services.workspace_settings import token_rules

PREFIX = "mk"
_USE_STAMP_EVERY = timedelta(minutes=1)
_DAY = 24 * 3600
_MAX_LIFETIME_SECONDS = 10 * 365 * _DAY


@dataclass(frozen=True)
class NewToken:
    """A token just made. `value` cannot be had again."""

    value: str
    token: ApiToken


def digest_of(value: str) -> str:
    """What is stored of a token or a secret: both are 256 random bits, so a plain hash cannot be guessed back."""
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
        InvalidParameter: a lifetime that is not positive or longer than the workspace allows, a comment that is too
            long, or a group as principal.
        AccessDenied: for another principal, without being a metastore admin; or tokens are switched off.
    """
    owner = principal or actor.principal
    if owner.pk != actor.principal.pk and not actor.is_metastore_admin:
        raise AccessDenied("Only a metastore admin may create a token for somebody else.", missing="metastore admin")
    if owner.kind == PrincipalKind.GROUP:
        raise InvalidParameter("A group cannot have a token: name a user or a service principal.", field="principal")
    lifetime_seconds = _allowed_lifetime(lifetime_seconds)
    comment = _short(comment)
    value = f"{PREFIX}{secrets.token_hex(32)}"
    token = ApiToken.objects.create(
        principal=owner,
        digest=digest_of(value),
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


@audited
def create_token_on_behalf(
    *, actor: Actor, application_id: str, comment: str = "", lifetime_seconds: int | None = None
) -> NewToken:
    """Make a token for a service principal, as a metastore admin.

    Raises:
        AccessDenied: not a metastore admin.
        NotFound: no such service principal.
        InvalidParameter: as `create_token`.
    """
    require_administrator(actor)
    rows = Principal.objects.filter(kind=PrincipalKind.SERVICE_PRINCIPAL, key=lookup_key(application_id))
    principal = rows.first()
    if principal is None:
        raise NotFound(f"Service principal '{application_id}' does not exist.")
    check_not_housekeeping(principal)
    return create_token(actor=actor, comment=comment, lifetime_seconds=lifetime_seconds, principal=principal)


@audited
def describe_token(*, actor: Actor, token_id: str, comment: str) -> ApiToken:
    """Give a personal access token another comment. Owners do it to their own, metastore admins to any.

    Raises:
        NotFound: no such token, or somebody else's.
        InvalidParameter: a comment that is too long.
    """
    token = _find(actor, token_id)
    before = token.comment
    token.comment = _short(comment)
    token.save(update_fields=["comment"])
    record(
        actor=actor,
        action="updateToken",
        service_name="accounts",
        subject=("TOKEN", str(token.pk), token.prefix),
        params={"principal": token.principal.name},
        before={"comment": before},
        after={"comment": token.comment},
    )
    return token


def _short(comment: str) -> str:
    if len(comment) > 255:
        raise InvalidParameter("'comment' is longer than 255 characters.", field="comment")
    return comment


def _allowed_lifetime(asked: int | None) -> int | None:
    """The lifetime to give; where the workspace has a limit, nothing asked means the limit. One query."""
    rules = token_rules()
    if not rules.enabled:
        raise AccessDenied(
            "No personal access tokens are made in this workspace: a metastore admin has switched them off "
            "(enableTokensConfig). Use a service principal's secret."
        )
    limit = rules.max_days * _DAY if rules.max_days else None
    most = limit or _MAX_LIFETIME_SECONDS
    if asked is not None and not 0 < asked <= most:
        raise InvalidParameter(
            f"'lifetime_seconds' is {asked}: it must be between 1 and {most}.", field="lifetime_seconds"
        )
    return limit if asked is None else asked


def list_tokens(*, actor: Actor, everyones: bool = False) -> list[ApiToken]:
    """The actor's own personal access tokens, newest first; with `everyones`, all of them, for metastore admins.

    Raises:
        AccessDenied: `everyones` without being a metastore admin.
    """
    if everyones and not actor.is_metastore_admin:
        raise AccessDenied("Only a metastore admin may list everybody's tokens.", missing="metastore admin")
    tokens = ApiToken.objects.filter(secret=None).select_related("principal", "created_by")
    return list(tokens if everyones else tokens.filter(principal=actor.principal))


@audited_read
def get_token(*, actor: Actor, token_id: str) -> ApiToken:
    """One personal access token: one's own, or anybody's for metastore admins.

    Raises:
        NotFound: no such token, or somebody else's.
    """
    return _find(actor, token_id)


def _find(actor: Actor, token_id: str) -> ApiToken:
    tokens = ApiToken.objects.select_related("principal", "created_by")
    if not actor.is_metastore_admin:
        tokens = tokens.filter(principal=actor.principal)
    try:
        return tokens.get(pk=token_id)
    except (ApiToken.DoesNotExist, ValidationError) as error:
        raise NotFound(f"Token '{token_id}' does not exist.") from error


@audited
def revoke_token(*, actor: Actor, token_id: str) -> None:
    """End a token at once. Owners end their own, metastore admins any.

    Raises:
        NotFound: no such token, or somebody else's.
    """
    token = _find(actor, token_id)
    record(
        actor=actor,
        action="revokeToken",
        service_name="accounts",
        subject=("TOKEN", str(token.pk), token.prefix),
        params={"principal": token.principal.name},
    )
    token.delete()


_TOKEN = "id principal_id prefix created_at expires_at last_used_at".split()
_PRINCIPAL = "id kind name key display_name is_active is_builtin password_change_required".split()
_FIND = f"""
SELECT {", ".join(f"t.{name}" for name in _TOKEN)}, {", ".join(f"p.{name}" for name in _PRINCIPAL)}
FROM registry_apitoken t JOIN registry_principal p ON p.id = t.principal_id
WHERE t.digest = %s AND (t.expires_at IS NULL OR t.expires_at > %s)
"""  # noqa: S608  (all parts are above)


def _valid_token(digest: str, *, now: datetime) -> ApiToken | None:
    for row in fetch(_FIND, [digest, now]):
        principal = instance(Principal, dict(zip(_PRINCIPAL, row[len(_TOKEN) :], strict=True)))
        return instance(ApiToken, dict(zip(_TOKEN, row, strict=False)), principal=principal)
    return None


def authenticate_token(value: str, *, context: RequestContext) -> Actor:
    """The actor that a token stands for. Two queries; a third once a minute to note the use.

    Raises:
        Unauthenticated: unknown, revoked or expired token, or a disabled principal.
    """
    now = timezone.now()
    token = _valid_token(digest_of(value), now=now)
    if token is None or not token.principal.is_active:
        raise Unauthenticated("The token is not valid: it may be mistyped, expired or revoked. Create a new one.")
    if token.last_used_at is None or now - token.last_used_at > _USE_STAMP_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return load_actor(token.principal, context=context, token=token)
