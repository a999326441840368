"""The versions behind served entities, found under a right: who asks must hold it, and who the endpoint acts as."""

from collections.abc import Sequence
from dataclasses import dataclass

from registry.errors import AccessDenied, NotFound
from registry.models import ModelVersion, Principal
from registry.names import lookup_key
from registry.privileges import Action
from registry.services.actors import Actor, load_actor
from registry.services.model_lookup import find_model_for, find_version_for
from registry.services.model_rows import version_aliased
from serving.models import EntityRole, ServedEntity
from serving.services.endpoint_configs import EntitySpec
from serving.services.secrets import check_references


@dataclass(frozen=True)
class ResolvedEntity:
    """What is asked for, and the READY version that it is now."""

    spec: EntitySpec
    version: ModelVersion

    @property
    def full_name(self) -> str:
        """The model's full name."""
        return self.version.model.securable.full_name


def version_wanted(*, actor: Actor, entity: EntitySpec) -> ModelVersion:
    """The version that an entity asks for, for who may load it. Three queries, seven where it follows an alias.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
        InvalidState: the version is not READY.
    """
    number: object = entity.version
    if entity.alias:
        model = find_model_for(actor=actor, name=entity.model, action=Action.LOAD_VERSION)
        aliased = version_aliased(model, lookup_key(entity.alias))
        if aliased is None:
            raise NotFound(f"Alias '{entity.alias}' of model '{entity.model}' does not exist.")
        number = aliased.version
    return find_version_for(actor=actor, name=entity.model, version=number, action=Action.LOAD_VERSION)


def resolve_entities(*, actor: Actor, creator: Principal, entities: Sequence[EntitySpec]) -> list[ResolvedEntity]:
    """The versions of all entities. Both the actor and the endpoint's creator need the right to load each of them,
    and to use the secrets that they refer to: otherwise a manager could read through the endpoint what is closed to
    them.

    Raises:
        NotFound, AccessDenied, InvalidParameter, InvalidState.
    """
    resolved = [ResolvedEntity(entity, version_wanted(actor=actor, entity=entity)) for entity in entities]
    check_references(actor=actor, variables=_variables(entities))
    if creator.pk != actor.principal.pk:
        require_creator(creator=creator, entities=entities)
    return resolved


def require_creator(*, creator: Principal, entities: Sequence[EntitySpec]) -> None:
    """Let pass an endpoint whose creator may load every version that it is to serve.

    Raises:
        AccessDenied: says which right the creator lacks.
        InvalidParameter, InvalidState.
    """
    acting = load_actor(creator)
    check_references(actor=acting, variables=_variables(entities))
    for entity in entities:
        try:
            version_wanted(actor=acting, entity=entity)
        except (AccessDenied, NotFound) as refusal:
            raise AccessDenied(
                f"The endpoint acts as its creator, {creator.name}, who may not load model '{entity.model}': "
                f"{refusal.message}",
                missing=getattr(refusal, "missing", "") or "EXECUTE",
                securable=entity.model,
                owner=getattr(refusal, "owner", ""),
            ) from refusal


def _variables(entities: Sequence[EntitySpec]) -> dict[str, str]:
    """The environment variables of all entities, under names that tell whose they are."""
    return {f"{entity.name}.{name}": value for entity in entities for name, value in entity.environment_vars.items()}


def spec_of(entity: ServedEntity, *, is_pinned: bool = False) -> EntitySpec:
    """What an entity that was written once asks for, under the name that its model has now.

    `is_pinned`: the version that it served, even where it followed an alias. Reads the version's model: select it.
    """
    model = entity.version.model.securable.full_name if entity.version is not None else entity.entity_name
    is_following = bool(entity.entity_alias) and not is_pinned
    return EntitySpec(
        name=entity.name,
        model=model,
        version="" if is_following else entity.entity_version,
        alias=entity.entity_alias if is_following else "",
        role=EntityRole(entity.role),
        workload_size=entity.workload_size,
        workload_type=entity.workload_type,
        scale_to_zero=entity.scale_to_zero,
        min_concurrency=entity.min_concurrency,
        max_concurrency=entity.max_concurrency,
        environment_vars=entity.environment_vars,
        micro_batching=entity.micro_batching,
        traffic=entity.traffic_percentage,
    )
