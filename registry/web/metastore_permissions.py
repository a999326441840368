"""Who may make catalogs, and who administers everything: the permissions of the metastore, under Settings."""

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry.services.actors import Actor
from registry.services.securables import metastore
from registry.web.permissions import holders_of
from registry.web.session import signed_in
from registry.web.settings_sections import Section, add_section, settings_context

add_section(Section("Permissions", "/settings/permissions", "key", position=20))


@require_safe
@signed_in
def metastore_permissions(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The permissions tab of the metastore, as a page of its own."""
    securable = metastore()
    holders = holders_of(request, actor=actor, securable=securable)
    context = {"securable": securable, "holders": holders, **settings_context(request, actor)}
    return render(request, "settings/permissions.html", context)
