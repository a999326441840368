"""An endpoint is monitored in one step, by what its unpacked inference table holds."""

import pyarrow as pa
import pytest
from django.utils import timezone

from monitoring.services.endpoint_monitors import create_endpoint_monitor
from monitoring.services.monitored_endpoints import models_behind
from monitoring.services.monitors import delete_monitor
from registry.errors import AccessDenied, InvalidState, NotFound
from registry.models import ModelVersion
from registry.privileges import Privilege
from registry.services.registered_models import create_model
from registry.services.version_uses import uses_of
from serving.models import InferenceTable, ServingEndpoint
from tests.monitoring.lake import Lake, flights

pytestmark = pytest.mark.django_db
TABLE = "prod.ml.rides_unpacked"


@pytest.fixture
def rides(lake: Lake) -> Lake:
    """An endpoint `rides` that serves version 3 of a model, and keeps what it answers."""
    now, owner = timezone.now(), lake.people.principals["owner"]
    lake.grant("prod.ml", "owner", Privilege.CREATE_MODEL)
    model = create_model(actor=lake.people.owner, name="prod.ml.delay")
    version = ModelVersion.objects.create(
        model=model, version=3, status="READY", created_at=now, updated_at=now, touched_at=now
    )
    endpoint = ServingEndpoint.objects.create(name="rides", creator=owner, created_at=now, updated_at=now)
    config = endpoint.configs.create(version=1, created_at=now)
    config.entities.create(
        name="delay-3", entity_name="prod.ml.delay", entity_version="3", version=version, created_at=now
    )
    endpoint.active_config = config
    endpoint.save()
    rows = flights(days=1).rename_columns(["timestamp", "carrier", "prediction"])
    rows = rows.append_column("model_version", pa.array(["3"] * rows.num_rows))
    InferenceTable.objects.create(
        endpoint=endpoint, endpoint_name="rides", form="AI_GATEWAY", created_at=now,
        unpacked_table=lake.table("rides_unpacked", rows),
    )  # fmt: skip
    return lake


def test_the_columns_say_how_to_watch_it(rides, people):
    monitor = create_endpoint_monitor(actor=people.owner, endpoint="rides")
    assert monitor.table.full_name == TABLE
    assert (monitor.kind, monitor.problem_type) == ("INFERENCE_LOG", "REGRESSION")
    assert (monitor.timestamp_column, monitor.prediction_column) == ("timestamp", "prediction")
    assert (monitor.model_id_column, monitor.label_column) == ("model_version", "")
    assert models_behind(monitor) == {"endpoint": "rides", "models": [{"name": "prod.ml.delay", "version": "3"}]}
    (operation,) = rides.work()
    assert operation.state == "SUCCEEDED", operation.error
    (use,) = [use for use in uses_of(actor=people.owner, name="prod.ml.delay", version=3) if use.kind == "Monitor"]
    assert (use.name, use.version, use.note) == (TABLE, 3, "of endpoint rides")


def test_what_the_caller_says_goes_before_what_the_columns_say(rides):
    answer = rides.send(
        "owner",
        "POST",
        "/api/modelkeep/endpoints/rides/monitor",
        {"problem_type": "PROBLEM_TYPE_CLASSIFICATION", "granularities": ["1 week"]},
    )
    assert answer.status_code == 200, answer.content
    log = answer.json()["inference_log"]
    assert (log["problem_type"], log["granularities"]) == ("PROBLEM_TYPE_CLASSIFICATION", ["1 week"])


def test_it_takes_the_rights_on_the_table(rides, people):
    for who in ("outsider", "reader"):
        with pytest.raises(NotFound, match="no unpacked inference table that you may see"):
            create_endpoint_monitor(actor=getattr(people, who), endpoint="rides")
    with pytest.raises(NotFound):
        create_endpoint_monitor(actor=people.owner, endpoint="nowhere")
    rides.grant(TABLE, "reader", Privilege.SELECT)
    with pytest.raises(AccessDenied):
        create_endpoint_monitor(actor=people.reader, endpoint="rides")


def test_who_may_not_see_the_table_is_not_told_of_its_monitor(rides, people):
    from registry.models import Grant, Securable

    create_endpoint_monitor(actor=people.owner, endpoint="rides")
    model = Securable.objects.get(key="delay")
    Grant.objects.create(securable=model, principal=people.principals["reader"], privilege=Privilege.EXECUTE)

    def told(who):
        return [use.kind for use in uses_of(actor=who, name="prod.ml.delay", version=3)].count("Monitor")

    assert (told(people.owner), told(people.reader)) == (1, 0)
    delete_monitor(actor=people.owner, table=TABLE)
    assert told(people.owner) == 0


def test_a_table_without_predictions_says_what_is_missing(rides, people):
    InferenceTable.objects.update(unpacked_table=rides.table("empty", pa.table({"x": [1]})))
    with pytest.raises(InvalidState, match="first answer of the endpoint"):
        create_endpoint_monitor(actor=people.owner, endpoint="rides")
