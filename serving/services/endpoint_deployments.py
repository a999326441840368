"""The operation that makes a configuration answer: environments, files, replicas, and then the switch.

It may be killed at any point and run again from its start: each step looks at what is there. What answered before
goes on until the one transaction that puts the new configuration in its place.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.crypto import salted_hmac

from registry.errors import InvalidState, ModelkeepError, NotFound, Unavailable
from registry.models import ModelVersion, Operation, Principal
from registry.privileges import Action
from registry.services.access import require
from registry.services.actors import Actor, load_actor, system_actor
from registry.services.audit import audited, audited_read, record
from registry.services.operation_context import OperationContext
from registry.services.operation_kinds import operation_kind
from serving.models import ConfigState, Deployment, EndpointConfig, EndpointLevel, ServedEntity, ServingEnvironment
from serving.services.endpoint_access import SERVICE, require_endpoint_by_id, subject_of
from serving.services.endpoint_aliases import follow_aliases
from serving.services.endpoint_endings import Told, activate, end_config, lock_config
from serving.services.endpoint_events import UPDATE_SUCCEEDED, tell
from serving.services.endpoint_rollout_runs import submit_rollout
from serving.services.endpoint_updates import DEPLOY, deploy_again, entities_of
from serving.services.waiting import pause

POLL_SECONDS = 0.1
_SLOW_POLL_SECONDS = 0.5
_POLLS_BEFORE_SLOW = 100
_FLUSH_LINES = 20
MAX_BUILD_LOG = 1_000_000


def _failed(operation: Operation) -> None:
    _give_up(operation, ConfigState.FAILED, operation.error or "The deployment failed.")


def _canceled(operation: Operation) -> None:
    _give_up(operation, ConfigState.CANCELED, operation.error or "Canceled.")


def _give_up(operation: Operation, state: ConfigState, message: str) -> None:
    locked = lock_config(operation.params["config_id"])
    if locked is None:
        return
    endpoint, config = locked
    if end_config(endpoint=endpoint, config=config, state=state, message=message):
        _record_end(actor=system_actor(), config=config, message=message)


@audited
def _record_end(*, actor: Actor, config: EndpointConfig, message: str) -> None:
    record(
        actor=actor,
        action="endServingEndpointUpdate",
        service_name=SERVICE,
        subject=subject_of(config.endpoint),
        after={"config_version": config.version, "state": config.state, "message": message},
    )


@operation_kind(
    DEPLOY,
    title="Deploy a serving endpoint",
    queue="deploy",
    on_failure=_failed,
    on_cancel=_canceled,
    resubmit=deploy_again,
)
def run_deployment(context: OperationContext) -> dict[str, Any]:
    """Make a configuration ready and switch to it.

    Raises:
        ModelkeepError: why it cannot be; what answered before goes on answering.
    """
    config = _find(context)
    if config.state == ConfigState.PENDING:
        creator = config.endpoint.creator
        entities = list(entities_of(config))
        for number, entity in enumerate(entities):
            context.progress(60 * number / len(entities), f"Preparing {entity.name}")
            _prepare(context, entity, creator=creator)
        context.progress(60, "Starting replicas")
        with context.effect():
            config.entities.filter(is_wanted=False, deployment=Deployment.CREATING).update(
                is_wanted=True, deployment_message="Creating resources for served entity."
            )
        _wait_until_ready(context, config)
        _switch(context, config)
    follow_aliases(endpoint_id=config.endpoint_id)
    return {"config_version": config.version}


def _find(context: OperationContext) -> EndpointConfig:
    rows = EndpointConfig.objects.select_related("endpoint__creator")
    config = rows.filter(pk=context.params["config_id"]).first()
    if config is None:
        raise NotFound(f"Serving endpoint '{context.params['name']}' was deleted meanwhile.")
    if config.state in (ConfigState.FAILED, ConfigState.CANCELED):
        raise InvalidState(f"Configuration {config.version} is {config.state} already.")
    require_endpoint_by_id(
        actor=context.actor,
        endpoint_id=config.endpoint_id,
        level=EndpointLevel.CAN_MANAGE,
        action="updateServingEndpointConfig",
    )
    return config


def _prepare(context: OperationContext, entity: ServedEntity, *, creator: Principal) -> None:
    """Environment and files of one entity. A failure is written to the entity before it ends the operation."""
    from serving.services.environments import ensure_environment
    from serving.services.model_files import materialise_version

    log = _BuildLog(context, entity)
    try:
        acting = load_actor(creator, context=context.actor.context)
        version = require_loadable(actor=acting, entity=entity)
        environment = ensure_environment(version=version, log=log.write, canceled=lambda: _is_canceled(context))
        materialise_version(version)
        fingerprint = fingerprint_of(entity, environment=environment, actor=acting)
    except Unavailable:
        raise
    except ModelkeepError as error:
        context.check()
        log.write(error.message)
        log.flush()
        with context.effect():
            ServedEntity.objects.filter(pk=entity.pk).update(
                deployment=Deployment.FAILED, deployment_message=error.message
            )
        error.message = f"{entity.name}: {error.message}"
        raise
    log.flush()
    with context.effect():
        ServedEntity.objects.filter(pk=entity.pk).update(environment=environment, fingerprint=fingerprint)


def _is_canceled(context: OperationContext) -> bool:
    """False; an operation that was canceled, or taken over, stops by an error."""
    context.check()
    return False


@audited_read
def require_loadable(*, actor: Actor, entity: ServedEntity) -> ModelVersion:
    """The version of an entity, if the endpoint's creator may load it now.

    Raises:
        NotFound: it was deleted, or is hidden from the creator.
        AccessDenied: the creator has lost the right.
    """
    version = entity.version
    if version is None:
        raise NotFound(f"Version {entity.entity_version} of model '{entity.entity_name}' was deleted.")
    require(actor=actor, action=Action.LOAD_VERSION, securable=version.model.securable, named=entity.entity_name)
    return version


def fingerprint_of(entity: ServedEntity, *, environment: ServingEnvironment, actor: Actor) -> str:
    """What makes replicas of two entities the same process; secrets count with the values that they have now.

    Raises:
        NotFound, AccessDenied: of a secret that `actor`, the endpoint's creator, may not read.
    """
    from serving.services.secrets import resolve_environment_vars

    resolved = resolve_environment_vars(creator=actor.principal, vars=entity.environment_vars)
    parts = [
        str(entity.version_id),
        environment.digest,
        entity.workload_type,
        str(entity.micro_batching),
        *(f"{name}={value}" for name, value in sorted(resolved.items())),
    ]
    return salted_hmac("serving.fingerprint", "\x00".join(parts), algorithm="sha256").hexdigest()


@dataclass
class _BuildLog:
    """Lines for the operation's log at once, and for the entity's build log some at a time."""

    context: OperationContext
    entity: ServedEntity
    lines: list[str] = field(default_factory=list)

    def write(self, line: str) -> None:
        self.context.log(line)
        self.lines.append(line)
        if len(self.lines) % _FLUSH_LINES == 0:
            self.flush()

    def flush(self) -> None:
        text = "\n".join(self.lines)[-MAX_BUILD_LOG:]
        ServedEntity.objects.filter(pk=self.entity.pk).update(build_log=text)


def _wait_until_ready(context: OperationContext, config: EndpointConfig) -> None:
    """Until the supervisor has seen a replica of every entity answer."""
    deadline = config.created_at + timedelta(seconds=settings.SERVING_DEPLOY_SECONDS)
    polls = 0
    while True:
        context.check()
        states = list(config.entities.values_list("name", "deployment", "deployment_message"))
        failed = [f"{name}: {message}" for name, deployment, message in states if deployment in _OVER]
        if failed:
            raise InvalidState("; ".join(failed))
        ready = sum(1 for _, deployment, _ in states if deployment == Deployment.READY)
        if ready == len(states):
            return
        context.progress(60 + 35 * ready / len(states), f"{ready} of {len(states)} served entities are ready")
        if timezone.now() > deadline:
            raise InvalidState(
                f"Served entity creation aborted because the endpoint update took longer than "
                f"{settings.SERVING_DEPLOY_SECONDS} seconds. See the service logs."
            )
        polls += 1
        pause(POLL_SECONDS if polls < _POLLS_BEFORE_SLOW else _SLOW_POLL_SECONDS)


_OVER = (Deployment.FAILED, Deployment.ABORTED)


def _switch(context: OperationContext, config: EndpointConfig) -> None:
    with context.effect():
        locked = lock_config(config.pk)
        if locked is None:
            raise NotFound(f"Serving endpoint '{config.endpoint.name}' was deleted meanwhile.")
        endpoint, pending = locked
        if pending.state == ConfigState.ACTIVE:
            return
        if pending.state != ConfigState.PENDING:
            raise InvalidState(f"Configuration {pending.version} is {pending.state} already.")
        _activate(actor=context.actor, endpoint_id=endpoint.pk, config=pending)


@audited
def _activate(*, actor: Actor, endpoint_id: object, config: EndpointConfig) -> None:
    endpoint = config.endpoint
    before = endpoint.active_config
    told = Told(UPDATE_SUCCEEDED, f"Configuration {config.version} answers now.")
    activate(endpoint=endpoint, config=config, told=told, by=actor.principal)
    if config.rollout:
        submit_rollout(actor=actor, endpoint=endpoint, config=config)
    record(
        actor=actor,
        action="activateServingEndpointConfig",
        service_name=SERVICE,
        subject=subject_of(endpoint),
        params={"endpoint_id": str(endpoint_id)},
        before={"config_version": before.version if before else None},
        after={"config_version": config.version},
    )


def tell_entity_ready(entity: ServedEntity) -> None:
    """Add the event of an entity that answers for the first time; the supervisor calls this with what it writes."""
    tell(
        endpoint=entity.config.endpoint,
        kind="ENTITY_READY",
        message=f"{entity.name} has answered its first prediction.",
        config_version=entity.config.version,
        entity_name=entity.name,
    )
