"""Home: what is new, what is one's own, what goes on, and how to begin."""

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_safe

from registry.services.actors import Actor
from registry.services.catalogs import list_catalogs
from registry.services.home_feed import list_news, yesterday
from registry.services.model_summaries import recent_models
from registry.services.operations import OPEN, list_operations
from registry.services.setup import DEFAULT_SCHEMA, WORKSPACE_CATALOG
from registry.web.context import public_host
from registry.web.explore import PAGE_SIZE
from registry.web.model_badges import badges_of
from registry.web.session import signed_in

_OWN = 8
_GOING_ON = 5


@require_safe
@signed_in
def home(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Where to begin: what changed since yesterday, or how to register a first model."""
    recent = recent_models(actor=actor)
    own = recent_models(actor=actor, limit=_OWN, own=True) if recent else []
    running = list_operations(actor=actor, own=True, state=",".join(OPEN), max_results=_GOING_ON)
    return render(
        request,
        "home.html",
        {
            "news": list_news(actor=actor, since=yesterday()),
            "own": own,
            # Whoever owns all that changed last needs no second list of the same.
            "recent": recent if {one.model.pk for one in recent} != {one.model.pk for one in own} else [],
            "badges": badges_of(actor, [one.model for one in [*own, *recent]]),
            "has_models": bool(recent),
            "running": running.items,
            "wait": 1,
            "catalogs": list_catalogs(actor=actor, max_results=PAGE_SIZE),
            "host": public_host(request),
            "example": f"{WORKSPACE_CATALOG}.{DEFAULT_SCHEMA}.my_model",
        },
    )
