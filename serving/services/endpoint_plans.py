"""What a configuration would take and change, told before anybody asks for it. Changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db.models import Prefetch

from registry.errors import ModelkeepError, NotFound
from registry.models import ModelVersion, RegisteredModel, VersionStatus
from registry.names import lookup_key
from registry.privileges import Action, Privilege
from registry.services.access import gather_facts
from registry.services.actors import Actor, load_actor
from registry.services.audit import audited_read
from registry.services.model_lookup import find_model
from registry.services.model_rows import version_aliased, version_numbered
from registry.services.write_plans import Need
from serving.models import EndpointConfig, EndpointLevel, EntityRole, ServedEntity, ServingEndpoint
from serving.services.config_differences import EntityDifference, differences, facts_of_spec, named_facts
from serving.services.endpoint_access import require_endpoint
from serving.services.endpoint_configs import EntitySpec, check_endpoint_name, parse_config
from serving.services.endpoint_entities import require_creator, spec_of


@dataclass
class EndpointPlan:
    """What stands for and against a configuration, and how it differs from what answers now."""

    needs: list[Need] = field(default_factory=list)
    blockers: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    differences: list[EntityDifference] = field(default_factory=list)
    is_new: bool = True
    starts: int = 0
    """How many entities start processes: a change of traffic alone starts none."""

    @property
    def is_open(self) -> bool:
        """Whether nothing stands in the way that is known now; asking for it asks the gate again."""
        return not self.blockers and all(need.met for need in self.needs)


@audited_read
def plan_endpoint(*, actor: Actor, config: Mapping[str, Any], name: str = "", endpoint: str = "") -> EndpointPlan:
    """What creating an endpoint (`name`), or a new configuration of one that is there (`endpoint`), would take.

    At most five queries an entity.

    Raises:
        NotFound, AccessDenied: of the endpoint; needs CAN_MANAGE.
        InvalidParameter, LimitExceeded: the configuration cannot be read.
    """
    plan = EndpointPlan(is_new=not endpoint)
    there = require_endpoint(actor=actor, name=endpoint, level=EndpointLevel.CAN_MANAGE) if endpoint else None
    before = _active(there)
    served = list(before.entities.all()) if before else []
    spec = parse_config(config, current=[spec_of(entity) for entity in served])
    if there is None and name:
        _check_name(plan, name)
    versions: dict[str, str] = {}
    for entity in spec.entities:
        found = _plan_entity(plan, actor, entity)
        if found is not None:
            versions[entity.name] = str(found.version)
    if there is not None and there.creator_id != actor.principal.pk:
        _plan_creator(plan, there, spec.entities)
    after = [(one.name, facts_of_spec(one, resolved=versions.get(one.name, ""))) for one in spec.entities]
    plan.differences = differences(named_facts(before), after)
    plan.starts = _starting(served, spec.entities, versions)
    _note_scale(plan, spec.entities)
    return plan


def _active(endpoint: ServingEndpoint | None) -> EndpointConfig | None:
    if endpoint is None or endpoint.active_config_id is None:
        return None
    entities = ServedEntity.objects.select_related("version__model__securable__parent__parent")
    rows = EndpointConfig.objects.prefetch_related(Prefetch("entities", entities.order_by("role", "name")))
    return rows.filter(pk=endpoint.active_config_id).first()


def _check_name(plan: EndpointPlan, name: str) -> None:
    try:
        check_endpoint_name(name)
    except ModelkeepError as error:
        plan.blockers.append(error.message)
        return
    if ServingEndpoint.objects.filter(name=name).exists():
        plan.blockers.append(f"An endpoint is called '{name}' already: choose another name.")


def _plan_entity(plan: EndpointPlan, actor: Actor, entity: EntitySpec) -> ModelVersion | None:
    """The version that would be served, for who may load it."""
    try:
        model = find_model(entity.model)
    except ModelkeepError as error:
        plan.blockers.append(error.message)
        return None
    facts = gather_facts(actor=actor, securable=model.securable)
    if not (facts.visible or facts.known_directly):
        plan.blockers.append(NotFound(f"Model '{entity.model}' does not exist.").message)
        return None
    need = Need.of(actor=actor, action=Action.LOAD_VERSION, securable=model.securable, what=Privilege.EXECUTE)
    if need not in plan.needs:
        plan.needs.append(need)
    if not need.met:
        return None
    version = _version(model, entity)
    if version is None:
        what = f"alias @{entity.alias}" if entity.alias else f"version {entity.version}"
        plan.blockers.append(f"{entity.name}: model {model.securable.full_name} has no {what}.")
        return None
    _plan_version(plan, entity, version)
    return version


def _version(model: RegisteredModel, entity: EntitySpec) -> ModelVersion | None:
    if entity.alias:
        return version_aliased(model, lookup_key(entity.alias))
    return version_numbered(model, int(entity.version))


def _plan_version(plan: EndpointPlan, entity: EntitySpec, version: ModelVersion) -> None:
    what = f"{entity.name}: version {version.version}"
    if version.status != VersionStatus.READY:
        plan.blockers.append(f"{what} is {version.status}: only a READY version can be served.")
        return
    if entity.alias:
        plan.notes.append(f"{entity.name} follows @{entity.alias}, now version {version.version}.")
    if not version.signature:
        plan.notes.append(f"{what} has no signature: bad input is found by the model, not before it.")


def _plan_creator(plan: EndpointPlan, endpoint: ServingEndpoint, entities: Sequence[EntitySpec]) -> None:
    """The endpoint acts as its creator, who must be able to load what it serves as well."""
    try:
        require_creator(creator=load_actor(endpoint.creator).principal, entities=entities)
    except ModelkeepError as error:
        plan.blockers.append(error.message)


def _starting(served: Sequence[ServedEntity], specs: Sequence[EntitySpec], versions: Mapping[str, str]) -> int:
    """Entities that cannot take over the replicas of one that runs."""

    def running(entity: ServedEntity) -> tuple[Any, ...]:
        return (
            lookup_key(entity.entity_name),
            entity.entity_version,
            entity.workload_type,
            entity.micro_batching,
            sorted(entity.environment_vars.items()),
        )

    there = [running(entity) for entity in served]
    return sum(
        (
            lookup_key(one.model),
            versions.get(one.name, ""),
            one.workload_type,
            one.micro_batching,
            sorted(one.environment_vars.items()),
        )
        not in there
        for one in specs
    )


def _note_scale(plan: EndpointPlan, entities: Sequence[EntitySpec]) -> None:
    most = sum(entity.max_concurrency for entity in entities)
    least = sum(0 if entity.scale_to_zero else entity.min_concurrency for entity in entities)
    memory = most * settings.SERVING_MEMORY_BYTES_PER_UNIT / 1024**3
    always = f"{least} of them always kept" if least else "none kept while nobody asks"
    plan.notes.append(f"Up to {most} requests at a time, {always}; at most {memory:,.0f} GB of memory.")
    live = [entity for entity in entities if entity.role == EntityRole.LIVE]
    idle = [entity.name for entity in live if not entity.traffic]
    if idle:
        plan.notes.append(f"{', '.join(idle)} gets no traffic: it answers only when it is named in the path.")
