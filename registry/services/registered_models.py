"""Registered models: made, found, listed, described, renamed, handed over, deleted."""

from collections.abc import Mapping
from dataclasses import dataclass

from registry.errors import InvalidParameter
from registry.events import model_changed
from registry.models import RegisteredModel, Securable
from registry.names import lookup_key, split_full_name, split_model_name
from registry.privileges import Action, SecurableType
from registry.services.access import require, require_visible, visible_to
from registry.services.actors import Actor
from registry.services.audit import audited, audited_read, record
from registry.services.model_deletion import delete_versions
from registry.services.model_lookup import (
    canonical_name,
    find_model,
    find_model_for,
    find_shown_model,
    models_with_everything,
)
from registry.services.model_rows import models_with_ids
from registry.services.name_search import names_containing
from registry.services.paging import Page, fetch_page, page_size
from registry.services.securables import (
    Changes,
    find_for,
    find_securable,
    list_order,
    make_securable,
    touch,
    update_securable,
)
from registry.services.tags import Tags, set_tags


@audited
def create_model(
    *,
    actor: Actor,
    name: object,
    comment: str = "",
    tags: Mapping[str, object] | None = None,
    deployment_job_id: str = "",
) -> RegisteredModel:
    """Make a registered model without versions, owned by the actor, who needs CREATE_MODEL on the schema.

    Raises:
        NotFound: no such schema, or a hidden one.
        AccessDenied, InvalidParameter, AlreadyExists.
    """
    catalog_name, schema_name, model_name = split_model_name(name)
    schema = find_for(
        actor=actor,
        type_=SecurableType.SCHEMA,
        full_name=f"{catalog_name}.{schema_name}",
        action=Action.CREATE_MODEL,
    )
    securable = make_securable(
        actor=actor, type_=SecurableType.REGISTERED_MODEL, parent=schema, name=model_name, comment=comment
    )
    model = RegisteredModel.objects.create(securable=securable, deployment_job_id=deployment_job_id)
    tagged = set_tags(securable.tags, Tags(set=tags or {}), actor=actor)["after"]
    record(
        actor=actor,
        action=Action.CREATE_MODEL,
        securable=securable,
        after={"comment": comment, "tags": dict(tags or {})},
    )
    facts = {"tags": tagged, "description": comment}
    model_changed.send(RegisteredModel, securable=securable, changes=[("registered_model.created", facts)])
    return model


@dataclass(frozen=True)
class ModelView:
    """A model as one actor sees it: with `browse_only`, metadata alone may be shown."""

    model: RegisteredModel
    browse_only: bool


@audited_read
def browse_model(*, actor: Actor, name: object) -> ModelView:
    """The model with aliases and tags, for who may read it or holds BROWSE on it or above. Three queries.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    model = find_shown_model(name)
    facts = require_visible(actor=actor, securable=model.securable, named=canonical_name(name))
    return ModelView(model, facts.browse_only)


def get_model(*, actor: Actor, name: object) -> RegisteredModel:
    """As `browse_model`, for dialects that do not say on what ground the model is seen."""
    return browse_model(actor=actor, name=name).model


@audited_read
def list_models(
    *,
    actor: Actor,
    catalog: str = "",
    schema: str = "",
    name_contains: str = "",
    own: bool = False,
    order: str = "",
    max_results: int | None = None,
    page_token: str = "",
) -> Page[RegisteredModel]:
    """The models that the actor may see, by name unless `order` says otherwise; of one schema, or of all.

    `own` leaves out what neither the actor nor a group of the actor owns. At most eight queries, however many rows.

    Raises:
        NotFound: no such schema, or a hidden one.
        InvalidParameter: only one of catalog and schema, an order that is not known, or a token of another list.
    """
    rows = Securable.objects.filter(type=SecurableType.REGISTERED_MODEL)
    within = None
    if catalog or schema:
        parent_name = ".".join(split_full_name(f"{catalog}.{schema}", levels=2, field="schema_name"))
        parent = find_securable(SecurableType.SCHEMA, parent_name)
        require_visible(actor=actor, securable=parent, named=parent_name)
        within = [parent.pk]
    if name_contains:
        rows = rows.filter(names_containing(lookup_key(name_contains)))
    if own:
        rows = rows.filter(owner__in=list(actor.principal_ids))
    page = fetch_page(
        visible_to(actor, rows, SecurableType.REGISTERED_MODEL, within=within).only("pk", "key", "updated_at"),
        order=list_order(order),
        size=page_size(max_results),
        token=page_token,
        scope=f"models:{catalog}.{schema}:{name_contains}:{own}:{order}",
    )
    ids = [row.pk for row in page.items]
    return Page(models_with_ids(ids), page.next_page_token)


@audited
def update_model(
    *, actor: Actor, name: object, changes: Changes, deployment_job_id: str | None = None
) -> RegisteredModel:
    """Change what is given: comment, name inside the schema, owner, deployment job.

    A new name may be short or full; a full one must stay in the same schema.

    Raises:
        NotFound, AccessDenied, InvalidParameter, AlreadyExists.
    """
    model = find_model(name, lock=True)
    securable = model.securable
    if changes.new_name is not None:
        new_name = _new_short_name(securable, changes.new_name)
        changes = Changes(new_name, changes.owner, changes.comment, changes.properties)
    if deployment_job_id is not None:
        require(actor=actor, action=Action.UPDATE_MODEL, securable=securable, named=canonical_name(name))
        model.deployment_job_id = deployment_job_id
        model.save(update_fields=["deployment_job_id"])
        touch(securable, actor=actor, fields=[])
        record(
            actor=actor,
            action=Action.UPDATE_MODEL,
            securable=securable,
            after={"deployment_job_id": deployment_job_id},
        )
    if deployment_job_id is None or changes != Changes():
        update_securable(
            securable,
            actor=actor,
            changes=changes,
            edit=Action.UPDATE_MODEL,
            rename=Action.RENAME_MODEL,
            named=canonical_name(name),
        )
    return models_with_everything(RegisteredModel.objects.filter(pk=model.pk)).get()


def _new_short_name(securable: Securable, new_name: str) -> str:
    *container, short = new_name.split(".")
    schema = securable.parent
    if container and schema is not None and lookup_key(".".join(container)) != lookup_key(schema.full_name):
        raise InvalidParameter(
            f"'{new_name}' lies outside of {schema.full_name}: a rename stays in its schema. "
            "Copy the versions to move a model.",
            field="new_name",
        )
    return short


@audited
def delete_model(*, actor: Actor, name: object) -> int:
    """Delete a model with all versions, for ever. Returns the bytes that the next sweep frees.

    Raises:
        NotFound, AccessDenied.
    """
    model = find_model_for(actor=actor, name=name, action=Action.DELETE_MODEL, lock=True)
    versions = model.versions.all()
    count = versions.count()
    record_before = {
        "versions": count,
        "comment": model.securable.comment,
        "owner": model.securable.owner.name,
    }
    freed = delete_versions(versions)
    record(
        actor=actor,
        action=Action.DELETE_MODEL,
        securable=model.securable,
        before=record_before,
        params={"freed_bytes": freed},
    )
    model.securable.delete()
    return freed
