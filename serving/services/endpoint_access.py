"""Rights on serving endpoints: CAN_VIEW < CAN_QUERY < CAN_MANAGE, held directly or through a group.

The creator holds CAN_MANAGE by a row that cannot be taken away, metastore admins hold it without one. What an
endpoint may do with models is another matter: it acts as its creator, see `endpoint_entities`.
"""

from typing import NoReturn
from uuid import UUID

from django.db.models import Case, F, IntegerField, Max, OuterRef, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.db.models.lookups import GreaterThan

from registry.errors import AccessDenied, InvalidParameter, NotFound
from registry.services.actors import Actor
from registry.services.audit import HiddenFromActor, audited_read
from serving.models import EndpointLevel, EndpointPermission, ServingEndpoint

SERVICE = "serverlessRealTimeInference"
SUBJECT = "SERVING_ENDPOINT"
LEVELS = (EndpointLevel.CAN_VIEW, EndpointLevel.CAN_QUERY, EndpointLevel.CAN_MANAGE)
_ACTION = {
    EndpointLevel.CAN_VIEW: "getServingEndpoint",
    EndpointLevel.CAN_QUERY: "queryServingEndpoint",
    EndpointLevel.CAN_MANAGE: "updateServingEndpoint",
}
_RANK = Case(
    *(When(level=level, then=Value(rank)) for rank, level in enumerate(LEVELS, start=1)),
    output_field=IntegerField(),
)


class HiddenEndpoint(HiddenFromActor):
    """An endpoint the actor may not know of; it reads like one that does not exist."""

    service_name = SERVICE

    def __init__(self, message: str, *, action: str, endpoint: ServingEndpoint) -> None:
        super(HiddenFromActor, self).__init__(message)
        self.action = action
        self.subject = subject_of(endpoint)


class DeniedOnEndpoint(AccessDenied):
    """The endpoint may be seen, and the actor's level on it is too low."""

    service_name = SERVICE

    def __init__(self, message: str, *, action: str, missing: str, endpoint: ServingEndpoint) -> None:
        super().__init__(message, missing=missing, securable=endpoint.name, owner=endpoint.creator.name)
        self.action = action
        self.subject = subject_of(endpoint)


def subject_of(endpoint: ServingEndpoint) -> tuple[str, str, str]:
    """What audit rows call an endpoint."""
    return SUBJECT, endpoint.pk.hex, endpoint.name


def missing_endpoint(name: str) -> str:
    """What a caller reads of an endpoint that is missing, or that it may not know of."""
    return f"Serving endpoint '{name}' does not exist."


def _with_level(actor: Actor) -> "QuerySet[ServingEndpoint]":
    rows = ServingEndpoint.objects.select_related("creator")
    if actor.is_metastore_admin:
        return rows.annotate(held_rank=Value(len(LEVELS), output_field=IntegerField()))
    held = EndpointPermission.objects.filter(endpoint=OuterRef("pk"), principal__in=list(actor.principal_ids))
    best = held.order_by().values("endpoint").annotate(best=Max(_RANK)).values("best")
    return rows.annotate(held_rank=Coalesce(Subquery(best, output_field=IntegerField()), Value(0)))


def visible_endpoints(actor: Actor) -> "QuerySet[ServingEndpoint]":
    """The endpoints on which the actor has a level, decided in SQL; `level_on` reads it off each row."""
    return _with_level(actor).filter(GreaterThan(F("held_rank"), 0))


def level_on(endpoint: ServingEndpoint) -> EndpointLevel:
    """The level of the actor for whom this module gave the endpoint out. No query."""
    return LEVELS[getattr(endpoint, "held_rank") - 1]  # noqa: B009  (an annotation, which the type does not know)


@audited_read
def require_endpoint(
    *, actor: Actor, name: object, level: EndpointLevel | str, action: str = "", lock: bool = False
) -> ServingEndpoint:
    """The endpoint of that name, if the actor has this level on it. One query, two with `lock`.

    `action` is the audit trail's name for what is tried. With `lock` the row stays locked until commit.

    Raises:
        NotFound: there is none, or the actor has no level on it: no difference shows.
        AccessDenied: the actor's level is too low; names the level and the creator.
    """
    found = _with_level(actor).filter(name=str(name)).first()
    return _checked(found, named=str(name), level=EndpointLevel(level), action=action, lock=lock)


@audited_read
def require_endpoint_by_id(
    *, actor: Actor, endpoint_id: object, level: EndpointLevel | str, action: str = "", lock: bool = False
) -> ServingEndpoint:
    """As `require_endpoint`, by the id that clients are given (32 hexadecimal digits).

    Raises:
        NotFound, AccessDenied.
    """
    try:
        key = UUID(str(endpoint_id))
    except ValueError as error:
        raise NotFound(missing_endpoint(str(endpoint_id))) from error
    found = _with_level(actor).filter(pk=key).first()
    return _checked(found, named=str(endpoint_id), level=EndpointLevel(level), action=action, lock=lock)


def _checked(
    found: ServingEndpoint | None, *, named: str, level: EndpointLevel, action: str, lock: bool
) -> ServingEndpoint:
    if found is None:
        raise NotFound(missing_endpoint(named))
    tried = action or _ACTION[level]
    rank = getattr(found, "held_rank")  # noqa: B009  (an annotation)
    if rank == 0:
        raise HiddenEndpoint(missing_endpoint(named), action=tried, endpoint=found)
    if rank <= LEVELS.index(level):
        _deny(found, level=level, action=tried)
    if lock:
        _lock(found, named)
    return found


def _lock(endpoint: ServingEndpoint, named: str) -> None:
    """Lock the row and read it again: what was read before the lock may have changed."""
    rows = ServingEndpoint.objects.select_for_update(of=("self",)).filter(pk=endpoint.pk)
    values = rows.values(*(field.attname for field in ServingEndpoint._meta.concrete_fields)).first()  # noqa: SLF001
    if values is None:
        raise NotFound(missing_endpoint(named))
    for field, value in values.items():
        setattr(endpoint, field, value)


def _deny(endpoint: ServingEndpoint, *, level: EndpointLevel, action: str) -> NoReturn:
    raise DeniedOnEndpoint(
        f"You have {level_on(endpoint)} on serving endpoint '{endpoint.name}' and this needs {level}. "
        f"Ask its creator, {endpoint.creator.name}.",
        action=action,
        missing=str(level),
        endpoint=endpoint,
    )


def check_level(level: object, *, field: str = "permission_level") -> EndpointLevel:
    """A level from the wire.

    Raises:
        InvalidParameter: not one of the three.
    """
    if isinstance(level, str) and level in EndpointLevel.values:
        return EndpointLevel(level)
    raise InvalidParameter(f"'{field}' is {level!r}: it must be one of {', '.join(LEVELS)}.", field=field)
