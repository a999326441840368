"""Endpoints that follow an alias: it moves, they roll; with rights re-checked, and nothing lost on the way."""

import pytest

from registry.models import AuditEvent, ModelVersion, VersionStatus
from registry.privileges import Privilege
from registry.services.aliases import delete_alias, set_alias
from registry.services.model_versions import delete_version
from serving.models import ConfigState, ServingEndpoint
from serving.services.endpoint_aliases import follow_aliases
from serving.services.endpoint_updates import cancel_update, roll_back, stop_endpoint, update_config
from serving.services.endpoints import NewEndpoint, create_endpoint
from tests.serving.endpoints.conftest import MODEL, deploy, served, take

pytestmark = pytest.mark.django_db


@pytest.fixture
def follower(people, iris, supervisor) -> ServingEndpoint:
    """Serves @Champion, which is version 1."""
    set_alias(actor=people.metastore_admin, name=MODEL, alias="Champion", version=1)
    wire = {"served_entities": [served("@champion", name="live"), served(1, name="fixed")]}
    wire["traffic_config"] = {"routes": [{"served_entity_name": "live", "traffic_percentage": 100}]}
    create_endpoint(actor=people.owner, new=NewEndpoint(name="fraud", config=wire))
    return deploy("fraud")


def move(people, version: int, capture) -> None:
    with capture(execute=True):
        set_alias(actor=people.metastore_admin, name=MODEL, alias="Champion", version=version)


def live(endpoint: ServingEndpoint | None = None) -> tuple[str, str]:
    config = (endpoint or ServingEndpoint.objects.get(name="fraud")).active_config
    return config.entities.get(name="live").entity_version, config.entities.get(name="fixed").entity_version


def test_a_move_rolls_the_endpoint(people, follower, django_capture_on_commit_callbacks):
    move(people, 2, django_capture_on_commit_callbacks)
    assert live() == ("1", "1")
    endpoint = deploy("fraud")
    assert live(endpoint) == ("2", "1")
    assert endpoint.active_config.reason == "@champion moved to version 2"
    assert endpoint.active_config.created_by == people.owner.principal
    assert follow_aliases() == 0


def test_a_move_during_an_update_is_found_when_that_ends(people, follower, django_capture_on_commit_callbacks):
    update_config(actor=people.owner, name="fraud", config={"traffic_config": routes(live=50, fixed=50)})
    move(people, 3, django_capture_on_commit_callbacks)
    endpoint = deploy("fraud")
    # The entities of the update were written before the move; the next configuration follows at once.
    assert (live(endpoint), endpoint.config_update) == (("1", "1"), "IN_PROGRESS")
    assert live(deploy("fraud")) == ("3", "1")


def routes(**shares):
    return {"routes": [{"served_entity_name": name, "traffic_percentage": part} for name, part in shares.items()]}


def test_a_lost_signal_is_found_by_the_sweep(people, follower, django_assert_num_queries):
    set_alias(actor=people.metastore_admin, name=MODEL, alias="Champion", version=2)
    assert live(deploy_after_sweep()) == ("2", "1")
    with django_assert_num_queries(1):
        assert follow_aliases() == 0


def deploy_after_sweep() -> ServingEndpoint:
    assert follow_aliases() == 1
    return deploy("fraud")


def test_the_creators_right_counts(people, follower, django_capture_on_commit_callbacks):
    take(people, "owner@example.com", Privilege.EXECUTE)
    move(people, 2, django_capture_on_commit_callbacks)
    endpoint = ServingEndpoint.objects.get(name="fraud")
    assert (endpoint.config_update, live()) == ("UPDATE_FAILED", ("1", "1"))
    assert endpoint.pending_config.state == ConfigState.FAILED
    assert "EXECUTE" in endpoint.pending_config.message or "does not exist" in endpoint.pending_config.message
    # It is not tried for ever.
    assert follow_aliases() == 0
    assert endpoint.configs.count() == 2


def test_what_was_canceled_is_not_begun_again(people, follower, django_capture_on_commit_callbacks):
    move(people, 2, django_capture_on_commit_callbacks)
    cancel_update(actor=people.owner, name="fraud")
    assert follow_aliases() == 0
    move(people, 3, django_capture_on_commit_callbacks)
    assert live(deploy("fraud")) == ("3", "1")


def test_a_removed_alias_changes_nothing_and_is_told(people, follower, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        delete_alias(actor=people.metastore_admin, name=MODEL, alias="Champion")
    endpoint = ServingEndpoint.objects.get(name="fraud")
    assert (live(), endpoint.config_update) == (("1", "1"), "NOT_UPDATING")
    event = endpoint.events.first()
    assert (event.kind, event.level, event.entity_name) == ("ALIAS_REMOVED", "WARNING", "live")
    assert "version 1" in event.message


def test_a_roll_back_ends_the_following(people, follower, django_capture_on_commit_callbacks):
    move(people, 2, django_capture_on_commit_callbacks)
    deploy("fraud")
    roll_back(actor=people.owner, name="fraud")
    assert live(deploy("fraud")) == ("1", "1")
    assert follow_aliases() == 0


def test_a_stopped_endpoint_stays_stopped(people, follower, django_capture_on_commit_callbacks):
    stop_endpoint(actor=people.owner, name="fraud")
    move(people, 2, django_capture_on_commit_callbacks)
    assert ServingEndpoint.objects.get(name="fraud").config_update == "NOT_UPDATING"


def test_a_version_is_followed_once_it_is_ready(people, follower, django_capture_on_commit_callbacks):
    version = ModelVersion.objects.filter(model__securable__name="iris").get(version=1)
    version.pk = None
    version.version, version.status = 9, VersionStatus.PENDING_REGISTRATION
    version.save(force_insert=True)
    move(people, 9, django_capture_on_commit_callbacks)
    assert ServingEndpoint.objects.get(name="fraud").config_update == "NOT_UPDATING"
    ModelVersion.objects.filter(pk=version.pk).update(status=VersionStatus.READY)
    assert live(deploy_after_sweep()) == ("9", "1")


def test_a_deleted_version_is_told_once(people, follower, django_capture_on_commit_callbacks):
    for number in (1, 3):
        with django_capture_on_commit_callbacks(execute=True):
            delete_version(actor=people.metastore_admin, name=MODEL, version=number)
    told = follower.events.filter(kind="VERSION_DELETED")
    assert sorted(told.values_list("entity_name", flat=True)) == ["fixed", "live"]
    assert "Version 1 of prod.ml.iris" in told[0].message


@pytest.mark.django_db(transaction=True)
def test_a_real_commit_rolls_the_endpoint(people, follower):
    """The signal comes within the call that moved the alias: what follows has a transaction and rows of its own."""
    set_alias(actor=people.metastore_admin, name=MODEL, alias="Champion", version=2)
    endpoint = ServingEndpoint.objects.get(name="fraud")
    assert (endpoint.config_update, endpoint.pending_config.reason) == (
        "IN_PROGRESS",
        "@champion moved to version 2",
    )
    event = AuditEvent.objects.filter(action="updateServingEndpointConfig").latest("id")
    assert (event.actor, event.params) == ("owner@example.com", {"reason": "@champion moved to version 2"})
