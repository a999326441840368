"""Models that endpoints serve, and a deployment whose waiting is played by the test: it is the supervisor's job."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from registry.models import ModelVersion, Operation
from registry.privileges import Privilege, SecurableType
from registry.services import grants
from registry.services.grants import Change
from registry.services.operation_runner import run_operation
from serving.models import Deployment, EnvironmentState, ServedEntity, ServingEndpoint, ServingEnvironment
from serving.services import endpoint_deployments
from tests.web.factories import make_model, make_schema

MODEL = "prod.ml.iris"


def served(version: int | str = 1, **fields):
    """A served entity as clients write it."""
    return {"entity_name": MODEL, "entity_version": str(version), "workload_size": "Small", **fields}


def split(**shares: int):
    """A traffic configuration."""
    return {"routes": [{"served_model_name": name, "traffic_percentage": part} for name, part in shares.items()]}


def let(people, who: str, *privileges: Privilege, on: str = MODEL) -> None:
    """Give somebody privileges on the model, and the use of what it lies in."""
    for type_, name, rights in (
        (SecurableType.CATALOG, "prod", [Privilege.USE_CATALOG]),
        (SecurableType.SCHEMA, "prod.ml", [Privilege.USE_SCHEMA]),
        (SecurableType.REGISTERED_MODEL, on, privileges),
    ):
        grants.update_grants(
            actor=people.metastore_admin, type_=type_, full_name=name, changes=[Change(who, add=list(rights))]
        )


def take(people, who: str, *privileges: Privilege, on: str = MODEL) -> None:
    """Take privileges on the model away."""
    grants.update_grants(
        actor=people.metastore_admin,
        type_=SecurableType.REGISTERED_MODEL,
        full_name=on,
        changes=[Change(who, remove=list(privileges))],
    )


@pytest.fixture
def iris(people) -> str:
    """`prod.ml.iris` with three READY versions, which `owner` and `reader` may load."""
    make_schema(people.metastore_admin, "prod.ml")
    make_model(people.metastore_admin, MODEL, versions=3)
    for name in ("owner", "reader"):
        let(people, f"{name}@example.com", Privilege.EXECUTE)
    return MODEL


@dataclass
class Supervisor:
    """Plays what the supervisor and the builders do while a deployment waits."""

    failing: dict[str, str] = field(default_factory=dict)
    unbuildable: dict[str, str] = field(default_factory=dict)
    built: list[str] = field(default_factory=list)
    meanwhile: Callable[[], None] | None = None

    def look(self, seconds: float = 0) -> None:
        """Mark what is wanted as ready, or failed."""
        if self.meanwhile is not None:
            self.meanwhile()
        for entity in ServedEntity.objects.filter(is_wanted=True, deployment=Deployment.CREATING):
            why = self.failing.get(entity.name)
            entity.deployment = Deployment.FAILED if why else Deployment.READY
            entity.deployment_message = why or ""
            entity.save(update_fields=["deployment", "deployment_message"])

    def build(self, *, version: ModelVersion, log, canceled) -> ServingEnvironment:
        """An environment of the version, which is there at once."""
        from registry.errors import InvalidParameter

        log(f"Resolving version {version.version}")
        if str(version.version) in self.unbuildable:
            raise InvalidParameter(self.unbuildable[str(version.version)])
        self.built.append(str(version.version))
        found, _ = ServingEnvironment.objects.get_or_create(
            digest="d" * 64,
            defaults={
                "state": EnvironmentState.READY,
                "python": "3.11.7",
                "platform": "linux",
                "created_at": timezone.now(),
            },
        )
        return found


@pytest.fixture
def supervisor(monkeypatch, settings, tmp_path) -> Supervisor:
    playing = Supervisor()
    # Without routes: nobody publishes any here.
    settings.SERVING_ROOT = str(tmp_path / "serving")
    monkeypatch.setattr(endpoint_deployments, "pause", playing.look)
    monkeypatch.setattr("serving.services.environments.ensure_environment", playing.build)
    monkeypatch.setattr("serving.services.model_files.materialise_version", lambda version: None)
    return playing


def deploy(name: str) -> ServingEndpoint:
    """Run the deployment that the endpoint waits for; the endpoint as it is then."""
    endpoint = ServingEndpoint.objects.get(name=name)
    assert endpoint.pending_config is not None
    run_operation(operation_id=endpoint.pending_config.operation_id)
    return ServingEndpoint.objects.get(name=name)


def operation_of(endpoint: ServingEndpoint) -> Operation:
    """The operation of the newest configuration."""
    found = endpoint.configs.first()
    assert found is not None
    assert found.operation is not None
    return found.operation


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
