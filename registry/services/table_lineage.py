"""What a table was used for: the versions that were made from it, and those that a client says write it."""

from registry.models import LineageEdge, Securable
from registry.privileges import SecurableType
from registry.services.access import require_visible, visible_to
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.paging import Page, fetch_page, page_size
from registry.services.securables import find_securable


@audited_read
def list_table_lineage(
    *, actor: Actor, full_name: str, max_results: int | None = None, page_token: str = ""
) -> Page[LineageEdge]:
    """The arrows between a table and versions of models that the actor may see, newest first. At most six queries.

    Raises:
        NotFound: no such table, or a hidden one.
        InvalidParameter: a token of another list.
    """
    table = find_securable(SecurableType.TABLE, full_name)
    require_visible(actor=actor, securable=table, named=full_name)
    models = visible_to(
        actor, Securable.objects.filter(type=SecurableType.REGISTERED_MODEL), SecurableType.REGISTERED_MODEL
    )
    rows = LineageEdge.objects.filter(table=table, version__model__in=models.values("pk"))
    return fetch_page(
        rows.select_related("version__model__securable__parent__parent", "recorded_by"),
        order=["-pk"],
        size=page_size(max_results),
        token=page_token,
        scope=f"table lineage:{table.pk}",
    )
