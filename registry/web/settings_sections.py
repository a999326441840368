"""The sections of Settings: what its left navigation offers, and to whom."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from registry.services.actors import Actor
from registry.web.session import signed_in


@dataclass(frozen=True)
class Section:
    """One entry of the navigation of Settings. Lower positions come first."""

    title: str
    url: str
    icon: str
    admins_only: bool = False
    position: int = 50


_sections: list[Section] = []


def add_section(section: Section) -> None:
    """Add an entry at its position; apps and modules of pages call this when they load."""
    if section not in _sections:
        _sections.append(section)
        _sections.sort(key=lambda one: one.position)


def settings_context(request: HttpRequest, actor: Actor) -> dict[str, Any]:
    """What `settings/frame.html` needs: the sections that the viewer may use, and which of them is shown."""
    shown = [one for one in _sections if actor.is_metastore_admin or not one.admins_only]
    current = max(
        (one for one in shown if request.path.startswith(one.url)), key=lambda one: len(one.url), default=None
    )
    return {"sections": [(one, one is current) for one in shown]}


@require_safe
@signed_in
def first_section(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Settings open with the first section that the viewer may use."""
    sections = settings_context(request, actor)["sections"]
    return redirect(sections[0][0].url if sections else "/profile")
