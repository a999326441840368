"""The endpoints that serve a model, on its page."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.http import HttpRequest

from registry.models import RegisteredModel
from registry.services.actors import Actor
from registry.web.model_badges import Badge, add_badges
from registry.web.object_tabs import MODEL, ObjectTab, add_object_action, add_object_tab
from serving.services.endpoint_uses import endpoint_counts, endpoint_uses


def _serving_tab(_request: HttpRequest, actor: Actor, model: RegisteredModel) -> Mapping[str, Any]:
    """Where its versions answer, as far as the viewer may see."""
    return {"served": endpoint_uses(actor, model, None)}


def _badges(actor: Actor, models: Sequence[RegisteredModel]) -> dict[UUID, Badge]:
    return {
        key: Badge("bolt", count, f"Served by {count} endpoint{'s' if count > 1 else ''}", "serving")
        for key, count in endpoint_counts(actor, models).items()
    }


add_badges(_badges)
add_object_action(MODEL, "serving/_model_actions.html")
add_object_tab(MODEL, ObjectTab("serving", "Serving", "serving/_model_serving.html", _serving_tab))
