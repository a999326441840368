"""A change of a model is put down for who listens, in its own transaction and at a fixed cost."""

import json

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from registry.models import Delivery, ModelVersion, Securable, Webhook
from registry.privileges import SecurableType
from registry.services.aliases import delete_alias, set_alias
from registry.services.model_versions import NewVersion, begin_version, complete_version, delete_version
from registry.services.registered_models import create_model
from registry.services.tags import Tags, tag_version
from registry.services.webhook_outbox import write_outbox
from registry.services.webhooks import WebhookChanges, update_webhook
from tests.webhooks.conftest import EVENTS, MODEL

pytestmark = pytest.mark.django_db


def told():
    """The events put down, oldest first, with their data."""
    rows = Delivery.objects.order_by("created_at")
    bodies = [json.loads(row.body) for row in rows]
    assert [f"{body['entity']}.{body['action']}" for body in bodies] == [row.event for row in rows]
    return [(row.event, body["data"]) for row, body in zip(rows, bodies, strict=True)]


def test_every_event_in_mlflows_words(people, tree, listen, monkeypatch):
    listen(people.metastore_admin, scope_type=None, scope_name="")
    owner = people.owner
    create_model(actor=owner, name="prod.ml.second", comment="words", tags={"team": "x"})
    version = begin_version(actor=owner, name=MODEL, new=NewVersion(tags={"a": "b"}, comment="first"))
    assert len(told()) == 1, "a version that is still being uploaded cannot be loaded"
    monkeypatch.setattr("registry.services.model_versions.read_facts", lambda version: _facts())
    with transaction.atomic():
        complete_version(version, actor=owner)
    tag_version(actor=owner, name=MODEL, version=1, change=Tags(set={"k": "v"}))
    tag_version(actor=owner, name=MODEL, version=1, change=Tags(remove=("k", "never there")))
    set_alias(actor=owner, name=MODEL, alias="Champion", version=1)
    set_alias(actor=owner, name=MODEL, alias="Champion", version=1)
    delete_alias(actor=owner, name=MODEL, alias="Champion")
    one = {"name": MODEL, "version": "1"}
    assert told() == [
        ("registered_model.created", {"name": "prod.ml.second", "tags": {"team": "x"}, "description": "words"}),
        (
            "model_version.created",
            {**one, "source": "", "run_id": None, "tags": {"a": "b"}, "description": "first"},
        ),
        ("model_version_tag.set", {**one, "key": "k", "value": "v"}),
        ("model_version_tag.deleted", {**one, "key": "k"}),
        ("model_version_alias.created", {**one, "alias": "Champion"}),
        ("model_version_alias.deleted", {"name": MODEL, "alias": "Champion"}),
    ]
    assert {event for event, _ in told()} == set(EVENTS)


def _facts():
    from registry.services.mlmodel import ModelFacts

    return ModelFacts(mlmodel={}, signature={}, requirements="", uses_defaults_channel=False)


def test_mlflow_knows_these_bodies():
    """Names and fields of every event are those of the installed mlflow's own payload classes."""
    from mlflow.entities.webhook import WebhookEvent
    from mlflow.webhooks.types import get_example_payload_for_event

    from registry.services.webhook_events import EXAMPLES

    assert {name: get_example_payload_for_event(WebhookEvent.from_str(name)) for name in EXAMPLES} == EXAMPLES
    assert set(EXAMPLES) == set(EVENTS)


def test_an_alias_that_dies_with_its_version_is_told(people, tree, listen):
    begin_version(actor=people.owner, name=MODEL, new=NewVersion())
    set_alias(actor=people.owner, name=MODEL, alias="Champion", version=1)
    listen()
    delete_version(actor=people.owner, name=MODEL, version=1)
    assert told() == [("model_version_alias.deleted", {"name": MODEL, "alias": "Champion"})]


def test_what_is_rolled_back_was_never_told(people, tree, listen):
    listen()
    begin_version(actor=people.owner, name=MODEL, new=NewVersion())
    with transaction.atomic():
        set_alias(actor=people.owner, name=MODEL, alias="Champion", version=1)
        assert len(told()) == 1
        transaction.set_rollback(True)
    assert told() == []


def test_only_what_lies_in_the_scope(people, tree, listen):
    admin = people.metastore_admin
    here = {
        "model": listen(),
        "schema": listen(admin, scope_type=SecurableType.SCHEMA, scope_name="prod.ml"),
        "catalog": listen(admin, scope_type=SecurableType.CATALOG, scope_name="prod"),
        "all": listen(admin, scope_type=None, scope_name=""),
    }
    create_model(actor=people.owner, name="prod.ml.other")
    told_of = {row.webhook_id for row in Delivery.objects.all()}
    assert told_of == {here[name].pk for name in ("schema", "catalog", "all")}


def test_only_events_asked_for_and_only_while_active(people, tree, listen):
    quiet, off = listen(events=["model_version_alias.deleted"]), listen()
    update_webhook(actor=people.owner, webhook_id=off.pk, changes=WebhookChanges(status="DISABLED"))
    begin_version(actor=people.owner, name=MODEL, new=NewVersion())
    set_alias(actor=people.owner, name=MODEL, alias="Champion", version=1)
    assert told() == []
    delete_alias(actor=people.owner, name=MODEL, alias="Champion")
    assert [row.webhook_id for row in Delivery.objects.all()] == [quiet.pk]


@pytest.mark.parametrize("listeners", [0, 1, 20])
def test_one_query_whoever_listens(people, tree, listen, listeners):
    for _ in range(listeners):
        listen()
    model = Securable.objects.select_related("parent__parent").get(pk=tree.pk)
    changes = [("model_version_tag.set", {"version": "1", "key": key, "value": ""}) for key in "abc"]
    with CaptureQueriesContext(connection) as queries:
        assert write_outbox(model, changes) == 3 * listeners
    assert len(queries) == 1


def test_workers_are_woken_after_the_commit(
    people, tree, listen, nobody_is_woken, django_capture_on_commit_callbacks
):
    listen()
    begin_version(actor=people.owner, name=MODEL, new=NewVersion())
    with django_capture_on_commit_callbacks() as callbacks:
        set_alias(actor=people.owner, name=MODEL, alias="Champion", version=1)
        assert nobody_is_woken == []
    for callback in callbacks:
        callback()
    row = Delivery.objects.get()
    assert nobody_is_woken == [str(row.pk)]
    assert row.sent_at is not None


def test_a_model_takes_its_webhooks_with_it(people, tree, listen):
    from registry.services.registered_models import delete_model

    listen()
    begin_version(actor=people.owner, name=MODEL, new=NewVersion())
    set_alias(actor=people.owner, name=MODEL, alias="Champion", version=1)
    delete_model(actor=people.owner, name=MODEL)
    assert not Webhook.objects.exists()
    assert not ModelVersion.objects.exists()
