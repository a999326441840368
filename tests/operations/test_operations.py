"""Who may see, cancel and retry an operation, at the service and over REST; and what the trail keeps of it."""

import json

import pytest
from django.db import transaction
from django.test import Client

from registry.errors import Conflict, InvalidParameter, InvalidState, NotFound
from registry.models import AuditEvent, Operation, OperationState
from registry.privileges import Privilege, SecurableType
from registry.services import catalogs, grants, operations, registered_models, schemas
from registry.services.grants import Change
from registry.services.operation_delivery import waiting_messages
from registry.services.operation_kinds import all_kinds
from registry.services.operations import submit_operation
from registry.services.tokens import create_token
from tests.operations import kinds  # noqa: F401

pytestmark = pytest.mark.django_db

MODEL = "prod.ml.iris"
URL = "/api/modelkeep/operations"


def grant(people, type_, name, principal, *privileges):
    grants.update_grants(
        actor=people.metastore_admin, type_=type_, full_name=name, changes=[Change(principal, privileges)]
    )


@pytest.fixture
def model(people):
    """`prod` of the metastore admin, `prod.ml` of steward, `prod.ml.iris` of owner; reader may load it."""
    catalogs.create_catalog(actor=people.metastore_admin, name="prod")
    for name in ("owner", "steward", "reader"):
        rights = (Privilege.USE_CATALOG, Privilege.CREATE_SCHEMA)
        grant(people, SecurableType.CATALOG, "prod", f"{name}@example.com", *rights)
    schemas.create_schema(actor=people.steward, catalog="prod", name="ml")
    rights = (Privilege.USE_SCHEMA, Privilege.CREATE_MODEL)
    grant(people, SecurableType.SCHEMA, "prod.ml", "owner@example.com", *rights)
    grant(people, SecurableType.SCHEMA, "prod.ml", "reader@example.com", Privilege.USE_SCHEMA)
    made = registered_models.create_model(actor=people.owner, name=MODEL)
    grant(people, SecurableType.REGISTERED_MODEL, MODEL, "reader@example.com", Privilege.EXECUTE)
    return made


@pytest.fixture
def operation(people, model):
    """Asked for by reader, on the model of owner in the schema of steward."""
    return submit_operation(
        actor=people.reader, kind="test_steps", params={}, securable=model.securable, subject=MODEL
    )


def failed(operation):
    Operation.objects.filter(pk=operation.pk).update(state=OperationState.FAILED, error="no luck")
    return operation


class Api:
    def __init__(self, actor):
        self.headers = {"HTTP_AUTHORIZATION": f"Bearer {create_token(actor=actor).value}"}
        self.client = Client(raise_request_exception=False)

    def get(self, path="", **query):
        return self.client.get(f"{URL}{path}", query, **self.headers)

    def post(self, path, body=None, url=URL):
        text = json.dumps(body or {})
        return self.client.post(f"{url}{path}", text, content_type="application/json", **self.headers)


SEES = {"reader": True, "owner": True, "steward": True, "metastore_admin": True, "outsider": False}


@pytest.mark.parametrize(("name", "sees"), SEES.items())
def test_who_sees_an_operation(people, operation, name, sees):
    actor = getattr(people, name)
    listed = operations.list_operations(actor=actor).items
    assert [row.pk for row in listed] == ([operation.pk] if sees else [])
    assert (Api(actor).get(f"/{operation.pk}").status_code == 200) is sees
    assert (Api(actor).post(f"/{operation.pk}/cancel").status_code == 200) is sees


def test_manage_above_shows_an_operation_and_a_right_to_load_does_not(people, operation):
    grant(people, SecurableType.REGISTERED_MODEL, MODEL, "outsider@example.com", Privilege.EXECUTE)
    assert operations.list_operations(actor=people.outsider).items == []
    grant(people, SecurableType.CATALOG, "prod", "outsider@example.com", Privilege.MANAGE)
    assert [row.pk for row in operations.list_operations(actor=people.outsider).items] == [operation.pk]


def test_rights_on_the_metastore_do_not_flow_down_to_operations(people, operation):
    grant(people, SecurableType.METASTORE, "metastore", "outsider@example.com", Privilege.CREATE_CATALOG)
    catalogs.create_catalog(actor=people.outsider, name="elsewhere")
    assert operations.list_operations(actor=people.outsider).items == []


@pytest.mark.parametrize("wrong", ["nonsense", "00000000-0000-4000-8000-000000000000"])
def test_a_hidden_operation_reads_like_a_missing_one(people, operation, wrong):
    with pytest.raises(NotFound) as hidden:
        operations.get_operation(actor=people.outsider, operation_id=operation.pk)
    with pytest.raises(NotFound) as missing:
        operations.get_operation(actor=people.outsider, operation_id=wrong)
    assert hidden.value.message.replace(str(operation.pk), wrong) == missing.value.message
    assert AuditEvent.objects.filter(decision="DENY", action="getOperation").count() == 2


def test_submitting_is_recorded_with_what_asked_for_it_or_not_at_all(people, model):
    def ask():
        submit_operation(
            actor=people.owner, kind="test_steps", params={"a": 1}, securable=model.securable, subject="x"
        )

    ask()
    event = AuditEvent.objects.get(action="submitOperation")
    assert (event.actor, event.securable_name, event.after) == ("owner@example.com", "x", {"params": {"a": 1}})
    with transaction.atomic():
        ask()
        transaction.set_rollback(True)
    assert AuditEvent.objects.filter(action="submitOperation").count() == Operation.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_message_is_sent_when_the_row_is_committed(people, empty_broker):
    with transaction.atomic():
        kept = submit_operation(actor=people.owner, kind="test_steps_elsewhere", params={})
        assert waiting_messages("build") == 0
    assert waiting_messages("build") == 1
    kept.refresh_from_db()
    assert kept.sent_at is not None


@pytest.mark.django_db(transaction=True)
def test_without_a_broker_the_row_stays_for_the_sweep(people, monkeypatch, caplog):
    from celery import Celery, current_app

    away = Celery("away", broker="redis+socket:///nowhere.sock", set_as_current=False)
    away.conf.task_publish_retry_policy = current_app.conf.task_publish_retry_policy
    monkeypatch.setattr("registry.services.operation_delivery.current_app", away)
    operation = submit_operation(actor=people.owner, kind="test_steps", params={})
    operation.refresh_from_db()
    assert (operation.state, operation.sent_at) == (OperationState.PENDING, None)
    assert "the sweep will send it" in caplog.text


def test_an_unknown_kind_is_refused(people):
    with pytest.raises(InvalidParameter, match="copy_model_version"):
        submit_operation(actor=people.owner, kind="nonsense", params={})


def test_a_list_is_filtered_and_paged(people, operation):
    others = [submit_operation(actor=people.reader, kind="test_failing", params={}) for _ in range(3)]
    failed(others[0])
    api = Api(people.reader)

    def ids(**query):
        return [row["id"] for row in api.get(**query).json()["operations"]]

    newest_first = [str(row.pk) for row in [*reversed(others), operation]]
    assert ids() == newest_first
    assert ids(state="failed") == [str(others[0].pk)]
    assert ids(state="FAILED,PENDING") == newest_first
    assert ids(kind="test_steps") == ids(securable_name=MODEL) == [str(operation.pk)]
    assert [row["id"] for row in Api(people.owner).get(own="true").json()["operations"]] == []
    paged, token = [], ""
    while True:
        page = api.get(max_results=1, page_token=token).json()
        paged += [row["id"] for row in page["operations"]]
        token = page["next_page_token"]
        if not token:
            break
    assert paged == newest_first


@pytest.mark.parametrize(
    "query",
    [{"state": "DONE"}, {"kind": "nonsense"}, {"securable_type": "PLANET"}, {"page_token": "x"}, {"max_results": -1}],
)
def test_what_cannot_be_filtered_by_is_refused_by_name(people, operation, query):
    response = Api(people.reader).get(**query)
    assert response.status_code == 400
    assert next(iter(query)) in response.json()["message"]


def test_a_list_costs_the_same_for_one_and_three(people, operation, model, django_assert_num_queries):
    actor = people.owner
    with django_assert_num_queries(1):
        assert len(operations.list_operations(actor=actor).items) == 1
    for _ in range(2):
        submit_operation(actor=people.reader, kind="test_steps", params={}, securable=model.securable)
    with django_assert_num_queries(1):
        page = operations.list_operations(actor=actor)
        assert len([row.actor.name for row in page.items]) == 3


def test_the_shape_of_an_operation(people, operation):
    shown = Api(people.reader).get(f"/{operation.pk}").json()["operation"]
    assert shown == {
        "id": str(operation.pk),
        "kind": "test_steps",
        "subject": MODEL,
        "securable_id": str(operation.securable_id),
        "actor": "reader@example.com",
        "state": "PENDING",
        "progress": 0,
        "step": "",
        "result": {},
        "error": "",
        "attempts": 0,
        "max_attempts": 5,
        "cancel_requested_at": None,
        "cancel_requested_by": None,
        "retry_of": None,
        "created_at": int(operation.created_at.timestamp() * 1000),
        "started_at": None,
        "finished_at": None,
    }


def test_the_log_is_paged_oldest_first(people, operation):
    for text in ("one", "two", "three"):
        operation.log.create(at=operation.created_at, text=text)
    api = Api(people.reader)
    first = api.get(f"/{operation.pk}/log", max_results=2).json()
    second = api.get(f"/{operation.pk}/log", page_token=first["next_page_token"]).json()
    assert [line["text"] for line in [*first["lines"], *second["lines"]]] == ["one", "two", "three"]
    assert Api(people.outsider).get(f"/{operation.pk}/log").status_code == 404


def test_canceling_twice_changes_nothing_and_canceling_too_late_is_refused(people, operation):
    first = operations.request_cancel(actor=people.owner, operation_id=operation.pk)
    again = operations.request_cancel(actor=people.reader, operation_id=operation.pk)
    assert first.state == again.state == OperationState.CANCELED
    assert again.cancel_requested_by == people.owner.principal
    late = failed(submit_operation(actor=people.reader, kind="test_steps", params={}))
    with pytest.raises(InvalidState, match="FAILED"):
        operations.request_cancel(actor=people.reader, operation_id=late.pk)


def test_only_what_failed_is_retried_and_only_once(people, operation, monkeypatch):
    from dataclasses import replace

    from registry.services import operation_kinds
    from registry.services.operations import resubmit_unchanged

    with pytest.raises(InvalidState, match="PENDING"):
        operations.retry_operation(actor=people.owner, operation_id=operation.pk)
    failed(operation)
    with pytest.raises(InvalidState, match="cannot be retried"):
        operations.retry_operation(actor=people.owner, operation_id=operation.pk)
    kind = replace(operation_kinds._kinds["test_steps"], resubmit=resubmit_unchanged)
    monkeypatch.setitem(operation_kinds._kinds, "test_steps", kind)
    again = Api(people.owner).post(f"/{operation.pk}/retry").json()["operation"]
    assert (again["retry_of"], again["actor"], again["state"]) == (str(operation.pk), "owner@example.com", "PENDING")
    with pytest.raises(Conflict, match=again["id"]):
        operations.retry_operation(actor=people.owner, operation_id=operation.pk)


def test_every_path_needs_a_credential(operation):
    client = Client()
    for path in ("", f"/{operation.pk}", f"/{operation.pk}/log"):
        assert client.get(f"{URL}{path}").status_code == 401
    for path in (f"{URL}/{operation.pk}/cancel", f"{URL}/{operation.pk}/retry"):
        assert client.post(path).status_code == 401
    for verb in ("register", "copy"):
        assert client.post(f"/api/modelkeep/model-versions:{verb}").status_code == 401


def test_every_kind_is_described():
    from pathlib import Path

    text = (Path(__file__).resolve().parents[2] / "docs" / "long-work.md").read_text()
    ours = [kind.name for kind in all_kinds() if not kind.name.startswith("test_")]
    assert ours
    assert [name for name in ours if f"`{name}`" not in text] == []
