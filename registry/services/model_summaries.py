"""Models as lists show them: with their newest version, in a fixed number of queries."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import OuterRef, Subquery

from registry.models import ModelVersion, RegisteredModel, Securable
from registry.privileges import SecurableType
from registry.services.access import visible_to
from registry.services.actors import Actor
from registry.services.model_lookup import models_with_everything
from registry.services.paging import Page
from registry.services.registered_models import list_models

MAX_RECENT = 50


@dataclass(frozen=True)
class ModelSummary:
    """A model and the number of its newest version; None while it has none."""

    model: RegisteredModel
    newest_version: int | None


def list_model_summaries(
    *,
    actor: Actor,
    catalog: str,
    schema: str,
    name_contains: str = "",
    own: bool = False,
    order: str = "",
    max_results: int | None = None,
    page_token: str = "",
) -> Page[ModelSummary]:
    """The models of a schema that the actor may see, by name unless `order` says otherwise. Six queries.

    `own` leaves out what neither the actor nor a group of the actor owns.

    Raises:
        NotFound: no such schema, or a hidden one.
        InvalidParameter: an order that is not known, or a token of another list.
    """
    page = list_models(
        actor=actor,
        catalog=catalog,
        schema=schema,
        name_contains=name_contains,
        own=own,
        order=order,
        max_results=max_results,
        page_token=page_token,
    )
    return Page(_summaries(page.items), page.next_page_token)


def recent_models(*, actor: Actor, limit: int = 10, own: bool = False) -> list[ModelSummary]:
    """The models that the actor may see and that changed last; `own` as for `list_model_summaries`. Five queries."""
    rows = Securable.objects.filter(type=SecurableType.REGISTERED_MODEL)
    if own:
        rows = rows.filter(owner__in=list(actor.principal_ids))
    ids = list(
        visible_to(actor, rows, SecurableType.REGISTERED_MODEL)
        .order_by("-updated_at")
        .values_list("pk", flat=True)[: min(limit, MAX_RECENT)]
    )
    models = models_with_everything(RegisteredModel.objects.filter(pk__in=ids))
    return sorted(_summaries(list(models)), key=lambda found: ids.index(found.model.pk))


def _summaries(models: Sequence[RegisteredModel]) -> list[ModelSummary]:
    newest = ModelVersion.objects.filter(model=OuterRef("pk")).order_by("-version").values("version")[:1]
    rows = RegisteredModel.objects.filter(pk__in=[model.pk for model in models])
    numbers = dict(rows.annotate(newest=Subquery(newest)).values_list("pk", "newest"))
    return [ModelSummary(model, numbers.get(model.pk)) for model in models]
