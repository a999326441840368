"""Secrets: written once, sealed at rest, and never shown again, only handed to the process of a served model.

A served entity's environment variable may be `{{secrets/scope/key}}`. It is resolved when a replica starts, with the
READ right of the endpoint's creator as it stands then, and goes from here into the sandbox: no row, log or answer
holds it.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

from django.utils import timezone

from registry.errors import InvalidParameter, InvalidState, LimitExceeded, NotFound
from registry.models import Principal
from registry.services.actors import Actor, RequestContext, load_actor
from registry.services.audit import audited, audited_read, record
from registry.services.sealing import seal, unseal
from serving.models import Secret, SecretGrant, SecretLevel, SecretScope
from serving.services.secret_scopes import SERVICE, covers, held_level, require_scope, subject_of

MAX_VALUE_BYTES = 128 * 1024
MAX_SECRETS_PER_SCOPE = 1000
REFERENCE = re.compile(r"\{\{\s*secrets/([\w.@-]{1,128})/([\w.-]{1,128})\s*\}\}", re.ASCII)
_KEY = re.compile(r"[\w.-]{1,128}", re.ASCII)


def check_key(key: str) -> str:
    """A key of a secret.

    Raises:
        InvalidParameter.
    """
    if not _KEY.fullmatch(key):
        raise InvalidParameter(
            f"'key' is '{key[:140]}': use 1 to 128 letters, digits, '-', '_' and '.'.", field="key"
        )
    return key


def _purpose(scope: SecretScope, key: str) -> str:
    """What a value is sealed for: moved to another place, it cannot be opened there."""
    return f"secret.{scope.pk}.{key}"


@audited
def put_secret(*, actor: Actor, scope: str, key: str, value: bytes) -> Secret:
    """Keep a value under a key, instead of the one that is there. Needs WRITE.

    Replicas that run keep the value that they were started with.

    Raises:
        NotFound: of the scope. AccessDenied, InvalidParameter, LimitExceeded.
    """
    found = require_scope(actor=actor, name=scope, level=SecretLevel.WRITE, action="putSecret", lock=True)
    check_key(key)
    if len(value) > MAX_VALUE_BYTES:
        raise InvalidParameter(f"The value has more than {MAX_VALUE_BYTES} bytes.", field="string_value")
    others = Secret.objects.filter(scope=found).exclude(key=key)
    if others.count() >= MAX_SECRETS_PER_SCOPE:
        raise LimitExceeded(
            f"Secret scope '{scope}' holds {MAX_SECRETS_PER_SCOPE} secrets already: delete one first."
        )
    sealed = seal(base64.b64encode(value).decode(), purpose=_purpose(found, key))
    secret, is_new = Secret.objects.update_or_create(
        scope=found,
        key=key,
        defaults={"sealed_value": sealed, "updated_at": timezone.now(), "updated_by": actor.principal},
    )
    record(
        actor=actor,
        action="putSecret",
        service_name=SERVICE,
        subject=subject_of(found),
        params={"key": key},
        after={"is_new": is_new},
    )
    return secret


def value_of(*, string_value: str | None, bytes_value: str | None) -> bytes:
    """The value as stock clients send it: text, or bytes in base64.

    Raises:
        InvalidParameter: neither or both, or no base64.
    """
    if (string_value is None) == (bytes_value is None):
        raise InvalidParameter("Give the value as either 'string_value' or 'bytes_value'.", field="string_value")
    if string_value is not None:
        return string_value.encode()
    try:
        return base64.b64decode(bytes_value or "", validate=True)
    except ValueError as error:  # Not only binascii.Error: text beyond ASCII is another one.
        raise InvalidParameter("'bytes_value' must be base64.", field="bytes_value") from error


@audited
def delete_secret(*, actor: Actor, scope: str, key: str) -> None:
    """Delete a secret. Needs WRITE.

    Raises:
        NotFound, AccessDenied.
    """
    found = require_scope(actor=actor, name=scope, level=SecretLevel.WRITE, action="deleteSecret", lock=True)
    deleted, _ = Secret.objects.filter(scope=found, key=key).delete()
    if not deleted:
        raise NotFound(_missing(scope, key))
    record(actor=actor, action="deleteSecret", service_name=SERVICE, subject=subject_of(found), params={"key": key})


def _missing(scope: str, key: str) -> str:
    return f"Secret '{scope}/{key}' does not exist."


@audited_read
def list_secrets(*, actor: Actor, scope: str) -> list[Secret]:
    """The keys of a scope, without what they hold, in their order. Needs READ. Three queries.

    Raises:
        NotFound, AccessDenied.
    """
    found = require_scope(actor=actor, name=scope, level=SecretLevel.READ, action="listSecrets")
    return list(Secret.objects.filter(scope=found).defer("sealed_value").select_related("updated_by").order_by("key"))


@audited_read
def refuse_to_show(*, actor: Actor, scope: str, key: str) -> None:
    """What asking for a value comes to: it is never shown, not even to who may use it.

    Raises:
        NotFound, AccessDenied: as for listing.
        InvalidState: it is there.
    """
    found = require_scope(actor=actor, name=scope, level=SecretLevel.READ, action="getSecret")
    if not Secret.objects.filter(scope=found, key=key).exists():
        raise NotFound(_missing(scope, key))
    raise InvalidState(
        f"The value of '{scope}/{key}' is never shown. Hand it to a served model as an environment variable: "
        f"{{{{secrets/{scope}/{key}}}}}."
    )


# --- Environment variables ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Reference:
    variable: str
    scope: str
    key: str


def _references(variables: Mapping[str, str]) -> list[_Reference]:
    found = []
    for name, value in variables.items():
        match = REFERENCE.fullmatch(value.strip())
        if match is not None:
            found.append(_Reference(name, match[1], match[2]))
    return found


@audited_read
def check_references(*, actor: Actor, variables: Mapping[str, str]) -> None:
    """Whether the actor may use every secret that these environment variables refer to. At most two queries.

    Raises:
        NotFound: of a secret that is not there, or that the actor may not read: no difference shows.
    """
    references = _references(variables)
    if references:
        _readable(actor, references)


def resolve_environment_vars(*, creator: Principal, vars: Mapping[str, str]) -> dict[str, str]:  # noqa: A002
    """Environment variables with the values of the secrets that they refer to: for the process of a model alone.

    `creator` is the endpoint's, whose right counts. What was handed out is on the audit trail, without values.
    Without references it costs nothing, else four queries.

    Raises:
        NotFound: of a secret that is not there, or that the creator may not read.
        InvalidState: of bytes that are no text, or that were sealed under another secret key.
    """
    if not _references(vars):
        return dict(vars)
    actor = load_actor(creator, context=RequestContext(user_agent="serving"))
    return _resolved(actor=actor, variables=vars)


@audited
def _resolved(*, actor: Actor, variables: Mapping[str, str]) -> dict[str, str]:
    references = _references(variables)
    secrets = _readable(actor, references)
    found = dict(variables)
    for reference in references:
        secret = secrets[reference.scope, reference.key]
        value = base64.b64decode(unseal(secret.sealed_value, purpose=_purpose(secret.scope, secret.key)))
        try:
            found[reference.variable] = value.decode()
        except UnicodeDecodeError as error:
            raise InvalidState(
                f"Environment variable '{reference.variable}': secret '{reference.scope}/{reference.key}' is no text."
            ) from error
        record(
            actor=actor,
            action="getSecret",
            service_name=SERVICE,
            subject=subject_of(secret.scope),
            params={"key": secret.key, "variable": reference.variable},
        )
    return found


def _readable(actor: Actor, references: list[_Reference]) -> dict[tuple[str, str], Secret]:
    """The secrets that are referred to, each of which the actor has READ on. Two queries."""
    wanted = {(reference.scope, reference.key) for reference in references}
    rows = Secret.objects.filter(scope__name__in={name for name, _ in wanted}, key__in={key for _, key in wanted})
    found = {(row.scope.name, row.key): row for row in rows.select_related("scope")}
    levels: dict[int, list[str]] = {}
    held = SecretGrant.objects.filter(
        scope__in={row.scope_id for row in found.values()}, principal__in=list(actor.principal_ids)
    )
    for scope_id, level in held.values_list("scope_id", "level"):
        levels.setdefault(scope_id, []).append(level)
    for reference in references:
        secret = found.get((reference.scope, reference.key))
        if secret is None or not covers(held_level(levels.get(secret.scope_id, [])), SecretLevel.READ):
            raise NotFound(
                f"Environment variable '{reference.variable}': there is no secret '{reference.scope}/{reference.key}'"
                f" that {actor.name} may use. Ask for READ on its scope."
            )
    return found
