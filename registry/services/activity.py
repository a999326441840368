"""What happened to a model: the part of the audit trail that is about it and its versions."""

from registry.models import AuditEvent
from registry.privileges import Action
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.model_lookup import find_model_for
from registry.services.paging import Page, fetch_page, page_size


@audited_read
def activity_of(
    *, actor: Actor, name: object, version: int | None = None, max_results: int | None = None, page_token: str = ""
) -> Page[AuditEvent]:
    """The events of a model, or of one of its versions, newest first; for who administers the model. Three queries.

    Raises:
        NotFound, AccessDenied.
        InvalidParameter: a token of another list.
    """
    model = find_model_for(actor=actor, name=name, action=Action.READ_GRANTS)
    rows = AuditEvent.objects.filter(securable_id=str(model.pk))
    if version is not None:
        # Most actions on a version name it in their parameters; moves of aliases in what is so afterwards.
        rows = rows.filter(params__version=version) | rows.filter(after__version=version)
    return fetch_page(
        rows,
        order=["-id"],
        size=page_size(max_results),
        token=page_token,
        scope=f"activity:{model.pk}:{version}",
    )
