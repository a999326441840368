"""Models on the move, under Settings: imports from other servers, archives out and in."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse, reverse_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry.api.bodies import body_of
from registry.api.downloads import send_archive
from registry.errors import ModelkeepError
from registry.models import Operation, OperationState
from registry.services.actors import Actor
from registry.services.archive_imports import import_archive
from registry.services.archives import MAX_MODELS, export_models, exportable_models
from registry.services.import_reports import as_result
from registry.services.imports import IMPORT, ImportRequest, problems, submit_import
from registry.services.operations import OPEN, get_operation, list_operations
from registry.web.actions import told_in_a_toast
from registry.web.dialogs import Form, dialog, done, refusals_on
from registry.web.pickers import PickerInput
from registry.web.polling import next_wait
from registry.web.session import signed_in
from registry.web.settings_sections import Section, add_section, settings_context

add_section(Section("Moving", "/settings/moving", "arrows-right-left", position=70))

_RECENT = 20
_SHOWN_MODELS = 100
_SHOWN_PROBLEMS = 100


class ImportForm(Form):
    """Which server, and where to."""

    source_url = forms.CharField(
        label="Address of the MLflow server",
        max_length=2000,
        widget=forms.TextInput({"inputmode": "url", "placeholder": "https://mlflow.example.com"}),
        help_text="A public address; servers inside the network are imported with manage.py import_mlflow.",
    )
    username = forms.CharField(label="User name", max_length=255, required=False)
    token = forms.CharField(
        label="Token or password",
        max_length=16384,
        required=False,
        widget=forms.PasswordInput({"autocomplete": "off"}),
        help_text="Kept encrypted until the import has ended, and nowhere afterwards.",
    )
    into = forms.CharField(
        label="Into schema",
        max_length=511,
        required=False,
        widget=PickerInput(reverse_lazy("places", args=["schemas"]), {"placeholder": "catalog.schema"}),
        help_text="May be left out where names over there have three levels.",
    )
    models = forms.CharField(
        label="Only these models",
        required=False,
        widget=forms.Textarea({"rows": 3}),
        help_text="One name a line. Empty: all.",
    )
    dry_run = forms.BooleanField(
        label="Only tell what would happen",
        required=False,
        help_text="The same report, and nothing is written.",
    )


@require_safe
@signed_in
def moving_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The three ways, with the imports that the viewer may see; while one goes on, their rows are asked for again."""
    page = list_operations(actor=actor, kind=IMPORT, max_results=_RECENT)
    rows = {
        "imports": [import_row(operation) for operation in page.items],
        "going_on": any(operation.state in OPEN for operation in page.items),
        "wait": next_wait(request.GET.get("wait", "")),
    }
    if getattr(request, "htmx", None) and "wait" in request.GET:
        return render(request, "settings/_imports.html", rows)
    query = request.GET.get("q", "").strip()
    context = {
        **rows,
        "more_imports": bool(page.next_page_token),
        "import_kind": IMPORT,
        "models": exportable_models(actor=actor, text=query, limit=_SHOWN_MODELS),
        "shown_models": _SHOWN_MODELS,
        "query": query,
    }
    return render(request, "settings/moving.html", {**context, **settings_context(request, actor)})


def import_row(operation: Operation) -> dict[str, Any]:
    """An import as a row of the list."""
    counts = operation.result.get("counts", {}) if operation.result else {}
    return {
        "operation": operation,
        "counts": counts,
        "dry_run": operation.params.get("dry_run", False),
    }


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def new_import(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Ask for an import; it runs as an operation."""
    form = ImportForm(request.POST if request.method == "POST" else None, initial={"dry_run": True})
    if form.is_valid():
        asked = form.cleaned_data
        with refusals_on(form):
            wanted = ImportRequest(
                source_url=asked["source_url"].strip(),
                username=asked["username"].strip(),
                token=asked["token"],
                into=asked["into"].strip(),
                models=[name.strip() for name in asked["models"].splitlines() if name.strip()],
                dry_run=asked["dry_run"],
            )
            submit_import(actor=actor, wanted=wanted)
            toast = "The import has begun. Its report stands in the list of imports."
            return done(request, to=reverse("moving"), toast=toast)
    intro = (
        "Models, versions with their files, tags, aliases and stages come over; asked for again, an import goes on "
        "with what is new. What is made is yours."
    )
    return dialog(request, title="Import from MLflow", form=form, submit="Start import", intro=intro)


@require_safe
@signed_in
@told_in_a_toast
def import_report(request: HttpRequest, actor: Actor, operation_id: str) -> HttpResponseBase:
    """What an import brought, and what of it needs a person's eye."""
    operation = get_operation(actor=actor, operation_id=operation_id)
    ended = operation.kind == IMPORT and operation.state == OperationState.SUCCEEDED
    live = {"going_on": operation.state in OPEN, "wait": next_wait("")}
    context = {**import_row(operation), **live, **(_report(operation.result) if ended else {})}
    return dialog(request, "settings/import_report.html", title=f"Import of {operation.subject}", **context)


def _report(result: dict[str, Any]) -> dict[str, Any]:
    lines = list(problems(result))
    return {
        "result": result,
        "problems": lines[:_SHOWN_PROBLEMS],
        "more_problems": max(len(lines) - _SHOWN_PROBLEMS, 0),
    }


@require_safe
@signed_in
def export(request: HttpRequest, actor: Actor) -> StreamingHttpResponse:
    """Download the chosen models as one archive."""
    names = request.GET.getlist("model")[: MAX_MODELS + 1]
    return send_archive(export_models(actor=actor, names=names))


@require_POST
@signed_in
def upload(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Read an archive as it comes in, and tell what it brought. The body is the archive itself."""
    try:
        source, _ = body_of(request)
        reports = import_archive(actor=actor, source=source, into=request.GET.get("into", "").strip())
    except ModelkeepError as error:
        return render(request, "settings/_uploaded.html", {"error": error.message}, status=400)
    return render(request, "settings/_uploaded.html", _report(as_result(reports)))
