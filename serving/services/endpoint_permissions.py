"""Who has which level on an endpoint: shown to those who see it, changed by those who manage it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from registry.errors import InvalidParameter
from registry.models import Principal
from registry.services.actors import Actor
from registry.services.audit import audited, audited_read, record
from registry.services.experiment_permissions import find_principal
from serving.models import EndpointLevel, EndpointPermission, ServingEndpoint
from serving.services.endpoint_access import SERVICE, check_level, require_endpoint_by_id, subject_of


@dataclass(frozen=True)
class Permission:
    """One principal's level. The creator's is CAN_MANAGE and cannot be taken away."""

    principal: Principal
    level: EndpointLevel


@audited_read
def list_permissions(*, actor: Actor, endpoint_id: str) -> list[Permission]:
    """The creator first, then everybody else by name. Needs CAN_VIEW. Two queries.

    Raises:
        NotFound.
    """
    return _permissions(require_endpoint_by_id(actor=actor, endpoint_id=endpoint_id, level=EndpointLevel.CAN_VIEW))


@audited
def update_permissions(
    *, actor: Actor, endpoint_id: str, access_control_list: Sequence[object], replace: bool
) -> list[Permission]:
    """Give levels to principals; with `replace`, take away every level that the list does not name. Needs CAN_MANAGE.

    Raises:
        NotFound: no such endpoint, one that the actor may not see, or an unknown principal in the list.
        AccessDenied, InvalidParameter.
    """
    action = "changeServingEndpointAcl"
    endpoint = require_endpoint_by_id(
        actor=actor, endpoint_id=endpoint_id, level=EndpointLevel.CAN_MANAGE, action=action, lock=True
    )
    wanted = _read_list(access_control_list)
    wanted.pop(endpoint.creator, None)
    before = _by_name(endpoint)
    others = EndpointPermission.objects.filter(endpoint=endpoint).exclude(principal=endpoint.creator_id)
    if replace:
        others.exclude(principal__in=list(wanted)).delete()
    EndpointPermission.objects.bulk_create(
        [EndpointPermission(endpoint=endpoint, principal=one, level=level) for one, level in wanted.items()],
        update_conflicts=True,
        unique_fields=["endpoint", "principal"],
        update_fields=["level"],
    )
    record(
        actor=actor,
        action=action,
        service_name=SERVICE,
        subject=subject_of(endpoint),
        before=before,
        after=_by_name(endpoint),
    )
    return _permissions(endpoint)


def _permissions(endpoint: ServingEndpoint) -> list[Permission]:
    rows = EndpointPermission.objects.filter(endpoint=endpoint).select_related("principal")
    others = rows.exclude(principal=endpoint.creator_id).order_by("principal__key")
    return [
        Permission(endpoint.creator, EndpointLevel.CAN_MANAGE),
        *(Permission(row.principal, EndpointLevel(row.level)) for row in others),
    ]


def _by_name(endpoint: ServingEndpoint) -> dict[str, str]:
    rows = EndpointPermission.objects.filter(endpoint=endpoint).order_by("principal__key")
    return dict(rows.values_list("principal__name", "level"))


def _read_list(entries: Sequence[object]) -> dict[Principal, EndpointLevel]:
    """What each entry gives to whom; of two entries for one principal the later counts."""
    wanted: dict[Principal, EndpointLevel] = {}
    for entry in entries:
        if not isinstance(entry, Mapping):
            raise InvalidParameter(
                "Each entry of 'access_control_list' must be an object.", field="access_control_list"
            )
        wanted[find_principal(entry)] = check_level(entry.get("permission_level"))
    return wanted
