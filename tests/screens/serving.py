"""Endpoints of the seeded world, as deployments, gateways and supervisors would have left them."""

import math
from datetime import timedelta

from django.utils import timezone

from registry.models import ModelVersion, Operation, Securable
from registry.services.actors import Actor
from serving.models import (
    CaptureForm,
    ConfigState,
    ConfigUpdate,
    Deployment,
    EndpointConfig,
    EndpointEvent,
    EndpointLevel,
    EndpointPermission,
    EndpointSample,
    EntityRole,
    InferenceTable,
    Replica,
    ReplicaState,
    ServedEntity,
    ServingEndpoint,
)
from serving.routing.stats import LATENCY_BOUNDS_MS
from serving.services.endpoint_configs import SIZES
from serving.services.endpoint_grantees import grant_level
from serving.services.endpoints import set_rate_limits, update_tags
from serving.services.secret_scopes import create_scope, put_grant
from serving.services.secrets import put_secret

_NO_PACKAGE = "Line 'scikit-lern==1.7.0' names a package that does not exist. Did you mean 'scikit-learn'?"
_BUILD_LOG = """Reading the requirements of prod.flights.delay version 6
Resolving 4 requirements for Python 3.11.7
  mlflow==3.17.2
  scikit-lern==1.7.0
  \u00d7 No solution found when resolving dependencies:
  ╰─▶ Because scikit-lern was not found in the package registry, the requirements cannot be satisfied.
Line 'scikit-lern==1.7.0' names a package that does not exist. Did you mean 'scikit-learn'?
"""
_SERVICE_LOG = """Loading prod.flights.delay version {version} from /model
Python 3.11.7, mlflow 3.17.2
Loaded in 1.84 s
Ready: 4 requests at a time
WARNING sklearn: X does not have valid feature names
"""


def build(ada: Actor) -> None:
    """One endpoint of each state: what Ada runs, what others may see of it."""
    delay = _endpoint(ada, "flight-delay", "Minutes that a flight leaves late, for the **booking page**.")
    _history(ada, delay)
    _traffic(delay)
    grant_level(actor=ada, name="flight-delay", who="analysts", level=EndpointLevel.CAN_QUERY)
    set_rate_limits(
        actor=ada,
        name="flight-delay",
        rate_limits=[{"calls": 6000, "renewal_period": "minute", "key": "endpoint"}],
    )
    update_tags(actor=ada, name="flight-delay", add=[{"key": "team", "value": "operations"}])
    _updating(ada, _endpoint(ada, "flight-delay-canary"))
    _failed(ada, _endpoint(ada, "fare-nightly"))
    stopped = _endpoint(ada, "fare")
    _config(ada, stopped, 1, [("fare-2", "pricing.fare", 2, 100)], state=ConfigState.ACTIVE, deployment="STOPPED")
    ServingEndpoint.objects.filter(pk=stopped.pk).update(is_stopped=True)
    asleep = _endpoint(ada, "fare-preview", "Wakes for whoever asks.")
    _config(ada, asleep, 1, [("fare-1", "pricing.fare", 1, 100)], state=ConfigState.ACTIVE, replicas=0, to_zero=True)
    _secrets(ada)


def keep_answers(ada: Actor, *, payload: str, unpacked: str) -> None:
    """What the canary is asked and answers is kept: in these tables, which are there."""
    tables = {one.full_name: one for one in Securable.objects.select_related("parent__parent").filter(type="TABLE")}
    endpoint = ServingEndpoint.objects.get(name="flight-delay-canary")
    now = timezone.now()
    InferenceTable.objects.create(
        endpoint=endpoint,
        endpoint_name=endpoint.name,
        form=CaptureForm.AI_GATEWAY,
        table=tables[payload],
        unpacked_table=tables[unpacked],
        retention_days=90,
        appended_rows=128_400,
        appended_at=now - timedelta(seconds=40),
        created_at=now - timedelta(days=4),
        created_by=ada.principal,
    )


def _endpoint(ada: Actor, name: str, description: str = "") -> ServingEndpoint:
    at = timezone.now() - timedelta(days=9)
    made = ServingEndpoint.objects.create(
        name=name, description=description, creator=ada.principal, created_at=at, updated_at=at
    )
    EndpointPermission.objects.create(endpoint=made, principal=ada.principal, level=EndpointLevel.CAN_MANAGE)
    return made


def _version(model: str, number: int) -> ModelVersion:
    schema, name = model.split(".")
    found = ModelVersion.objects.filter(model__securable__key=name, model__securable__parent__key=schema)
    return found.get(version=number, model__securable__parent__parent__key="prod")


def _config(
    ada: Actor,
    endpoint: ServingEndpoint,
    number: int,
    entities: list[tuple[str, str, int, int]],
    *,
    state: ConfigState,
    reason: str = "update",
    message: str = "",
    days: float = 1.0,
    deployment: str = Deployment.READY,
    replicas: int = 1,
    to_zero: bool = False,
    alias: str = "",
    shadow: str = "",
) -> EndpointConfig:
    at = timezone.now() - timedelta(days=days)
    answered = state in {ConfigState.ACTIVE, ConfigState.SUPERSEDED}
    config = EndpointConfig.objects.create(
        endpoint=endpoint,
        version=number,
        state=state,
        reason=reason,
        message=message,
        created_at=at,
        created_by=ada.principal,
        activated_at=at + timedelta(seconds=94) if answered else None,
    )
    for name, model, version, share in entities:
        is_live = deployment == Deployment.READY and state == ConfigState.ACTIVE
        entity = ServedEntity.objects.create(
            config=config,
            name=name,
            role=EntityRole.SHADOW if name == shadow else EntityRole.LIVE,
            traffic_percentage=share,
            entity_name=f"prod.{model}",
            entity_version=str(version),
            entity_alias=alias if name == entities[0][0] else "",
            version=_version(model, version),
            workload_size="Small",
            min_concurrency=SIZES["Small"][0],
            max_concurrency=SIZES["Small"][1],
            scale_to_zero=to_zero,
            environment_vars={"LEVEL": "info", "API_KEY": "{{secrets/weather/api-key}}"} if share == 90 else {},
            deployment=deployment if deployment in Deployment.values else Deployment.READY,
            deployment_message="Scaled to zero" if to_zero else "",
            created_at=at,
        )
        for _ in range(replicas if is_live else 0):
            Replica.objects.create(
                entity=entity,
                host="model-host-1",
                state=ReplicaState.READY,
                pid=4711,
                created_at=at,
                ready_at=at + timedelta(seconds=4),
                log_tail=_SERVICE_LOG.format(version=version),
            )
    endpoint.last_config_version = number
    endpoint.updated_at = at
    if state == ConfigState.ACTIVE:
        endpoint.active_config = config
    elif state != ConfigState.SUPERSEDED:
        endpoint.pending_config = config
    endpoint.save()
    return config


def _history(ada: Actor, endpoint: ServingEndpoint) -> None:
    one, two = "flights.delay", ConfigState.SUPERSEDED
    _config(ada, endpoint, 1, [("delay-4", one, 4, 100)], state=two, reason="create", days=9)
    _config(ada, endpoint, 2, [("delay-5", one, 5, 100)], state=two, reason="alias Champion moved to 5", days=6)
    _config(
        ada,
        endpoint,
        3,
        [("delay-5", one, 5, 70), ("delay-6", one, 6, 30)],
        state=ConfigState.FAILED,
        message=f"delay-6: {_NO_PACKAGE}",
        days=3,
    )
    _config(
        ada,
        endpoint,
        4,
        [("Champion", one, 5, 90), ("Challenger", one, 6, 10), ("delay-4", one, 4, 0)],
        state=ConfigState.ACTIVE,
        days=2,
        alias="Champion",
        shadow="delay-4",
    )
    endpoint.pending_config = None
    endpoint.save()
    now = timezone.now()
    for days, kind, level, message, number in [
        (9, "CREATED", "INFO", "The endpoint was created.", None),
        (9, "UPDATE_SUCCEEDED", "INFO", "Configuration 1 answers: delay-4 (100 %).", 1),
        (6, "ALIAS_MOVED", "INFO", "Champion of prod.flights.delay moved from version 4 to 5.", 2),
        (6, "UPDATE_SUCCEEDED", "INFO", "Configuration 2 answers: delay-5 (100 %).", 2),
        (3, "UPDATE_FAILED", "ERROR", "delay-6: Line 'scikit-lern==1.7.0' names a package that does not exist.", 3),
        (2, "UPDATE_SUCCEEDED", "INFO", "Configuration 4 answers: Champion (90 %), Challenger (10 %).", 4),
        (
            0.2,
            "REPLICA_RESTARTED",
            "WARNING",
            "A replica of Challenger ended (out of memory) and was started anew.",
            4,
        ),
    ]:
        EndpointEvent.objects.create(
            endpoint=endpoint,
            at=now - timedelta(days=days),
            kind=kind,
            level=level,
            message=message,
            config_version=number,
            entity_name="Challenger" if kind == "REPLICA_RESTARTED" else "",
            by=ada.principal if level == "INFO" else None,
        )


def _traffic(endpoint: ServingEndpoint) -> None:
    """Three hours of requests, in waves."""
    now = timezone.now().replace(second=0, microsecond=0)
    rows = []
    for back in range(180):
        wave = 1 + 0.6 * math.sin(back / 14)
        for name, version, share, slow in [("Champion", "5", 0.9, 1.0), ("Challenger", "6", 0.1, 1.7)]:
            requests = round(540 * wave * share)
            counts = [0] * (len(LATENCY_BOUNDS_MS) + 1)
            for bucket, part in ((3, 0.2), (4, 0.55), (5, 0.2), (6, 0.05)):
                counts[bucket + (1 if slow > 1 else 0)] = round(requests * part)
            rows.append(
                EndpointSample(
                    endpoint=endpoint,
                    entity_name=name,
                    model_version=version,
                    minute=now - timedelta(minutes=back + 1),
                    requests=requests,
                    errors_4xx=requests // 90,
                    errors_5xx=1 if back % 40 == 7 and name == "Challenger" else 0,
                    latency_sum_ms=requests * 16 * slow,
                    latency_counts=counts,
                    queue_sum_ms=requests * 1.4 * wave,
                    model_sum_ms=requests * 11 * slow,
                    cpu_percent=22 + 30 * wave * share,
                    memory_percent=41 + 6 * slow,
                    provisioned_concurrency=4,
                )
            )
    EndpointSample.objects.bulk_create(rows)


def _updating(ada: Actor, endpoint: ServingEndpoint) -> None:
    _config(
        ada, endpoint, 1, [("delay-5", "flights.delay", 5, 100)], state=ConfigState.ACTIVE, reason="create", days=4
    )
    begun = timezone.now() - timedelta(seconds=38)
    config = _config(
        ada,
        endpoint,
        2,
        [("delay-5", "flights.delay", 5, 95), ("delay-6", "flights.delay", 6, 5)],
        state=ConfigState.PENDING,
        days=0.0004,
        deployment=Deployment.CREATING,
    )
    config.entities.filter(name="delay-6").update(deployment_message="Installing 61 packages")
    config.entities.filter(name="delay-6").update(
        build_log="Reading the requirements of prod.flights.delay version 6\nResolving 4 requirements\n"
        "61 packages, environment 8f3b0c17a2d4\nInstalling 61 packages\n"
    )
    config.operation = Operation.objects.create(
        kind="deploy_endpoint",
        state="RUNNING",
        subject="flight-delay-canary configuration 2",
        actor=ada.principal,
        params={"name": endpoint.name},
        attempts=1,
        progress=35,
        step="Preparing the environment of delay-6",
        created_at=begun,
        sent_at=begun,
        started_at=begun,
        lease_until=timezone.now() + timedelta(days=1),
    )
    config.save()
    endpoint.config_update = ConfigUpdate.IN_PROGRESS
    endpoint.save()


def _failed(ada: Actor, endpoint: ServingEndpoint) -> None:
    _config(ada, endpoint, 1, [("fare-1", "pricing.fare", 1, 100)], state=ConfigState.ACTIVE, reason="create", days=5)
    config = _config(
        ada,
        endpoint,
        2,
        [("fare-2", "pricing.fare", 2, 100)],
        state=ConfigState.FAILED,
        message=f"fare-2: {_NO_PACKAGE}",
        deployment=Deployment.FAILED,
        days=0.1,
    )
    config.entities.update(build_log=_BUILD_LOG, deployment_message=_NO_PACKAGE)
    endpoint.config_update = ConfigUpdate.UPDATE_FAILED
    endpoint.save()


def _secrets(ada: Actor) -> None:
    create_scope(actor=ada, name="weather")
    put_secret(actor=ada, scope="weather", key="api-key", value=b"not shown")
    put_grant(actor=ada, scope="weather", principal="analysts", level="READ")
