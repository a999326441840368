"""A rollout goes up step by step while its entity does well, and back where it does not; killed, it goes on."""

from datetime import timedelta

import pytest
from django.utils import timezone

from registry.models import Operation
from registry.services.actors import load_actor
from registry.services.operation_context import OperationContext
from registry.services.operation_leases import claim
from serving.models import ServedEntity, ServingEndpoint
from serving.routing.stats import EntityStats, GatewayStats, write_stats
from serving.services.endpoint_rollout_runs import ROLL_OUT, Seen, advance, measure, verdict
from serving.services.endpoint_updates import update_config
from serving.services.endpoints import NewEndpoint, create_endpoint
from tests.serving.endpoints.conftest import deploy, served, split

pytestmark = pytest.mark.django_db

GOOD = Seen(requests=100, errors=0, p95_ms=10)
NONE = Seen(requests=0, errors=0, p95_ms=0)


@pytest.fixture
def canary(people, iris, supervisor) -> OperationContext:
    """Version 1 answers; version 2 is rolled out with 5 % for a minute, 50 % for ten."""
    wire = {"served_entities": [served(1, name="old")]}
    create_endpoint(actor=people.owner, new=NewEndpoint(name="fraud", config=wire))
    deploy("fraud")
    wire = {
        "served_entities": [served(1, name="old"), served(2, name="new")],
        "traffic_config": split(old=0, new=100),
        "rollout": {
            "entity": "new",
            "steps": [{"percent": 5, "seconds": 60}, {"percent": 50, "seconds": 600}],
            "max_error_percent": 2,
            "max_latency_ms": 200,
        },
    }
    update_config(actor=people.owner, name="fraud", config=wire)
    deploy("fraud")
    return attempt()


def attempt() -> OperationContext:
    operation = Operation.objects.get(kind=ROLL_OUT)
    Operation.objects.filter(pk=operation.pk).update(state="PENDING", lease_until=None)
    claimed = claim(operation_id=operation.pk)
    assert claimed is not None
    return OperationContext(operation=claimed, actor=load_actor(operation.actor))


def shares() -> dict[str, int]:
    config = ServingEndpoint.objects.get(name="fraud").active_config
    return dict(config.entities.values_list("name", "traffic_percentage"))


def look(context: OperationContext, after: float, seen: Seen = GOOD) -> str:
    began = ServingEndpoint.objects.get(name="fraud").active_config.activated_at
    return advance(context, now=began + timedelta(seconds=after), measure=lambda entity_id: seen)


def test_step_by_step_to_the_end(canary):
    assert shares() == {"old": 95, "new": 5}
    assert look(canary, 59) == ""
    assert shares() == {"old": 95, "new": 5}
    assert look(canary, 61) == ""
    assert shares() == {"old": 50, "new": 50}
    assert look(canary, 599) == ""
    # Another worker goes on where a dead one was.
    assert look(attempt(), 601) == "done"
    assert shares() == {"old": 0, "new": 100}
    endpoint = ServingEndpoint.objects.get(name="fraud")
    assert endpoint.active_config.rollout == {}
    assert endpoint.active_config.version == 4
    wanted = ServedEntity.objects.filter(is_wanted=True).values_list("config__version", flat=True)
    assert set(wanted) == {4}
    kinds = list(endpoint.events.order_by("id").values_list("kind", flat=True))
    assert kinds[-2:] == ["ROLLOUT_STEP", "ROLLOUT_DONE"]


def test_steps_keep_what_runs(canary):
    before = set(ServedEntity.objects.filter(is_wanted=True).values_list("name", "fingerprint"))
    look(canary, 61)
    assert set(ServedEntity.objects.filter(is_wanted=True).values_list("name", "fingerprint")) == before
    assert all(row.deployment == "DEPLOYMENT_READY" for row in ServedEntity.objects.filter(is_wanted=True))


@pytest.mark.parametrize(
    ("seen", "word"),
    [(Seen(100, 3, 10), "3.0 % of 100 requests failed"), (Seen(100, 0, 500), "above 200 ms")],
)
def test_turned_back(canary, seen, word):
    assert look(canary, 5, seen) == "turned back"
    assert shares() == {"old": 100, "new": 0}
    endpoint = ServingEndpoint.objects.get(name="fraud")
    event = endpoint.events.filter(kind="ROLLOUT_REVERTED").get()
    assert word in event.message
    assert event.level == "ERROR"
    assert endpoint.config_update == "NOT_UPDATING"
    assert look(canary, 6) == "superseded"


def test_too_few_requests_tell_nothing(canary):
    assert look(canary, 5, Seen(19, 19, 10_000)) == ""
    assert look(canary, 61, NONE) == ""
    assert shares() == {"old": 50, "new": 50}


def test_something_else_is_wanted(people, canary):
    update_config(actor=people.owner, name="fraud", config={"served_entities": [served(3, name="other")]})
    assert look(canary, 61) == ""
    assert shares() == {"old": 95, "new": 5}
    deploy("fraud")
    assert look(canary, 61) == "superseded"
    assert shares() == {"other": 100}


def test_what_gateways_count(settings, tmp_path):
    settings.SERVING_ROOT = str(tmp_path)
    folder = tmp_path / "gateways"
    folder.mkdir()
    counts = [0] * 17
    counts[3], counts[7] = 94, 6
    for pid in (1, 2):
        stats = EntityStats(requests=100, errors_4xx=1, errors_5xx=2, latency_counts=counts)
        now = timezone.now().timestamp()
        write_stats(folder, GatewayStats(pid, now, now, {"a": stats}, {}))
    assert measure("a") == Seen(requests=200, errors=6, p95_ms=200)
    assert measure("b") == Seen(requests=0, errors=0, p95_ms=0.0)


def test_limits_that_are_not_set_are_not_looked_at():
    rollout = {"min_requests": 20, "max_error_percent": None, "max_latency_ms": None}
    assert verdict(rollout, Seen(100, 100, 10_000)) == ""
