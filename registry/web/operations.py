"""Operations: the list of what may be seen, and one as it goes on. What runs is shown anew until it is over."""

import json
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry.models import Operation, OperationState
from registry.services.actors import Actor
from registry.services.operation_kinds import all_kinds
from registry.services.operation_views import (
    attempts_around,
    may_cancel,
    may_retry,
    summary_of_params,
    title_of,
    watch_operation,
)
from registry.services.operations import (
    OPEN,
    get_operation,
    list_log,
    list_operations,
    request_cancel,
    retry_operation,
)
from registry.web.actions import told_in_a_toast
from registry.web.dialogs import Form, dialog, done, refusals_on
from registry.web.polling import next_wait
from registry.web.session import signed_in

PAGE_SIZE = 50
_LONGEST_LIVE = 3
"""Seconds between two looks at one operation: somebody waits in front of it."""
_STATES = [
    ("", "All", ""),
    ("open", "Going on", ",".join(OPEN)),
    ("failed", "Failed", OperationState.FAILED),
    ("succeeded", "Succeeded", OperationState.SUCCEEDED),
    ("canceled", "Canceled", OperationState.CANCELED),
]
"""As in the address, as people read it, as the service takes it."""


@require_safe
@signed_in
def operations_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The operations that the viewer may see. While one of them goes on, their rows are asked for again."""
    state = request.GET.get("state", "")
    kind = request.GET.get("kind", "")
    everybody = request.GET.get("whose") == "all"
    page = list_operations(
        actor=actor,
        state=next((value for name, _, value in _STATES if name == state), state),
        kind=kind,
        own=not everybody,
        max_results=PAGE_SIZE,
        page_token=request.GET.get("page", ""),
    )
    context = {
        "page": page,
        "state": state,
        "states": [(name, label) for name, label, _ in _STATES],
        "kind": kind,
        "kinds": [(one.name, one.title) for one in all_kinds()],
        "everybody": everybody,
        "going_on": any(operation.state in OPEN for operation in page.items),
        "wait": next_wait(request.GET.get("wait", "")),
    }
    partial = getattr(request, "htmx", None) and "wait" in request.GET
    return render(request, "operations/_rows.html" if partial else "operations/operations.html", context)


@require_safe
@signed_in
def operation_page(request: HttpRequest, actor: Actor, operation_id: UUID) -> HttpResponseBase:
    """One operation: how far it is, its log, what it was asked to do, and what can be done about it."""
    watched = watch_operation(actor=actor, operation_id=operation_id)
    operation = watched.operation
    attempts = attempts_around(actor=actor, operation=operation)
    context = _live_context(request, operation) | {
        "watched": watched,
        "title": title_of(operation),
        "attempts": attempts,
        "can_cancel": may_cancel(operation),
        "can_retry": may_retry(operation, attempts),
        "params": summary_of_params(operation),
        "result": [
            (name.replace("_", " "), value, _address(name, value))
            for name, value in operation.result.items()
            if value != ""
        ],
    }
    return render(request, "operations/operation.html", context)


def _address(name: str, value: object) -> str:
    """The page of what a result names, where it has one: a table that was written."""
    names = str(value).split(".") if name == "table" else []
    return reverse("table", args=names) if len(names) == 3 and all(names) else ""


def _live_context(request: HttpRequest, operation: Operation) -> dict[str, Any]:
    return {
        "operation": operation,
        "going_on": operation.state in OPEN,
        "wait": next_wait(request.GET.get("wait", ""), longest=_LONGEST_LIVE),
    }


@require_safe
@signed_in
def live(request: HttpRequest, actor: Actor, operation_id: UUID) -> HttpResponseBase:
    """How far an operation is now, with the lines that its log got since. Once it is over, the page is shown anew."""
    after = request.GET.get("after", "")
    watched = watch_operation(
        actor=actor, operation_id=operation_id, after=int(after) if after.isascii() and after.isdigit() else None
    )
    if watched.operation.state not in OPEN:
        swap = {"path": reverse("operation", args=[operation_id]), "target": "#main", "select": "#main"}
        swap |= {"swap": "outerHTML show:none", "push": "false"}
        return HttpResponse(status=204, headers={"HX-Location": json.dumps(swap)})
    context = _live_context(request, watched.operation) | {
        "watched": watched,
        "last_line": watched.last_line or after,
        "more_lines": True,
    }
    return render(request, "operations/_live.html", context)


@require_safe
@signed_in
def progress(request: HttpRequest, actor: Actor, operation_id: UUID) -> HttpResponseBase:
    """How far an operation is, as one line for the page of something else."""
    operation = get_operation(actor=actor, operation_id=operation_id)
    return render(request, "operations/_progress.html", _live_context(request, operation))


@require_safe
@signed_in
def log(request: HttpRequest, actor: Actor, operation_id: UUID) -> HttpResponseBase:
    """The whole log from its beginning, page by page."""
    page = list_log(actor=actor, operation_id=operation_id, page_token=request.GET.get("page", ""))
    operation = get_operation(actor=actor, operation_id=operation_id)
    context = {"page": page, "operation": operation, "title": title_of(operation)}
    return render(request, "operations/log.html", context)


@require_http_methods(["GET", "POST"])
@signed_in
def cancel(request: HttpRequest, actor: Actor, operation_id: UUID) -> HttpResponseBase:
    """Stop an operation, after having asked."""
    operation, page = get_operation(actor=actor, operation_id=operation_id), _page(operation_id)
    form = Form(request.POST if request.method == "POST" else None)
    if form.is_valid():
        with refusals_on(form):
            found = request_cancel(actor=actor, operation_id=operation_id)
            word = "Canceled." if found.state == OperationState.CANCELED else "Asked to stop."
            return done(request, to="" if getattr(request, "htmx", None) else page, toast=word)
    return dialog(
        request,
        title=f"Cancel: {title_of(operation)}",
        form=form,
        submit="Stop it",
        dismiss="Let it run",
        danger=True,
        intro=f"{operation.subject}: what it has done so far is undone or left incomplete.",
    )


@require_POST
@signed_in
@told_in_a_toast
def retry(request: HttpRequest, actor: Actor, operation_id: UUID) -> HttpResponseBase:
    """Ask once more for what failed, with the rights that the viewer has now; the new operation is shown."""
    again = retry_operation(actor=actor, operation_id=operation_id)
    return done(request, to=_page(again.pk), toast="Asked for again.")


def _page(operation_id: UUID) -> str:
    return reverse("operation", args=[operation_id])
