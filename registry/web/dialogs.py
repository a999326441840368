"""Forms over the page: how a view shows one, and how it ends.

A dialog has an address of its own. Asked by htmx it is laid over the page; opened in a tab of its own it is a page.
A view that made its change answers `done`; one whose form was refused shows the form again, with the reasons.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from registry.api.wire import STATUS
from registry.errors import ErrorCode, InvalidParameter, ModelkeepError
from registry.web.toasts import Undo, toast_event

_EXPLORER = "/explore/"


class Form(forms.Form):
    """A form that can hold what a service refused."""

    refusal: ModelkeepError | None = None

    @property
    def status(self) -> int:
        """The HTTP status that a page with this form is sent with."""
        if self.refusal is not None:
            return STATUS[self.refusal.code][0]
        return STATUS[ErrorCode.INVALID_PARAMETER_VALUE][0] if self.is_bound and self.errors else 200


def posted(request: HttpRequest) -> QueryDict | None:
    """What a form is bound to: what was sent, even if it is nothing; None when the form is only asked for."""
    return request.POST if request.method == "POST" else None


@contextmanager
def refusals_on(form: Form) -> Iterator[None]:
    """Turn what a service refuses into an error on the form: at the field that the service names, else above all."""
    try:
        yield
    except ModelkeepError as error:
        form.refusal = error
        field = error.field if isinstance(error, InvalidParameter) and error.field in form.fields else None
        form.add_error(field, error.message)


def dialog(
    request: HttpRequest,
    template: str = "dialogs/form.html",
    *,
    title: str,
    form: Form | None = None,
    submit: str = "Save",
    danger: bool = False,
    **context: Any,
) -> HttpResponse:
    """Show a dialog. `template` extends `dialogs/form.html`, or `dialog_shell` when it has no form."""
    shell = "dialogs/overlay.html" if getattr(request, "htmx", False) else "dialogs/page.html"
    everything = {"dialog_shell": shell, "title": title, "form": form, "submit": submit, "danger": danger, **context}
    return render(request, template, everything, status=form.status if form else 200)


def done(
    request: HttpRequest, *, to: str = "", toast: str = "", undo: Undo | None = None, tree: bool = False
) -> HttpResponse:
    """The change is made: close the dialog, go to `to` (or show the page below anew), and say so.

    On the same page, and within the explorer, only the object is swapped; elsewhere the page is loaded. With `tree`,
    the tree is loaded anew too: something in it came, went, or has another name.
    """
    htmx = getattr(request, "htmx", None)
    if not htmx:
        if toast:
            messages.success(request, toast)
        return redirect(to or "/")
    here = htmx.current_url_abs_path or "/"
    target = to or here
    # A dialog that was a page of its own has no tree beside it.
    alone = urlsplit(here).path == request.path
    if target != here and (alone or not (_in_explorer(here) and _in_explorer(target))):
        if toast:
            messages.success(request, toast)
        return HttpResponseClientRedirect(target)
    swap = {"path": target, "target": "#main", "select": "#main", "swap": "outerHTML show:window:top"}
    if target == here:
        swap |= {"push": "false", "swap": "outerHTML show:none"}
    response = HttpResponse(status=204, headers={"HX-Location": json.dumps(swap)})
    trigger_client_event(response, "dialog-done", {})
    if tree:
        trigger_client_event(response, "tree-changed", {})
    return toast_event(response, toast, undo=undo) if toast else response


def _in_explorer(url: str) -> bool:
    return urlsplit(url).path.startswith(_EXPLORER)
