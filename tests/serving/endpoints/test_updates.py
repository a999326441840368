"""Endpoints get new configurations: updated, canceled, stopped, started, rolled back; a failure changes nothing."""

import pytest

from registry.errors import AccessDenied, Conflict, InvalidState, NotFound
from registry.models import AuditEvent, Operation, OperationState
from registry.privileges import Privilege
from registry.services.operation_runner import run_operation
from registry.services.operations import retry_operation
from registry.services.principals import delete_principal
from serving.models import ConfigState, Deployment, EndpointEvent, EndpointLevel, ServedEntity, ServingEndpoint
from serving.services.endpoint_permissions import update_permissions
from serving.services.endpoint_updates import (
    cancel_update,
    list_configs,
    roll_back,
    start_endpoint,
    stop_endpoint,
    update_config,
)
from serving.services.endpoints import NewEndpoint, create_endpoint, delete_endpoint
from tests.serving.endpoints.conftest import MODEL, deploy, let, operation_of, served, split, take

pytestmark = pytest.mark.django_db


def make(people, name="fraud", **config) -> ServingEndpoint:
    wire = config or {"served_entities": [served(1)]}
    return create_endpoint(actor=people.owner, new=NewEndpoint(name=name, config=wire))


@pytest.fixture
def fraud(people, iris, supervisor) -> ServingEndpoint:
    """Serves version 1."""
    make(people)
    return deploy("fraud")


def versions(endpoint: ServingEndpoint) -> list[str]:
    return [entity.entity_version for entity in endpoint.active_config.entities.all()]


def wanted() -> list[str]:
    return sorted(ServedEntity.objects.filter(is_wanted=True).values_list("entity_version", flat=True))


def kinds(endpoint: ServingEndpoint) -> list[str]:
    return list(endpoint.events.order_by("id").values_list("kind", flat=True))


def give(people, endpoint: ServingEndpoint, name: str, level: EndpointLevel) -> None:
    update_permissions(
        actor=people.owner,
        endpoint_id=endpoint.pk.hex,
        access_control_list=[{"user_name": f"{name}@example.com", "permission_level": level}],
        replace=False,
    )


def test_first_deployment(people, iris, supervisor):
    made = make(people)
    assert (made.config_update, made.active_config, made.pending_config.version) == ("IN_PROGRESS", None, 1)
    endpoint = deploy("fraud")
    assert (endpoint.config_update, endpoint.pending_config) == ("NOT_UPDATING", None)
    assert (endpoint.active_config.version, endpoint.active_config.state) == (1, ConfigState.ACTIVE)
    entity = endpoint.active_config.entities.get()
    assert (entity.deployment, entity.is_wanted, entity.traffic_percentage) == (Deployment.READY, True, 100)
    assert entity.environment is not None
    assert len(entity.fingerprint) == 64
    assert "Resolving version 1" in entity.build_log
    assert kinds(endpoint) == ["CREATED", "UPDATE_STARTED", "UPDATE_SUCCEEDED"]
    assert operation_of(endpoint).state == OperationState.SUCCEEDED


def test_an_update_makes_before_it_breaks(people, fraud, supervisor):
    seen = []
    supervisor.meanwhile = lambda: seen.append((versions(ServingEndpoint.objects.get(name="fraud")), wanted()))
    update_config(actor=people.owner, name="fraud", config={"served_entities": [served(2)]})
    endpoint = deploy("fraud")
    assert seen == [(["1"], ["1", "2"])]
    assert (versions(endpoint), wanted()) == (["2"], ["2"])
    first = endpoint.configs.get(version=1)
    assert (first.state, first.ended_at is not None) == (ConfigState.SUPERSEDED, True)


def test_a_failed_replica_leaves_the_old_configuration(people, fraud, supervisor):
    supervisor.failing = {"b": "ModuleNotFoundError: No module named 'x'"}
    wire = {"served_entities": [served(2, name="a"), served(3, name="b")], "traffic_config": split(a=50, b=50)}
    update_config(actor=people.owner, name="fraud", config=wire)
    endpoint = deploy("fraud")
    assert (endpoint.config_update, versions(endpoint), wanted()) == ("UPDATE_FAILED", ["1"], ["1"])
    states = dict(endpoint.pending_config.entities.values_list("name", "deployment"))
    assert states == {"a": Deployment.ABORTED, "b": Deployment.FAILED}
    assert "No module named 'x'" in endpoint.pending_config.message
    operation = operation_of(endpoint)
    assert (operation.state, operation.error) == (OperationState.FAILED, endpoint.pending_config.message)
    assert kinds(endpoint)[-1] == "UPDATE_FAILED"
    # It is tried again as a new configuration.
    supervisor.failing = {}
    again = retry_operation(actor=people.owner, operation_id=operation.pk)
    run_operation(operation_id=again.pk)
    assert versions(ServingEndpoint.objects.get(name="fraud")) == ["2", "3"]


def test_an_environment_that_cannot_be_built_says_so(people, fraud, supervisor):
    supervisor.unbuildable = {"2": "requirements.txt line 3: there is no package 'pnadas'. Did you mean 'pandas'?"}
    update_config(actor=people.owner, name="fraud", config={"served_entities": [served(2)]})
    endpoint = deploy("fraud")
    entity = endpoint.pending_config.entities.get()
    assert (endpoint.config_update, entity.deployment) == ("UPDATE_FAILED", Deployment.FAILED)
    assert "pnadas" in entity.deployment_message
    assert "pnadas" in entity.build_log
    assert "pnadas" in endpoint.pending_config.message
    assert wanted() == ["1"]


def test_one_update_at_a_time(people, fraud):
    update_config(actor=people.owner, name="fraud", config={"served_entities": [served(2)]})
    for call in (
        lambda: update_config(actor=people.owner, name="fraud", config={"served_entities": [served(3)]}),
        lambda: stop_endpoint(actor=people.owner, name="fraud"),
        lambda: roll_back(actor=people.owner, name="fraud"),
    ):
        with pytest.raises(Conflict, match="being updated already"):
            call()


def test_cancel_before_and_while_it_runs(people, fraud, supervisor):
    update_config(actor=people.owner, name="fraud", config={"served_entities": [served(2)]})
    endpoint = cancel_update(actor=people.owner, name="fraud")
    assert (endpoint.config_update, versions(endpoint), wanted()) == ("UPDATE_CANCELED", ["1"], ["1"])
    assert operation_of(endpoint).state == OperationState.CANCELED
    with pytest.raises(InvalidState, match="not being updated"):
        cancel_update(actor=people.owner, name="fraud")

    update_config(actor=people.owner, name="fraud", config={"served_entities": [served(3)]})
    supervisor.meanwhile = lambda: cancel_update(actor=people.owner, name="fraud")
    endpoint = deploy("fraud")
    assert (endpoint.config_update, versions(endpoint), wanted()) == ("UPDATE_CANCELED", ["1"], ["1"])
    assert endpoint.pending_config.message == "Canceled by owner@example.com."
    # Nobody is kept from trying something else.
    update_config(actor=people.owner, name="fraud", config={"served_entities": [served(2)]})


def test_a_deployment_that_takes_too_long_is_given_up(people, fraud, settings):
    settings.SERVING_DEPLOY_SECONDS = -1
    update_config(actor=people.owner, name="fraud", config={"served_entities": [served(2)]})
    endpoint = deploy("fraud")
    assert endpoint.config_update == "UPDATE_FAILED"
    assert "took longer than" in endpoint.pending_config.message


def test_killed_anywhere_it_is_run_again(people, fraud, supervisor):
    """Every step of an attempt that died is found done, or done again: the second attempt ends the same."""

    class Killed(BaseException):
        pass

    def die(*args, **kwargs):
        raise Killed

    for step in (
        "serving.services.environments.ensure_environment",
        "serving.services.model_files.materialise_version",
        "serving.services.endpoint_deployments.pause",
        "serving.services.endpoint_deployments.activate",
    ):
        config = update_config(actor=people.owner, name="fraud", config={"served_entities": [served(2)]})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(step, die)
            with pytest.raises(Killed):
                run_operation(operation_id=config.operation_id)
        assert versions(ServingEndpoint.objects.get(name="fraud")) == ["1"], step
        # The lease is taken back by the sweep, and another worker starts it.
        config.operation.refresh_from_db()
        type(config.operation).objects.filter(pk=config.operation_id).update(
            state=OperationState.PENDING, fence=config.operation.fence + 1, lease_until=None
        )
        assert run_operation(operation_id=config.operation_id)
        assert versions(ServingEndpoint.objects.get(name="fraud")) == ["2"]
        # A message that comes twice finds nothing to do.
        assert not run_operation(operation_id=config.operation_id)
        roll_back(actor=people.owner, name="fraud")
        deploy("fraud")


def test_stop_and_start(people, fraud):
    endpoint = stop_endpoint(actor=people.owner, name="fraud")
    assert (endpoint.is_stopped, wanted(), versions(endpoint)) == (True, [], ["1"])
    stop_endpoint(actor=people.owner, name="fraud")
    start_endpoint(actor=people.owner, name="fraud")
    assert ServingEndpoint.objects.get(name="fraud").is_stopped
    endpoint = deploy("fraud")
    assert (endpoint.is_stopped, wanted(), endpoint.active_config.version) == (False, ["1"], 2)
    with pytest.raises(InvalidState, match="not stopped"):
        start_endpoint(actor=people.owner, name="fraud")


def test_roll_back_serves_the_versions_of_then(people, fraud):
    update_config(actor=people.owner, name="fraud", config={"served_entities": [served(2)]})
    deploy("fraud")
    update_config(actor=people.owner, name="fraud", config={"served_entities": [served(3)]})
    deploy("fraud")
    roll_back(actor=people.owner, name="fraud")
    assert versions(deploy("fraud")) == ["2"]
    roll_back(actor=people.owner, name="fraud", version=1)
    endpoint = deploy("fraud")
    assert (versions(endpoint), endpoint.active_config.reason) == (["1"], "roll back to configuration 1")
    with pytest.raises(NotFound, match="configuration 99"):
        roll_back(actor=people.owner, name="fraud", version=99)


def test_traffic_alone_keeps_the_fingerprints(people, fraud):
    wire = {"served_entities": [served(1, name="a"), served(2, name="b")], "traffic_config": split(a=90, b=10)}
    update_config(actor=people.owner, name="fraud", config=wire)
    before = {entity.name: entity.fingerprint for entity in deploy("fraud").active_config.entities.all()}
    update_config(actor=people.owner, name="fraud", config={"traffic_config": split(a=50, b=50)})
    after = deploy("fraud").active_config.entities.all()
    assert {entity.name: entity.fingerprint for entity in after} == before
    assert [entity.traffic_percentage for entity in after] == [50, 50]


# --- Rights ---


def test_the_actor_needs_the_data_right(people, iris, supervisor):
    new = NewEndpoint(name="fraud", config={"served_entities": [served(1)]})
    with pytest.raises(NotFound):
        create_endpoint(actor=people.outsider, new=new)
    let(people, "steward@example.com", Privilege.BROWSE)
    with pytest.raises(AccessDenied, match="EXECUTE"):
        create_endpoint(actor=people.steward, new=new)
    assert not ServingEndpoint.objects.exists()


def test_a_manager_reads_nothing_through_the_creator(people, fraud):
    """Who may change an endpoint still needs the right on what it is to serve."""
    let(people, "steward@example.com", Privilege.BROWSE)
    give(people, fraud, "steward", EndpointLevel.CAN_MANAGE)
    with pytest.raises(AccessDenied, match="EXECUTE"):
        update_config(actor=people.steward, name="fraud", config={"served_entities": [served(2)]})


def test_the_creator_needs_it_too(people, fraud):
    give(people, fraud, "reader", EndpointLevel.CAN_MANAGE)
    take(people, "owner@example.com", Privilege.EXECUTE)
    with pytest.raises(AccessDenied, match=r"acts as its creator, owner@example\.com"):
        update_config(actor=people.reader, name="fraud", config={"served_entities": [served(2)]})


def test_a_right_lost_meanwhile_fails_closed(people, fraud):
    update_config(actor=people.owner, name="fraud", config={"served_entities": [served(2)]})
    take(people, "owner@example.com", Privilege.EXECUTE)
    endpoint = deploy("fraud")
    assert (endpoint.config_update, versions(endpoint)) == ("UPDATE_FAILED", ["1"])
    denial = AuditEvent.objects.filter(decision="DENY").latest("id")
    assert (denial.actor, denial.securable_name) == ("owner@example.com", MODEL)


@pytest.mark.parametrize("level", [None, EndpointLevel.CAN_VIEW, EndpointLevel.CAN_QUERY])
def test_changing_takes_can_manage(people, fraud, level):
    if level is not None:
        give(people, fraud, "reader", level)
    error = NotFound if level is None else AccessDenied
    for call in (
        lambda: update_config(actor=people.reader, name="fraud", config={"served_entities": [served(2)]}),
        lambda: cancel_update(actor=people.reader, name="fraud"),
        lambda: stop_endpoint(actor=people.reader, name="fraud"),
        lambda: start_endpoint(actor=people.reader, name="fraud"),
        lambda: roll_back(actor=people.reader, name="fraud"),
        lambda: delete_endpoint(actor=people.reader, name="fraud"),
    ):
        with pytest.raises(error):
            call()


def test_delete_with_an_update_on_its_way(people, fraud):
    config = update_config(actor=people.owner, name="fraud", config={"served_entities": [served(2)]})
    delete_endpoint(actor=people.owner, name="fraud")
    assert not ServingEndpoint.objects.exists()
    assert not EndpointEvent.objects.exists()
    config.operation.refresh_from_db()
    assert config.operation.state == OperationState.CANCELED


def test_history(people, fraud, django_assert_num_queries):
    for number in (2, 3):
        update_config(actor=people.owner, name="fraud", config={"served_entities": [served(number)]})
        deploy("fraud")
    owner = people.owner
    with django_assert_num_queries(3):
        page = list_configs(actor=owner, name="fraud")
        shown = [(one.version, one.state, [entity.name for entity in one.entities.all()]) for one in page.items]
    assert shown == [
        (3, "ACTIVE", ["iris-3"]),
        (2, "SUPERSEDED", ["iris-2"]),
        (1, "SUPERSEDED", ["iris-1"]),
    ]


def test_whom_an_endpoint_acts_as_cannot_be_deleted(people, fraud):
    fraud.configs.update(operation=None)
    Operation.objects.all().delete()
    with pytest.raises(Conflict, match=r"'owner@example\.com' stands behind serving endpoint fraud\."):
        delete_principal(actor=people.metastore_admin, principal_id=people.owner.principal.pk)
