"""SQL: a statement is written, run with the viewer's rights, watched, and its result read page by page."""

import csv
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.views.decorators.http import require_POST, require_safe

from registry.api.files_out import Line, safe_cell
from registry.errors import ModelkeepError
from registry.models import SqlStatement, StatementState
from registry.privileges import SecurableType
from registry.services.actors import Actor
from registry.services.sql_completion import COLUMN, ReadTable, complete_name
from registry.services.sql_governance import Defaults
from registry.services.sql_statements import (
    EXTERNAL_LINKS,
    OPEN,
    NewStatement,
    cancel_statement,
    get_statement,
    list_statements,
    read_window,
    submit_statement,
    walk_rows,
)
from registry.sql.highlighting import pieces
from registry.web.actions import told_in_a_toast
from registry.web.dialogs import Form, done, refusals_on
from registry.web.polling import next_wait
from registry.web.rights_in_words import NOUNS
from registry.web.session import signed_in

PAGE_ROWS = 100
_HISTORY = 20
_WAIT_SECONDS = 2.0
_LARGEST_NUMBER = 12
_ICONS = {
    COLUMN: "view-columns",
    SecurableType.CATALOG: "circle-stack",
    SecurableType.SCHEMA: "folder",
    SecurableType.TABLE: "table-cells",
    SecurableType.REGISTERED_MODEL: "cube",
}
_NOTES = {str(type_): noun for type_, noun in NOUNS.items()} | {COLUMN: "column"}
EXAMPLES = [
    ("Who may do what on a schema", "SHOW GRANTS ON SCHEMA prod.ml"),
    ("Let a group load a model", "GRANT EXECUTE ON MODEL prod.ml.ranker TO `analysts`"),
    (
        "What I did today",
        "SELECT event_time, action_name\nFROM system.access.audit\nORDER BY event_time DESC\nLIMIT 100",
    ),
    ("Models of a schema", "SHOW MODELS IN prod.ml"),
]


class StatementForm(Form):
    """A statement, and what completes short names in it."""

    statement = forms.CharField(
        label="Statement",
        error_messages={"required": "Write a statement first."},
        widget=forms.Textarea(
            {
                "rows": 7,
                "spellcheck": "false",
                "autocapitalize": "off",
                "autocomplete": "off",
                "data-sql": True,
                "data-picker": reverse_lazy("sql-names"),
                "aria-autocomplete": "list",
            }
        ),
        help_text="Names complete themselves; Ctrl Enter runs it. Escape, then Tab, leaves the field.",
    )
    catalog = forms.CharField(label="Catalog", required=False, max_length=255)
    schema = forms.CharField(label="Schema", required=False, max_length=255)


@require_safe
@signed_in
def sql_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The editor, with the statement that the address names and its result."""
    context: dict[str, Any] = {"examples": EXAMPLES, "wait": 1}
    given = {"statement": request.GET.get("text", "")}
    if "statement" in request.GET:
        found = get_statement(actor=actor, statement_id=request.GET["statement"])
        context |= _outcome(request, actor, found)
        given = {"statement": found.text, "catalog": found.catalog, "schema": found.schema}
    context["form"] = StatementForm(initial=given)
    return render(request, "sql/sql.html", context)


@require_safe
@signed_in
def names(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """What the word that is typed may become; `of` names the tables of the statement, each with its alias if any."""
    given = request.GET
    of = [one.split(maxsplit=1) for one in given.getlist("of") if one.strip()]
    found = complete_name(
        actor=actor,
        word=given.get("q", ""),
        defaults=Defaults(given.get("catalog", "").strip(), given.get("schema", "").strip()),
        tables=[ReadTable(*one) for one in of],
    )
    options = [
        {"value": one.text, "label": one.text, "icon": _ICONS[one.kind], "note": one.note.lower() or _NOTES[one.kind]}
        for one in found
    ]
    return render(request, "parts/_picker_options.html", {"options": options})


@require_POST
@signed_in
def run(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Run a statement; answers with its result, or with it still running."""
    form = StatementForm(request.POST)
    if form.is_valid():
        values = form.cleaned_data
        with refusals_on(form):
            found = _submit(actor, values["statement"], values["catalog"], values["schema"])
            page = _address(found)
            if not getattr(request, "htmx", None):
                return redirect(page)
            response = render(request, "sql/_outcome.html", _outcome(request, actor, found))
            response.headers["HX-Push-Url"] = page
            response.headers["HX-Trigger"] = "statement-sent"
            return response
    whole = "sql/_outcome.html" if getattr(request, "htmx", None) else "sql/sql.html"
    return render(request, whole, {"form": form, "examples": EXAMPLES, "refused": form.errors}, status=form.status)


def _submit(actor: Actor, text: str, catalog: str, schema: str) -> SqlStatement:
    new = NewStatement(
        text=text,
        defaults=Defaults(catalog, schema),
        wait_seconds=_WAIT_SECONDS,
        # Pages of a result are read from its chunks, so that none has to be small enough for one answer.
        disposition=EXTERNAL_LINKS,
    )
    return submit_statement(actor=actor, new=new)


def _address(found: SqlStatement) -> str:
    return f"{reverse('sql')}?statement={found.pk}"


@require_safe
@signed_in
def statement(request: HttpRequest, actor: Actor, statement_id: UUID) -> HttpResponseBase:
    """What became of a statement so far; with `first`, a later page of its rows."""
    found = get_statement(actor=actor, statement_id=statement_id)
    return render(request, "sql/_outcome.html", _outcome(request, actor, found))


def _outcome(request: HttpRequest, actor: Actor, found: SqlStatement) -> dict[str, Any]:
    context: dict[str, Any] = {
        "found": found,
        "going_on": found.state in OPEN,
        "wait": next_wait(request.GET.get("wait", ""), longest=5),
        "pieces": pieces(found.text, error=found.error_message),
    }
    if found.state != StatementState.SUCCEEDED or found.format != "JSON_ARRAY":
        return context
    count = found.manifest.get("rows", 0)
    text = request.GET.get("first", "")
    first = min(int(text) if text.isascii() and text.isdigit() and len(text) < _LARGEST_NUMBER else 0, count)
    try:
        rows = read_window(actor=actor, statement_id=found.pk, first=first, most=PAGE_ROWS)
    except ModelkeepError as error:
        # The right to read a table may have gone since, or the result.
        return context | {"unreadable": error.message}
    return context | {
        "columns": found.manifest.get("columns", []),
        "rows": rows,
        "count": count,
        "first": first,
        "last": first + len(rows),
        "earlier": max(first - PAGE_ROWS, 0) if first else None,
        "later": first + PAGE_ROWS if first + PAGE_ROWS < count else None,
    }


@require_POST
@signed_in
@told_in_a_toast
def cancel(request: HttpRequest, actor: Actor, statement_id: UUID) -> HttpResponseBase:
    """Stop a statement that runs."""
    cancel_statement(actor=actor, statement_id=statement_id)
    found = get_statement(actor=actor, statement_id=statement_id)
    if not getattr(request, "htmx", None):
        return redirect(_address(found))
    return render(request, "sql/_outcome.html", _outcome(request, actor, found))


@require_POST
@signed_in
@told_in_a_toast
def again(request: HttpRequest, actor: Actor, statement_id: UUID) -> HttpResponseBase:
    """Run an earlier statement once more, with the rights that the viewer has now."""
    earlier = get_statement(actor=actor, statement_id=statement_id)
    return done(request, to=_address(_submit(actor, earlier.text, earlier.catalog, earlier.schema)))


@require_safe
@signed_in
def history(request: HttpRequest, actor: Actor) -> HttpResponse:
    """The viewer's statements, newest first, page by page."""
    page = list_statements(actor=actor, max_results=_HISTORY, page_token=request.GET.get("page", ""))
    return render(request, "sql/_history.html", {"page": page})


@require_safe
@signed_in
def download(request: HttpRequest, actor: Actor, statement_id: UUID) -> HttpResponseBase:  # noqa: ARG001
    """The whole result as CSV."""
    found = get_statement(actor=actor, statement_id=statement_id)
    rows = walk_rows(actor=actor, statement_id=statement_id)
    names = [column["name"] for column in found.manifest.get("columns", [])]
    response = StreamingHttpResponse(_lines(names, rows), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="result.csv"'
    return response


def _lines(names: list[str], rows: Iterator[list[str | None]]) -> Iterator[str]:
    writer = csv.writer(Line())
    yield writer.writerow([safe_cell(name) for name in names])
    for row in rows:
        yield writer.writerow([safe_cell(value) for value in row])
