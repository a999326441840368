"""Whether somebody may query an endpoint, as the gateway needs to know it."""

from registry.models import Principal, PrincipalKind
from registry.services.actors import Actor
from serving.models import EndpointLevel
from serving.services.endpoint_access import require_endpoint


def may_query(*, actor: Actor, name: str) -> tuple[str, ...]:
    """The names of the actor's groups, which rate limits can name, if it may query. Two queries.

    Raises:
        NotFound, AccessDenied.
    """
    require_endpoint(actor=actor, name=name, level=EndpointLevel.CAN_QUERY)
    groups = Principal.objects.filter(pk__in=list(actor.principal_ids), kind=PrincipalKind.GROUP)
    return tuple(groups.values_list("name", flat=True))
