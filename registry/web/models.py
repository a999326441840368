"""The pages of a model and of a version."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry.models import ModelVersion
from registry.services.actors import Actor
from registry.services.aliases import alias_history
from registry.services.lineage import list_lineage
from registry.services.model_versions import get_version, list_versions
from registry.services.registered_models import browse_model
from registry.services.version_files import list_version_files
from registry.web.context import public_host
from registry.web.explore import PAGE_SIZE, chosen_tab, crumbs_of
from registry.web.permissions import holders_of
from registry.web.session import signed_in
from registry.web.signatures import fields_of
from registry.web.template_tags import object_url

MODEL_TABS = [("versions", "Versions"), ("aliases", "Alias history"), ("permissions", "Permissions")]
VERSION_TABS = [
    ("overview", "Overview"),
    ("signature", "Signature"),
    ("files", "Files"),
    ("environment", "Environment"),
    ("lineage", "Lineage"),
]


@require_safe
@signed_in
def model_page(request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str) -> HttpResponseBase:
    """A model: its description, and by tab its versions, where its aliases have been, who holds what on it."""
    name = f"{catalog}.{schema}.{model}"
    view = browse_model(actor=actor, name=name)
    securable = view.model.securable
    context = {
        "model": view.model,
        "browse_only": view.browse_only,
        "securable": securable,
        "crumbs": crumbs_of(securable),
        "object_tabs": MODEL_TABS,
        "tab": chosen_tab(request, MODEL_TABS),
        "host": public_host(request),
    }
    token = request.GET.get("page", "")
    match context["tab"]:
        case "permissions":
            context["holders"] = holders_of(request, actor=actor, securable=securable)
        case "aliases":
            context["page"] = alias_history(actor=actor, name=name, max_results=PAGE_SIZE, page_token=token)
        case _:
            context["page"] = list_versions(actor=actor, name=name, max_results=PAGE_SIZE, page_token=token)
    return render(request, "explore/model.html", context)


@require_safe
@signed_in
def version_page(
    request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str, version: int
) -> HttpResponseBase:
    """A version, by tab: what it is, its signature, files, environment and lineage."""
    name = f"{catalog}.{schema}.{model}"
    found = get_version(actor=actor, name=name, version=version)
    securable = found.model.securable
    context: dict[str, Any] = {
        "version": found,
        "model": found.model,
        "securable": securable,
        "crumbs": [*crumbs_of(securable), (securable.name, object_url(securable))],
        "object_tabs": VERSION_TABS,
        "tab": chosen_tab(request, VERSION_TABS),
        "host": public_host(request),
        "uri": f"models:/{securable.full_name}/{found.version}",
    }
    context.update(_tab_context(request, actor, found, context["tab"]))
    return render(request, "explore/version.html", context)


def _tab_context(request: HttpRequest, actor: Actor, found: ModelVersion, tab: str) -> dict[str, Any]:
    name = found.model.securable.full_name
    match tab:
        case "files":
            token = request.GET.get("page", "")
            files = list_version_files(
                actor=actor, name=name, version=found.version, max_results=PAGE_SIZE, page_token=token
            )
            return {"page": files}
        case "signature":
            parts = [("inputs", "Inputs"), ("outputs", "Outputs"), ("params", "Parameters")]
            return {"parts": [(title, fields_of(found.signature.get(part))) for part, title in parts]}
        case "lineage":
            edges = list_lineage(actor=actor, name=name, version=found.version)
            upstream = [edge for edge in edges if edge.direction == "UPSTREAM"]
            return {"upstream": upstream, "downstream": [edge for edge in edges if edge not in upstream]}
        case "environment":
            return {"requirements": found.requirements.splitlines()}
    return {}
