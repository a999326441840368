"""The permissions tab: principals down, privileges across, and where each of them comes from."""

from dataclasses import dataclass

from django.http import HttpRequest

from registry.models import Securable
from registry.privileges import COVERED_BY_ALL, Action, Privilege, SecurableType
from registry.services.access import allowed_actions
from registry.services.actors import Actor
from registry.services.holders import Holder, Holders, list_holders
from registry.web.rights_in_words import PRIVILEGES, grantable_on

PAGE_SIZE = 50


@dataclass(frozen=True)
class Cell:
    """How one principal comes to one privilege: granted here, on `source`, or covered by ALL PRIVILEGES."""

    privilege: Privilege
    direct: bool
    source: Securable | None
    covered: bool


@dataclass(frozen=True)
class Row:
    """One principal of the matrix."""

    holder: Holder
    cells: list[Cell]


@dataclass(frozen=True)
class Tab:
    """Everything that the tab shows."""

    holders: Holders
    columns: list[tuple[Privilege, str]]
    rows: list[Row]
    query: str
    may_grant: bool
    may_transfer: bool


def holders_of(request: HttpRequest, *, actor: Actor, securable: Securable) -> Tab:
    """Everybody's privileges for who administers the object, else one's own. Six queries at most.

    Raises:
        NotFound, InvalidParameter.
    """
    type_, query = SecurableType(securable.type), request.GET.get("q", "").strip()
    holders = list_holders(
        actor=actor,
        type_=type_,
        full_name=securable.full_name,
        text=query,
        max_results=PAGE_SIZE,
        page_token=request.GET.get("page", ""),
    )
    allowed = allowed_actions(actor=actor, securable=securable)
    columns = grantable_on(type_)
    return Tab(
        holders=holders,
        columns=[(privilege, PRIVILEGES[privilege]) for privilege in columns],
        rows=[Row(holder, [_cell(holder, privilege) for privilege in columns]) for holder in holders.rows],
        query=query,
        may_grant=Action.GRANT in allowed,
        may_transfer=Action.TRANSFER in allowed,
    )


def _cell(holder: Holder, privilege: Privilege) -> Cell:
    everything = Privilege.ALL_PRIVILEGES in holder.direct or Privilege.ALL_PRIVILEGES in holder.inherited
    return Cell(
        privilege,
        direct=privilege in holder.direct,
        source=holder.inherited.get(privilege),
        covered=everything and privilege in COVERED_BY_ALL,
    )
