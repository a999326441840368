"""Tables of a whole catalog at once, by patterns of their names."""

from registry.models import Securable, Table
from registry.privileges import SecurableType
from registry.services.access import require_visible, visible_to
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.name_search import like_regex
from registry.services.paging import Page, fetch_page, page_size
from registry.services.securables import find_securable


@audited_read
def list_table_summaries(
    *,
    actor: Actor,
    catalog: str,
    schema_pattern: str = "",
    table_pattern: str = "",
    max_results: int | None = None,
    page_token: str = "",
) -> Page[Table]:
    """The tables of a catalog that the actor may see, by schema and name; patterns are LIKE's, without case.

    Raises:
        NotFound: no such catalog, or a hidden one.
        InvalidParameter: a token of another list.
    """
    top = find_securable(SecurableType.CATALOG, catalog)
    require_visible(actor=actor, securable=top, named=catalog)
    rows = Securable.objects.filter(type=SecurableType.TABLE, parent__parent=top)
    if schema_pattern:
        rows = rows.filter(parent__key__regex=like_regex(schema_pattern.lower()))
    if table_pattern:
        rows = rows.filter(key__regex=like_regex(table_pattern.lower()))
    page = fetch_page(
        visible_to(actor, rows, SecurableType.TABLE).select_related("parent__parent", "table"),
        order=["parent__key", "key"],
        size=page_size(max_results),
        token=page_token,
        scope=f"summaries:{top.pk}:{schema_pattern}:{table_pattern}",
    )
    return Page([_table_of(row) for row in page.items], page.next_page_token)


def _table_of(row: Securable) -> Table:
    table = row.table
    table.securable = row
    return table
