"""Who acts: a principal together with every group it belongs to, as it stands now."""

import uuid
from dataclasses import dataclass, field

from django.utils import timezone

from registry.errors import AccessDenied
from registry.models import ACCOUNT_USERS, Principal, PrincipalKind
from registry.models.principals import ApiToken
from registry.services.statements import fetch

SYSTEM = "modelkeep-system"
"""The built-in service principal under which housekeeping is audited. It holds no rights."""

_HELD = """
WITH RECURSIVE held(id) AS (
    SELECT id FROM registry_principal
    WHERE id = %s OR (key = %s AND kind = 'GROUP' AND %s)
  UNION
    SELECT link.group_id FROM registry_membership link JOIN held ON link.member_id = held.id
)
SELECT array_agg(held.id),
       EXISTS (SELECT 1 FROM registry_securable m WHERE m.type = 'METASTORE' AND m.owner_id IN (SELECT id FROM held))
FROM held
"""


@dataclass(frozen=True)
class RequestContext:
    """Where a call came from, for the audit trail."""

    request_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    source_ip: str = ""
    user_agent: str = ""


@dataclass(frozen=True)
class Actor:
    """A principal, the ids of itself and of all groups it is in, and whether it administers the metastore.

    Made anew for every request, so a membership that ended counts no longer.
    """

    principal: Principal
    principal_ids: frozenset[int]
    is_metastore_admin: bool
    context: RequestContext = field(default_factory=RequestContext)
    token: ApiToken | None = None

    @property
    def name(self) -> str:
        """What grants and audit rows call it."""
        return self.principal.name

    @property
    def token_id(self) -> str:
        """The id of the API token that the call came with; empty for a session or a password."""
        return str(self.token.pk) if self.token is not None else ""

    # DRF and Django ask request.user these two.
    is_authenticated = True

    @property
    def is_active(self) -> bool:
        """Whether the principal may act at all."""
        return self.principal.is_active


def load_actor(
    principal: Principal, *, context: RequestContext | None = None, token: ApiToken | None = None
) -> Actor:
    """The actor for a principal; a disabled one holds and owns nothing. Costs one query."""
    ((held, is_admin),) = fetch(_HELD, [principal.pk, ACCOUNT_USERS, principal.kind != PrincipalKind.GROUP])
    return Actor(
        principal=principal,
        principal_ids=frozenset(held) if principal.is_active else frozenset(),
        is_metastore_admin=bool(is_admin) and principal.is_active,
        context=context or RequestContext(),
        token=token,
    )


def actor_now(principal_id: int, *, token: str = "", context: RequestContext) -> Actor:
    """The actor as it stands now. Two queries; three with `token`, the id of the API token that it came with.

    Raises:
        AccessDenied: the principal is gone or disabled, or the token was revoked.
    """
    principal = Principal.objects.filter(pk=principal_id, is_active=True).first()
    if principal is None:
        raise AccessDenied("The account behind this request is gone or disabled.")
    held = ApiToken.objects.filter(pk=token, principal=principal).first() if token else None
    if token and held is None:
        raise AccessDenied("The token behind this request was revoked: sign in anew.")
    return load_actor(principal, context=context, token=held)


def renewed(actor: Actor) -> Actor:
    """The same actor as it stands now: for what takes longer than a right may last, like an upload or a query.

    A token that has run out since lets it end: it was valid when the request came.

    Raises:
        AccessDenied: as `actor_now`.
    """
    ends = actor.token.expires_at if actor.token is not None else None
    token = "" if ends is not None and ends <= timezone.now() else actor.token_id
    return actor_now(actor.principal.pk, token=token, context=actor.context)


def system_actor() -> Actor:
    """The actor of housekeeping tasks. Costs two queries."""
    return load_actor(Principal.objects.get(key=SYSTEM), context=RequestContext(user_agent="housekeeping"))
