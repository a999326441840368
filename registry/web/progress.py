"""A registration as it goes on: the page asks again and again, ever less often, until it is over."""

import json

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from registry.errors import InvalidState
from registry.services.actors import Actor
from registry.services.operations import retry_operation
from registry.services.version_progress import progress_of
from registry.web.actions import name_of, told_in_a_toast
from registry.web.dialogs import done
from registry.web.polling import next_wait
from registry.web.session import signed_in


@require_safe
@signed_in
def progress(
    request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str, version: int
) -> HttpResponseBase:
    """How far a pending version is. When it is no longer pending, the page below is shown anew."""
    found = progress_of(actor=actor, name=name_of(catalog, schema, model), version=version)
    htmx = getattr(request, "htmx", None)
    if found.is_over and htmx:
        swap = {"path": htmx.current_url_abs_path or "/", "target": "#main", "select": "#main"}
        swap |= {"swap": "outerHTML show:none", "push": "false"}
        return HttpResponse(status=204, headers={"HX-Location": json.dumps(swap)})
    compact = "compact" in request.GET
    context = {"progress": found, "wait": next_wait(request.GET.get("wait", "")), "compact": compact}
    return render(request, "explore/_progress.html", context)


@require_POST
@signed_in
@told_in_a_toast
def retry(
    request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str, version: int
) -> HttpResponseBase:
    """Register once more what has failed; it becomes a new version, whose page is shown."""
    name = name_of(catalog, schema, model)
    found = progress_of(actor=actor, name=name, version=version)
    if found.operation is None:
        raise InvalidState(f"Version {version} was uploaded by a client: register it again from there.")
    again = retry_operation(actor=actor, operation_id=found.operation.pk)
    number = again.params["version"]
    page = reverse("version", args=[catalog, schema, model, number])
    return done(request, to=page, toast=f"Registering again, as version {number}.")
