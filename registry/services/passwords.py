"""Passwords of users: changed by oneself, reset by an administrator, checked at the door."""

import hashlib
import secrets
from dataclasses import replace
from datetime import timedelta

from django.contrib.auth import authenticate
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone

from registry.errors import InvalidParameter, Unauthenticated
from registry.models import AuditEvent, Principal, PrincipalKind
from registry.names import lookup_key
from registry.services.actors import Actor, RequestContext, load_actor, system_actor
from registry.services.audit import audited, record
from registry.services.directory import find_by_id, record_change, require_administrator

MAX_FAILURES = 5
"""Failed sign-ins of one name from one address before it has to wait."""
WAIT = timedelta(minutes=5)
_SIGN_IN = "signIn"
_LOCK_CLASS = 7_312_002
_WRONG = "The name or the password is not right."


class SignInThrottled(Unauthenticated):
    """Too many failures in a row: not even the right password is looked at for a while."""


@audited
def change_password(*, actor: Actor, current: str, new: str) -> None:
    """Replace the actor's own password. Other browser sessions of the actor end.

    Raises:
        InvalidParameter: the current password is wrong, or the new one too weak or the same.
    """
    principal = find_by_id(actor.principal.pk, lock=True)
    if not principal.check_password(current):
        raise InvalidParameter("The current password is not right.", field="current")
    if current == new:
        raise InvalidParameter("Choose a password that differs from the current one.", field="new")
    _check_strength(new, principal)
    principal.set_password(new)
    principal.password_change_required = False
    principal.save(update_fields=["password", "password_change_required"])
    record_change(actor=actor, action="changePassword", principal=principal)


def _check_strength(password: str, principal: Principal) -> None:
    try:
        validate_password(password, principal)
    except ValidationError as error:
        raise InvalidParameter(" ".join(error.messages), field="new") from error


@audited
def reset_password(*, actor: Actor, principal_id: object) -> str:
    """Give a user a random password, which it must change at its next sign-in. Its sessions end.

    Returns the password: it cannot be had again.

    Raises:
        AccessDenied: not a metastore admin.
        NotFound: no such user.
    """
    require_administrator(actor)
    principal = find_by_id(principal_id, kind=PrincipalKind.USER, lock=True)
    password = secrets.token_urlsafe(12)
    principal.set_password(password)
    principal.password_change_required = True
    principal.save(update_fields=["password", "password_change_required"])
    record_change(actor=actor, action="resetPassword", principal=principal)
    return password


def sign_in(*, name: str, password: str, context: RequestContext) -> Principal:
    """The user of that name and password. Every try leaves an audit row.

    Tries of one name from one address wait for each other, so that many at once count like many in a row.

    Raises:
        Unauthenticated: name or password is wrong (which of the two is not told), or the user is disabled.
        SignInThrottled: too many failures; the message says how long to wait.
    """
    found = _try(actor=system_actor(), name=name, password=password, context=context)
    if found is None:
        raise Unauthenticated(_WRONG)
    return found


def check_basic(*, name: str, password: str, context: RequestContext) -> Principal:
    """The user of a name and password that come with every request. Only failures leave an audit row.

    Raises:
        Unauthenticated, SignInThrottled: as `sign_in`, with which it shares the count of failures.
    """
    _check_wait(_subject_id(name, context.source_ip))
    found = authenticate(None, username=lookup_key(name), password=password)
    if isinstance(found, Principal):
        return found
    # Counted under the lock, so that many tries at once count like many in a row.
    return sign_in(name=name, password=password, context=context)


@audited
def _try(*, actor: Actor, name: str, password: str, context: RequestContext) -> Principal | None:
    subject = _subject_id(name, context.source_ip)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK_CLASS, int(subject[:7], 16)])
    _check_wait(subject)
    # Django hashes once for an unknown name too, so the time taken does not tell which names exist.
    found = authenticate(None, username=lookup_key(name), password=password)
    known = found if isinstance(found, Principal) else None
    record(
        actor=load_actor(known, context=context) if known else replace(actor, context=context),
        action=_SIGN_IN,
        decision="ALLOW" if known else "DENY",
        service_name="accounts",
        subject=("SIGN_IN", subject, name[:255]),
    )
    return known


def _check_wait(subject: str) -> None:
    since = timezone.now() - WAIT
    rows = AuditEvent.objects.filter(securable_id=subject, at__gt=since).order_by("-id")
    failures = []
    for decision, at in rows.values_list("decision", "at")[:MAX_FAILURES]:
        if decision == "ALLOW":
            break
        failures.append(at)
    if len(failures) == MAX_FAILURES:
        seconds = (failures[-1] + WAIT - timezone.now()).total_seconds()
        raise SignInThrottled(
            f"Too many failed sign-ins. Try again in {max(1, round(seconds / 60))} min, "
            "or ask an administrator to reset the password."
        )


def _subject_id(name: str, source_ip: str) -> str:
    """What failures are counted under: name and address, in the length of an audit row's id."""
    return hashlib.sha256(f"{lookup_key(name)}\n{source_ip}".encode(errors="replace")).hexdigest()
