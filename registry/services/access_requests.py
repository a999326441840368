"""Asking for access, and answering: approved requests become grants through the gate, as any grant does."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils import timezone

from registry.errors import Conflict, InvalidParameter, InvalidState, NotFound
from registry.models import AccessRequest, AccessRequestState, Grant, Securable
from registry.privileges import Action, Privilege, SecurableType
from registry.services.access import administered_by, gather_facts, require
from registry.services.actors import Actor
from registry.services.audit import HiddenFromActor, audited, audited_read, record
from registry.services.grant_simulation import grant_with_way
from registry.services.grants import Change, ChangeAt, check_grantable, require_visible_or_held, update_grants_at
from registry.services.paging import Page, fetch_page, page_size
from registry.services.securables import find_securable

MAX_TEXT = 2000
MINE = "mine"
INBOX = "inbox"
_SERVICE = "accessRequests"


@dataclass(frozen=True)
class Approval:
    """An approved request, and which grants became different by it."""

    request: AccessRequest
    changed: list[ChangeAt]


@audited_read
def find_requestable(*, actor: Actor, type_: SecurableType, full_name: str) -> Securable:
    """The securable, if the actor knows of it and so may ask for access to it.

    Besides what one sees: what one owns or holds a grant on, and the containers of that, whose names one has read in
    a refusal. Two queries, three for a container.

    Raises:
        NotFound, InvalidParameter.
    """
    securable = find_securable(type_, full_name)
    try:
        require_visible_or_held(actor=actor, securable=securable, named=full_name)
    except HiddenFromActor:
        if not _holds_something_in(actor, securable):
            raise
    return securable


def _holds_something_in(actor: Actor, container: Securable) -> bool:
    below = Q(parent=container) | Q(parent__parent=container)
    ids = list(actor.principal_ids)
    held = Grant.objects.filter(principal__in=ids).values("securable_id")
    return Securable.objects.filter(below).filter(Q(owner__in=ids) | Q(pk__in=held)).exists()


@audited
def request_access(
    *, actor: Actor, type_: SecurableType, full_name: str, privileges: Sequence[Privilege], reason: str = ""
) -> AccessRequest:
    """Ask who administers a securable for privileges on it. Asked again while it waits, the two become one.

    Raises:
        NotFound: there is none, or the actor may not know of it.
        InvalidParameter: no privilege, one that cannot be granted there, all are held already, or too long a reason.
    """
    securable = find_requestable(actor=actor, type_=type_, full_name=full_name)
    wanted = _wanted(privileges, type_)
    facts = gather_facts(actor=actor, securable=securable)
    if all(facts.holds(privilege) for privilege in wanted):
        raise InvalidParameter(f"You hold {', '.join(wanted)} on '{full_name}' already.", field="privileges")
    now = timezone.now()
    found, made = AccessRequest.objects.select_for_update(of=("self",)).get_or_create(
        requester=actor.principal,
        securable=securable,
        state=AccessRequestState.PENDING,
        defaults={
            "securable_type": securable.type,
            "securable_name": securable.full_name,
            "privileges": wanted,
            "reason": _text(reason, "reason"),
            "created_at": now,
            "updated_at": now,
        },
    )
    if not made:
        found.privileges = list(dict.fromkeys([*found.privileges, *wanted]))
        found.reason = _text(reason, "reason") or found.reason
        found.updated_at = now
        found.save(update_fields=["privileges", "reason", "updated_at"])
    _record(actor, "requestAccess", found, after={"privileges": found.privileges, "reason": found.reason})
    return found


def _wanted(privileges: Iterable[Privilege], type_: SecurableType) -> list[Privilege]:
    wanted = list(dict.fromkeys(privileges))
    if not wanted:
        raise InvalidParameter("'privileges' is empty: name at least one.", field="privileges")
    check_grantable(wanted, type_)
    return wanted


def _text(text: str, field: str) -> str:
    if len(text) > MAX_TEXT:
        raise InvalidParameter(f"'{field}' is longer than {MAX_TEXT} characters.", field=field)
    return text.strip()


def _record(actor: Actor, action: str, request: AccessRequest, **more: Any) -> None:
    record(
        actor=actor,
        action=action,
        service_name=_SERVICE,
        subject=(request.securable_type, str(request.securable_id or ""), request.securable_name),
        params={"access_request": str(request.pk), "requester": request.requester.name},
        **more,
    )


def list_requests(
    *, actor: Actor, box: str = INBOX, state: str = "", max_results: int | None = None, page_token: str = ""
) -> Page[AccessRequest]:
    """Requests, newest first: `inbox`, about what the actor administers, or `mine`, which the actor made. One query.

    Raises:
        InvalidParameter: another box or state, or a token of another list.
    """
    if box not in {INBOX, MINE}:
        raise InvalidParameter(f"'box' is '{box}': use {INBOX} or {MINE}.", field="box")
    if state and state not in AccessRequestState.values:
        raise InvalidParameter(f"'state' is '{state}': use one of {', '.join(AccessRequestState)}.", field="state")
    rows = _with_names(_mine(actor) if box == MINE else _inbox(actor))
    return fetch_page(
        rows.filter(state=state) if state else rows,
        order=["-created_at", "-id"],
        size=page_size(max_results),
        token=page_token,
        scope=f"access_requests:{box}:{state}",
    )


def _with_names(rows: "QuerySet[AccessRequest]") -> "QuerySet[AccessRequest]":
    return rows.select_related("securable__parent__parent", "securable__owner", "requester", "decided_by")


def _mine(actor: Actor) -> "QuerySet[AccessRequest]":
    return AccessRequest.objects.filter(requester=actor.principal)


def _inbox(actor: Actor) -> "QuerySet[AccessRequest]":
    rows = AccessRequest.objects.filter(securable__isnull=False)
    return rows if actor.is_metastore_admin else rows.filter(administered_by(actor, "securable"))


def pending_requests_count(actor: Actor) -> int:
    """How many requests of others wait for an answer that the actor can give. One query."""
    return _inbox(actor).filter(state=AccessRequestState.PENDING).exclude(requester=actor.principal).count()


def get_request(*, actor: Actor, request_id: object) -> AccessRequest:
    """A request, for who made it and for who administers what it is about. One query.

    Raises:
        NotFound.
    """
    return _find(_mine(actor) | _inbox(actor), request_id)


def _find(rows: "QuerySet[AccessRequest]", request_id: object, *, lock: bool = False) -> AccessRequest:
    try:
        ids = rows.filter(pk=str(request_id)).values("pk")
    except ValidationError:
        ids = AccessRequest.objects.none().values("pk")
    every = AccessRequest.objects.select_for_update(of=("self",)) if lock else AccessRequest.objects.all()
    found = _with_names(every.filter(pk__in=ids)).first()
    if found is None:
        raise NotFound(f"Access request '{request_id}' does not exist.")
    return found


@audited
def approve_request(
    *,
    actor: Actor,
    request_id: object,
    privileges: Sequence[Privilege] | None = None,
    answer: str = "",
    with_way: bool = False,
) -> Approval:
    """Grant what was asked for, or other privileges instead, as the actor may now.

    `with_way` grants the missing rights to use the containers above as well, as far as the actor may.

    Raises:
        NotFound: no such request, or none that the actor may answer.
        InvalidState: it is answered already.
        Conflict: what it is about is gone.
        AccessDenied, InvalidParameter: as `update_grants`.
    """
    request = _waiting(_inbox(actor), request_id)
    securable = _still_there(request)
    type_ = SecurableType(securable.type)
    wanted = _wanted([Privilege(one) for one in request.privileges] if privileges is None else privileges, type_)
    change = Change(request.requester.name, add=tuple(wanted))
    if with_way:
        changed = grant_with_way(actor=actor, type_=type_, full_name=securable.full_name, change=change)
    else:
        changed = update_grants_at(actor=actor, changes=[(type_, securable.full_name, change)])
    request.granted = wanted
    _decide(actor, request, AccessRequestState.APPROVED, answer)
    asked = {"privileges": request.privileges}
    _record(actor, "approveAccessRequest", request, before=asked, after={"granted": wanted, "answer": request.answer})
    return Approval(request, changed)


@audited
def decline_request(*, actor: Actor, request_id: object, answer: str) -> AccessRequest:
    """Say no, and why.

    Raises:
        NotFound, InvalidState, Conflict, AccessDenied: as `approve_request`.
        InvalidParameter: no reason.
    """
    request = _waiting(_inbox(actor), request_id)
    securable = _still_there(request)
    require(actor=actor, action=Action.GRANT, securable=securable, named=request.securable_name)
    if not answer.strip():
        raise InvalidParameter("'answer' is required: say why, so that they know what to do.", field="answer")
    _decide(actor, request, AccessRequestState.DECLINED, answer)
    _record(actor, "declineAccessRequest", request, after={"answer": request.answer})
    return request


@audited
def withdraw_request(*, actor: Actor, request_id: object) -> AccessRequest:
    """Take one's own request back.

    Raises:
        NotFound, InvalidState.
    """
    request = _waiting(_mine(actor), request_id)
    _decide(actor, request, AccessRequestState.WITHDRAWN, "")
    _record(actor, "withdrawAccessRequest", request)
    return request


def _waiting(rows: "QuerySet[AccessRequest]", request_id: object) -> AccessRequest:
    request = _find(rows, request_id, lock=True)
    if request.state != AccessRequestState.PENDING:
        who = f" by {request.decided_by.name}" if request.decided_by else ""
        raise InvalidState(f"This request is {request.get_state_display().lower()} already{who}.")
    return request


def _still_there(request: AccessRequest) -> Securable:
    if request.securable is None:
        raise Conflict(f"'{request.securable_name}' is gone: there is nothing left to grant.")
    return request.securable


def _decide(actor: Actor, request: AccessRequest, state: AccessRequestState, answer: str) -> None:
    request.state, request.answer = state, _text(answer, "answer")
    request.decided_at = request.updated_at = timezone.now()
    request.decided_by = actor.principal
    request.save(update_fields=["state", "answer", "granted", "decided_at", "decided_by", "updated_at"])
