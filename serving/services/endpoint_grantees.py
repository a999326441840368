"""Levels on an endpoint as people give them: to one principal, found by a part of its name, and taken away again."""

from registry.errors import InvalidParameter, NotFound
from registry.models import Principal, PrincipalKind
from registry.names import lookup_key
from registry.services.actors import Actor
from registry.services.audit import audited, audited_read, record
from registry.services.experiment_permissions import FIELD_OF_KIND
from registry.services.principal_suggestions import principals_called
from serving.models import EndpointLevel, EndpointPermission
from serving.services.endpoint_access import SERVICE, check_level, require_endpoint, subject_of
from serving.services.endpoint_permissions import update_permissions

_ACTION = "changeServingEndpointAcl"


@audited_read
def suggest_grantees(*, actor: Actor, name: object, text: str) -> list[Principal]:
    """Whom one may mean while typing a name. Needs CAN_MANAGE. Two queries.

    Raises:
        NotFound, AccessDenied.
    """
    require_endpoint(actor=actor, name=name, level=EndpointLevel.CAN_MANAGE)
    return principals_called(text)


def _called(who: str) -> Principal:
    found = Principal.objects.filter(key=lookup_key(who.strip()), is_active=True).first()
    if found is None:
        raise NotFound(f"Nobody is called '{who[:100]}'.")
    return found


def grant_level(*, actor: Actor, name: object, who: str, level: object) -> EndpointLevel | None:
    """Give a level to a user, group or service principal; returns the one that it had. Needs CAN_MANAGE.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    endpoint = require_endpoint(actor=actor, name=name, level=EndpointLevel.CAN_MANAGE, action=_ACTION)
    wanted = check_level(level, field="level")
    principal = _called(who)
    if principal.pk == endpoint.creator_id:
        raise InvalidParameter("The creator can manage the endpoint, always.", field="who")
    had = EndpointPermission.objects.filter(endpoint=endpoint, principal=principal).first()
    field = FIELD_OF_KIND[PrincipalKind(principal.kind)]
    entry = {field: principal.name, "permission_level": wanted}
    update_permissions(actor=actor, endpoint_id=endpoint.pk.hex, access_control_list=[entry], replace=False)
    return EndpointLevel(had.level) if had else None


@audited
def revoke_level(*, actor: Actor, name: object, who: str) -> EndpointLevel:
    """Take away what a principal has on an endpoint; returns the level that it had. Needs CAN_MANAGE.

    Raises:
        NotFound: no such endpoint, or it has none.
        AccessDenied.
        InvalidParameter: the creator's.
    """
    endpoint = require_endpoint(actor=actor, name=name, level=EndpointLevel.CAN_MANAGE, action=_ACTION, lock=True)
    principal = _called(who)
    if principal.pk == endpoint.creator_id:
        raise InvalidParameter("The creator's level cannot be taken away.", field="who")
    held = EndpointPermission.objects.filter(endpoint=endpoint, principal=principal).first()
    if held is None:
        raise NotFound(f"{principal.name} has no level on serving endpoint '{endpoint.name}'.")
    level = EndpointLevel(held.level)
    held.delete()
    record(
        actor=actor,
        action=_ACTION,
        service_name=SERVICE,
        subject=subject_of(endpoint),
        before={principal.name: level},
        after={principal.name: None},
    )
    return level
