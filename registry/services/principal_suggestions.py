"""Whom one may mean while typing a name: for those who grant, hand over, or put into groups."""

from collections.abc import Sequence

from django.db.models import Case, IntegerField, Q, Value, When

from registry.models import Principal
from registry.names import lookup_key
from registry.privileges import Action, SecurableType
from registry.services.access import require
from registry.services.actors import SYSTEM, Actor
from registry.services.audit import audited_read
from registry.services.securables import find_securable

SHOWN = 8


@audited_read
def suggest_principals(
    *, actor: Actor, type_: SecurableType, full_name: str, text: str, kinds: Sequence[str] = ()
) -> list[Principal]:
    """Active principals whose name or display name has `text` in it, those that begin with it first.

    Names of people are for those who work with them: the actor must administer the securable that it is about (the
    metastore, for the directory itself). Two queries.

    Raises:
        NotFound, AccessDenied.
    """
    securable = find_securable(type_, full_name)
    require(actor=actor, action=Action.GRANT, securable=securable, named=full_name)
    return principals_called(text, kinds=kinds)


def principals_called(text: str, *, kinds: Sequence[str] = ()) -> list[Principal]:
    """As `suggest_principals`, for callers that have checked whom the actor may learn of. One query."""
    wanted = lookup_key(text)
    begins = Q(key__startswith=wanted) | Q(display_name__istartswith=wanted)
    rows = Principal.objects.filter(Q(key__contains=wanted) | Q(display_name__icontains=wanted), is_active=True)
    if kinds:
        rows = rows.filter(kind__in=kinds)
    rank = Case(When(begins, then=Value(0)), default=Value(1), output_field=IntegerField())
    return list(rows.exclude(key=SYSTEM).annotate(rank=rank).order_by("rank", "key")[:SHOWN])
