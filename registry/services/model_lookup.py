"""Finds models by name and versions by number or alias, under a right."""

from django.db.models import Prefetch, QuerySet

from registry.errors import InvalidState, NotFound
from registry.models import ModelAlias, ModelVersion, RegisteredModel, VersionStatus
from registry.names import check_version_number, lookup_key, split_model_name
from registry.privileges import Action, SecurableType
from registry.services.access import not_found_message, require, require_visible
from registry.services.actors import Actor
from registry.services.model_rows import model_named, version_aliased, version_numbered


def canonical_name(name: object) -> str:
    """The three-level name, with the workspace's default catalog and schema filled in where they are set.

    Raises:
        InvalidParameter: not three levels.
    """
    return ".".join(split_model_name(name))


def models_with_everything(queryset: "QuerySet[RegisteredModel]") -> "QuerySet[RegisteredModel]":
    """Models with all that the dialects show, in three queries however many rows."""
    aliases = ModelAlias.objects.select_related("version").only("name", "key", "model_id", "version__version")
    return queryset.select_related(
        "securable__owner", "securable__parent__parent", "securable__created_by", "securable__updated_by"
    ).prefetch_related(Prefetch("aliases", aliases), "securable__tags")


def find_model(name: object, *, lock: bool = False) -> RegisteredModel:
    """The model of that name, whoever asks: callers `require` afterwards. One query.

    Raises:
        NotFound, InvalidParameter.
    """
    full_name = canonical_name(name)
    catalog, schema, model = (lookup_key(part) for part in full_name.split("."))
    if lock:
        found = _rows_named(catalog, schema, model).select_for_update(of=("self",)).first()
    else:
        found = model_named(catalog=catalog, schema=schema, model=model)
    if found is None:
        raise NotFound(not_found_message(SecurableType.REGISTERED_MODEL, full_name))
    return found


def _rows_named(catalog: str, schema: str, model: str) -> "QuerySet[RegisteredModel]":
    return RegisteredModel.objects.select_related("securable__owner", "securable__parent__parent").filter(
        securable__type=SecurableType.REGISTERED_MODEL,
        securable__key=model,
        securable__parent__type=SecurableType.SCHEMA,
        securable__parent__key=schema,
        securable__parent__parent__type=SecurableType.CATALOG,
        securable__parent__parent__key=catalog,
    )


def find_shown_model(name: object) -> RegisteredModel:
    """As `find_model`, with people, aliases and tags. Two queries.

    Raises:
        NotFound, InvalidParameter.
    """
    full_name = canonical_name(name)
    catalog, schema, model = (lookup_key(part) for part in full_name.split("."))
    found = model_named(catalog=catalog, schema=schema, model=model, shown=True)
    if found is None:
        raise NotFound(not_found_message(SecurableType.REGISTERED_MODEL, full_name))
    return found


def find_model_for(*, actor: Actor, name: object, action: Action, lock: bool = False) -> RegisteredModel:
    """The model of that name, if the actor may do `action` to it. Two queries.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    model = find_model(name, lock=lock)
    require(actor=actor, action=action, securable=model.securable, named=canonical_name(name))
    return model


def versions_with_everything(queryset: "QuerySet[ModelVersion]") -> "QuerySet[ModelVersion]":
    """Versions with all that the dialects show, in three queries however many rows."""
    return queryset.select_related(
        "model__securable__parent__parent", "model__securable__owner", "created_by", "updated_by"
    ).prefetch_related(Prefetch("aliases", ModelAlias.objects.only("name", "key", "version_id")), "tags")


def _missing(name: object, version: object) -> NotFound:
    return NotFound(f"Version {version} of model '{canonical_name(name)}' does not exist.")


def find_version_for(
    *, actor: Actor, name: object, version: object, action: Action, lock: bool = False
) -> ModelVersion:
    """The version, if the actor may do `action` to its model. Three queries.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
        InvalidState: `action` is LOAD_VERSION and the version is not READY.
    """
    number = check_version_number(version)
    model = find_model(name)
    require(actor=actor, action=action, securable=model.securable, named=canonical_name(name))
    rows = ModelVersion.objects.select_related("model__securable__parent__parent", "model__securable__owner")
    found = (rows.select_for_update(of=("self",)) if lock else rows).filter(model=model, version=number).first()
    if found is None:
        raise _missing(name, number)
    if action == Action.LOAD_VERSION and found.status != VersionStatus.READY:
        raise InvalidState(
            f"Version {number} of model '{canonical_name(name)}' is {found.status}: only a READY version can be read."
        )
    return found


def visible_version(*, actor: Actor, name: object, version: object) -> ModelVersion:
    """The version with tags and aliases, for who may see its model. Four queries.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    number = check_version_number(version)
    model = find_model(name)
    require_visible(actor=actor, securable=model.securable, named=canonical_name(name))
    found = version_numbered(model, number)
    if found is None:
        raise _missing(name, number)
    return found


def visible_version_by_alias(*, actor: Actor, name: object, alias: str) -> ModelVersion:
    """The version that an alias points at now, for who may see its model. Four queries.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    model = find_model(name)
    require_visible(actor=actor, securable=model.securable, named=canonical_name(name))
    found = version_aliased(model, lookup_key(alias))
    if found is None:
        raise NotFound(f"Alias '{alias}' of model '{canonical_name(name)}' does not exist.")
    return found
