"""A CSV or Parquet file becomes a table, or rows of one that is there."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from registry.api.bodies import body_of
from registry.errors import InvalidParameter, ModelkeepError
from registry.names import split_full_name
from registry.services.actors import Actor
from registry.services.table_uploads import form_of, upload_rows
from registry.services.tables import get_table
from registry.web.palette import Command, add_command
from registry.web.session import signed_in

MODES = [
    ("create", "Make a new table of it"),
    ("append", "Add its rows to the table"),
    ("overwrite", "Put its rows in place of the table's"),
]


@require_safe
@signed_in
def upload_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:  # noqa: ARG001  (everybody may ask)
    """The form; `schema` and `table` in the address fill it in."""
    context = {
        "modes": MODES,
        "schema": request.GET.get("schema", ""),
        "table": request.GET.get("table", ""),
        "mode": "append" if request.GET.get("table") else "create",
    }
    return render(request, "explore/upload.html", context)


@require_POST
@signed_in
def upload(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Take a file in as it comes, and tell what came of it. The body is the file itself."""
    try:
        full_name = _full_name(request.GET.get("schema", ""), request.GET.get("table", ""))
        source, _ = body_of(request)
        made = upload_rows(
            actor=actor,
            full_name=full_name,
            source=source,
            form=form_of(request.GET.get("file", ""), field="file"),
            mode=request.GET.get("mode", "create"),
        )
        context: dict[str, Any] = {
            "made": made,
            "securable": get_table(actor=actor, full_name=made.full_name).securable,
        }
    except ModelkeepError as error:
        return render(request, "explore/_uploaded.html", {"error": error.message}, status=400)
    return render(request, "explore/_uploaded.html", context)


def _full_name(schema: str, table: str) -> str:
    catalog, name = split_full_name(schema.strip(), levels=2, field="schema")
    if not table.strip():
        raise InvalidParameter("'table' is required: the table's name.", field="table")
    return f"{catalog}.{name}.{table.strip()}"


add_command(Command("Upload table", "upload-table", "arrow-up-tray", is_dialog=False))
