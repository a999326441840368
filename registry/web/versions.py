"""The page of a version: what it is, its files and environment, what speaks for it, and who uses it."""

from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry.models import ModelVersion, VersionStatus
from registry.privileges import Action
from registry.services.access import allowed_actions
from registry.services.actors import Actor
from registry.services.audit_trail import list_activity
from registry.services.lineage_graphs import version_graph
from registry.services.model_versions import get_version
from registry.services.signature_fields import fields_of
from registry.services.version_checks import checks_of
from registry.services.version_comparison import read_requirements
from registry.services.version_files import browse_files
from registry.services.version_progress import progress_of
from registry.services.version_uses import copies_of, uses_of
from registry.web.actions import name_of
from registry.web.explore import PAGE_SIZE, object_context
from registry.web.lineage_layout import lay_out
from registry.web.model_edits import version_edits
from registry.web.object_tabs import VERSION, added_actions, added_context, added_tabs, menu_items
from registry.web.polling import FIRST_SECONDS
from registry.web.session import signed_in
from registry.web.template_tags import object_url

_TABS = [
    ("overview", "Overview"),
    ("signature", "Signature"),
    ("files", "Files"),
    ("environment", "Environment"),
    ("lineage", "Lineage"),
    ("checks", "Checks"),
    ("uses", "Used by"),
]
_ACTIVITY = ("activity", "Activity")
_PARTS = [("inputs", "Inputs"), ("outputs", "Outputs"), ("params", "Parameters")]


@require_safe
@signed_in
def version_page(
    request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str, version: int
) -> HttpResponseBase:
    """A version, by tab."""
    name = name_of(catalog, schema, model)
    found = get_version(actor=actor, name=name, version=version)
    securable = found.model.securable
    may = allowed_actions(actor=actor, securable=securable)
    tabs = [*_TABS, *added_tabs(VERSION, beside=_TABS), *([_ACTIVITY] if Action.READ_GRANTS in may else [])]
    context = object_context(request, securable, tabs)
    context["crumbs"].append((securable.name, object_url(securable)))
    context |= {
        "version": found,
        "model": found.model,
        **version_edits(may, securable, found.version),
        "uri": f"models:/{securable.full_name}/{found.version}",
        "added_actions": added_actions(VERSION),
        "menu_items": menu_items(VERSION, may) if found.status == VersionStatus.READY else [],
    }
    if found.status != VersionStatus.READY:
        context |= {"progress": progress_of(actor=actor, name=name, version=version), "wait": FIRST_SECONDS}
    context |= added_context(VERSION, request, actor, found, open_tab=context["tab"])
    context |= _tab_context(request, actor, found, context["tab"])
    return render(request, "explore/version.html", context)


def _tab_context(request: HttpRequest, actor: Actor, found: ModelVersion, tab: str) -> dict[str, Any]:
    name, number = found.model.securable.full_name, found.version
    match tab:
        case "files":
            return _files(request, actor, found)
        case "signature":
            return {"parts": [(title, fields_of(found.signature.get(part))) for part, title in _PARTS]}
        case "environment":
            return _environment(found)
        case "lineage":
            graph = version_graph(actor=actor, name=name, version=number)
            return {"graph": graph, "picture": lay_out(graph)}
        case "checks":
            return {"checks": checks_of(actor=actor, name=name, version=number)}
        case "uses":
            return {
                "uses": uses_of(actor=actor, name=name, version=number),
                "copies": copies_of(actor=actor, name=name, version=number),
            }
        case "activity":
            page = list_activity(
                actor=actor,
                securable=found.model.securable,
                version=number,
                max_results=PAGE_SIZE,
                page_token=request.GET.get("page", ""),
            )
            return {"page": page}
    return {}


def _files(request: HttpRequest, actor: Actor, found: ModelVersion) -> dict[str, Any]:
    """A folder of the version, with the way to it."""
    folder = request.GET.get("folder", "").strip("/")
    rows, more = browse_files(
        actor=actor,
        name=found.model.securable.full_name,
        version=found.version,
        folder=folder,
        after=request.GET.get("after", ""),
        max_results=PAGE_SIZE,
    )
    names = folder.split("/") if folder else []
    way = [(name, "/".join(names[: place + 1])) for place, name in enumerate(names)]
    after = f"?tab=files&folder={quote(folder, safe='')}&after={quote(more, safe='')}" if more else ""
    return {"rows": rows, "way": way, "folder": folder, "next_files": after}


def _environment(found: ModelVersion) -> dict[str, Any]:
    flavor = (found.mlmodel.get("flavors") or {}).get("python_function")
    size, limit = found.packed_environment_bytes, settings.PACKED_ENVIRONMENT_MAX_BYTES
    return {
        "requirements": read_requirements(found.requirements.splitlines()),
        "python_version": flavor.get("python_version", "") if isinstance(flavor, dict) else "",
        "packed_limit": limit,
        "packed_share": min(100, round(100 * size / limit)) if size else 0,
    }
