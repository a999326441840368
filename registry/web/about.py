"""What runs here, under Settings: release, parts, what is stored, and the licences of what it is made of."""

import platform

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry.services.actors import Actor
from registry.services.installation import installation_health, installation_usage, packages, release
from registry.web.session import signed_in
from registry.web.settings_sections import Section, add_section, settings_context

add_section(Section("About", "/settings/about", "information-circle", position=95))


@require_safe
@signed_in
def about_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The release and the licences, for everybody; how the parts are is loaded behind, for administrators."""
    context = {"release": release(), "python": platform.python_version(), "packages": packages()}
    return render(request, "settings/about.html", {**context, **settings_context(request, actor)})


@require_safe
@signed_in
def health(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """How each part is, and what is stored: asked for now, which takes a second."""
    context = {"parts": installation_health(actor=actor), "usage": installation_usage(actor=actor)}
    return render(request, "settings/_health.html", context)
