"""The bell: what the viewer's own operations do, which failures are new, and who waits for an answer."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from registry.models import OperationState
from registry.services.access_requests import pending_requests_count
from registry.services.actors import Actor
from registry.services.operation_views import count_own, newest_own, see_failures
from registry.services.operations import OPEN
from registry.web.polling import next_wait
from registry.web.session import signed_in

_BADGE_LONGEST = 30


@require_safe
@signed_in
def badge(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The number on the bell. It asks again only while something goes on. Two queries besides who asks."""
    return render(request, "bell/_badge.html", _counted(request, actor))


@require_safe
@signed_in
def panel(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """What lies behind the bell, with the number on it."""
    operations = newest_own(actor=actor)
    context = _counted(request, actor) | {
        "operations": operations,
        "new": [one.pk for one in operations if one.state == OperationState.FAILED and one.seen_at is None],
        "going_on": any(one.state in OPEN for one in operations),
    }
    return render(request, "bell/_panel.html", context)


@require_POST
@signed_in
def seen(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """The viewer has looked: failures until now are no news any more."""
    see_failures(actor=actor)
    return render(request, "bell/_badge.html", _counted(request, actor))


def _counted(request: HttpRequest, actor: Actor) -> dict[str, Any]:
    counts, requests = count_own(actor=actor), pending_requests_count(actor)
    return {
        "counts": counts,
        "requests": requests,
        "calls": counts.unseen_failures + requests,
        "wait": next_wait(request.GET.get("wait", ""), longest=_BADGE_LONGEST),
    }
