"""The audit trail: one transaction for a change and its rows, and a row for every denial.

Public service functions are decorated with `audited` (they change or hand out something, and must `record` it) or
`audited_read` (they only show something: denials alone are recorded). The outermost decorated call opens the
transaction and writes what was recorded just before it commits. A denial is written after the rollback.
"""

import functools
import hashlib
import json
import threading
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

from django.db import connection, transaction
from django.utils import timezone

from registry.errors import AccessDenied, NotFound
from registry.models import AuditEvent, Securable
from registry.privileges import Action
from registry.services.actors import Actor

P = ParamSpec("P")
R = TypeVar("R")

CHAINS = 8
"""Writers on different chains never wait for each other."""
_LOCK_CLASS = 7_312_001
_GENESIS = "0" * 64
_MAX_USER_AGENT = 512
_TELL_EVERY = 5000
_TOLD = "told_to_the_trail"


class HiddenFromActor(NotFound):
    """A NotFound that the trail knows to be a denial; to the caller it reads like any other NotFound."""

    def __init__(self, message: str, *, action: str, securable: Securable) -> None:
        super().__init__(message)
        self.action = action
        self.denied_on = securable


class DeniedOnSecurable(AccessDenied):
    """An AccessDenied that says for the trail which action was refused on what."""

    def __init__(self, message: str, *, action: str, on: Securable, missing: str, securable: str, owner: str) -> None:
        super().__init__(message, missing=missing, securable=securable, owner=owner)
        self.action = action
        self.denied_on = on


@dataclass
class _Entry:
    actor: Actor
    action: str
    decision: str = "ALLOW"
    service_name: str = "unityCatalog"
    securable_type: str = ""
    securable_id: str = ""
    securable_name: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    before: Any = None
    after: Any = None
    message: str = ""


_open_trail: ContextVar[list[_Entry] | None] = ContextVar("open_trail", default=None)


def audited(function: Callable[P, R]) -> Callable[P, R]:
    """A service function that changes or hands out something: one transaction with its audit rows.

    Nested calls join the outermost one. A call that returns without having recorded anything is a programming
    error and is rolled back.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if _open_trail.get() is not None:
            return function(*args, **kwargs)
        return _outermost(function, *args, **kwargs)

    return call


def audited_read(function: Callable[P, R]) -> Callable[P, R]:
    """A service function that only shows something: a denial is recorded, success is not."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        if _open_trail.get() is not None:
            return function(*args, **kwargs)
        try:
            return function(*args, **kwargs)
        except (AccessDenied, HiddenFromActor) as denial:
            # One read may ask another: the innermost tells, and the rest let it pass.
            if not getattr(denial, _TOLD, False):
                record_denial(kwargs.get("actor"), denial)
                setattr(denial, _TOLD, True)
            raise

    return call


def _outermost(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    entries: list[_Entry] = []
    try:
        with transaction.atomic():
            marker = _open_trail.set(entries)
            try:
                result = function(*args, **kwargs)
            finally:
                # Before the commit: what it sets off in this thread is no part of this call.
                _open_trail.reset(marker)
            if not entries:
                raise RuntimeError(f"{function.__name__} returned without an audit row")
            _write(entries)
        return result
    except (AccessDenied, HiddenFromActor) as denial:
        record_denial(kwargs.get("actor"), denial)
        raise


def record(
    *,
    actor: Actor,
    action: Action | str,
    securable: Securable | None = None,
    subject: tuple[str, str, str] | None = None,
    params: dict[str, Any] | None = None,
    before: Any = None,
    after: Any = None,
    service_name: str = "unityCatalog",
    decision: str = "ALLOW",
) -> None:
    """Add a row to the open trail. `subject` is (type, id, name) for what is no securable.

    Raises:
        RuntimeError: called outside of an `audited` function.
    """
    entries = _open_trail.get()
    if entries is None:
        raise RuntimeError("record() needs an audited service function around it")
    type_, id_, name = subject or ("", "", "")
    if securable is not None:
        type_, id_, name = securable.type, str(securable.pk), securable.full_name
    entries.append(
        _Entry(
            actor=actor,
            action=str(action),
            decision=decision,
            service_name=service_name,
            securable_type=type_,
            securable_id=id_,
            securable_name=name,
            params=params or {},
            before=before,
            after=after,
        )
    )


def record_denial(actor: object, denial: AccessDenied | HiddenFromActor) -> None:
    """Write the row of a denial in a transaction of its own; for whoever rolls back what a service wrote.

    A denial on what is no securable says with `service_name` and `subject` what `record` would be told of it.
    """
    if not isinstance(actor, Actor):
        return
    entry = _Entry(actor=actor, action=getattr(denial, "action", "unknown"), decision="DENY", message=denial.message)
    entry.service_name = getattr(denial, "service_name", entry.service_name)
    securable = getattr(denial, "denied_on", None)
    subject: tuple[str, str, str] | None = getattr(denial, "subject", None)
    if isinstance(securable, Securable):
        entry.securable_type, entry.securable_id = securable.type, str(securable.pk)
        entry.securable_name = securable.full_name
    elif subject is not None:
        entry.securable_type, entry.securable_id, entry.securable_name = subject
    elif isinstance(denial, AccessDenied):
        entry.securable_name = denial.securable
    with transaction.atomic():
        _write([entry])


def _write(entries: Iterable[_Entry]) -> None:
    """Append rows to one chain. The chain stays locked until commit, so call this last in a transaction."""
    chain = threading.get_native_id() % CHAINS
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCK_CLASS, chain])
        cursor.execute(
            "SELECT sequence, hash FROM registry_auditevent WHERE chain = %s ORDER BY sequence DESC LIMIT 1",
            [chain],
        )
        sequence, previous = cursor.fetchone() or (0, _GENESIS)
    rows = []
    for entry in entries:
        sequence += 1
        row = _row(entry, now=now, chain=chain, sequence=sequence, previous_hash=previous)
        row.hash = previous = hash_of(row)
        rows.append(row)
    AuditEvent.objects.bulk_create(rows)


def _row(entry: _Entry, *, now: datetime, chain: int, sequence: int, previous_hash: str) -> AuditEvent:
    actor = entry.actor
    return AuditEvent(
        at=now,
        service_name=entry.service_name,
        action=entry.action,
        decision=entry.decision,
        actor_id=actor.principal.pk,
        actor=actor.name,
        securable_type=entry.securable_type,
        securable_id=entry.securable_id,
        securable_name=entry.securable_name[:1024],
        params=_plain(entry.params),
        before=_plain(entry.before),
        after=_plain(entry.after),
        message=entry.message,
        request_id=actor.context.request_id[:64],
        source_ip=actor.context.source_ip[:64],
        user_agent=actor.context.user_agent[:_MAX_USER_AGENT],
        chain=chain,
        sequence=sequence,
        previous_hash=previous_hash,
    )


def _plain(value: Any) -> Any:
    """The value as it will come back from the database, so that the hash can be computed again."""
    return json.loads(json.dumps(value, default=str))


_HASHED = (
    "at event_id service_name action decision actor_id actor securable_type securable_id securable_name params "
    "before after message request_id source_ip user_agent chain sequence previous_hash"
).split()


def hash_of(event: AuditEvent) -> str:
    """SHA-256 over every fact of the row and the hash of the row before it."""
    facts = {name: getattr(event, name) for name in _HASHED}
    facts["at"] = event.at.isoformat()
    facts["event_id"] = str(event.event_id)
    return hashlib.sha256(json.dumps(facts, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


@dataclass(frozen=True)
class ChainFault:
    """Where a chain is broken, and how."""

    chain: int
    sequence: int
    problem: str


def missing_heads(expected: Iterable[tuple[int, str]]) -> list[ChainFault]:
    """The chains that no longer hold a row that was once their last; rows may have followed. A query a chain."""
    problem = "the row with hash {}, once its last, is gone: the trail was cut at its end"
    return [
        ChainFault(chain, 0, problem.format(hash_))
        for chain, hash_ in expected
        if not AuditEvent.objects.filter(chain=chain, hash=hash_).exists()
    ]


def verify_chains(*, progress: Callable[[int], None] | None = None) -> tuple[int, list[ChainFault], dict[int, str]]:
    """Walk every chain from its first row. `progress` is told now and then how many rows were read.

    Returns the number of rows read, the faults found, and the last hash of each chain: keep these elsewhere to notice
    a trail that was cut at its end. Streams the table; memory does not grow with it.
    """
    faults: list[ChainFault] = []
    heads: dict[int, str] = {}
    expected_sequence: dict[int, int] = {}
    count = 0
    for event in AuditEvent.objects.order_by("chain", "sequence").iterator(chunk_size=2000):
        count += 1
        if progress is not None and count % _TELL_EVERY == 0:
            progress(count)
        expected = expected_sequence.get(event.chain, 0) + 1
        if event.sequence != expected:
            faults.append(ChainFault(event.chain, expected, f"rows {expected} to {event.sequence - 1} are missing"))
        elif event.previous_hash != heads.get(event.chain, _GENESIS):
            faults.append(ChainFault(event.chain, event.sequence, "does not follow the row before it"))
        if hash_of(event) != event.hash:
            faults.append(ChainFault(event.chain, event.sequence, "content was changed after it was written"))
        expected_sequence[event.chain] = event.sequence
        heads[event.chain] = event.hash
    return count, faults, heads
