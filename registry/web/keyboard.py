"""The keys that work on every page."""

from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_safe

from registry.services.actors import Actor
from registry.web.context import shown_tabs
from registry.web.dialogs import dialog
from registry.web.session import signed_in


@require_safe
@signed_in
def keys(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """What the keyboard does."""
    return dialog(request, "keys.html", title="Keyboard", tabs_with_keys=shown_tabs(actor))
