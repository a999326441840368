"""The console's pages of secrets and inference tables: without values, through services, at a fixed cost."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from registry.models import AuditEvent
from serving.models import InferenceTable, Secret
from serving.services import secret_scopes, secrets

pytestmark = pytest.mark.django_db


@pytest.fixture
def console(people):
    client = Client()
    client.force_login(people.metastore_admin.principal)
    return client


def populate(people, suffix):
    scope = f"team{suffix}"
    secret_scopes.create_scope(actor=people.owner, name=scope)
    secrets.put_secret(actor=people.owner, scope=scope, key="db", value=b"hunter22")
    InferenceTable.objects.create(endpoint_name=f"e{suffix}", form="LEGACY", created_at=timezone.now())


@pytest.mark.parametrize("noun", ["secretscope", "secret", "secretgrant", "inferencetable"])
def test_a_list_costs_the_same_for_many(console, people, noun):
    populate(people, 0)
    costs = []
    for suffix in (1, 2):
        with CaptureQueriesContext(connection) as asked:
            assert console.get(f"/console/serving/{noun}/").status_code == 200
        costs.append(len(asked))
        populate(people, suffix)
    assert costs[0] == costs[1]


def test_no_page_holds_a_value_or_its_seal(console, people):
    populate(people, 0)
    secret = Secret.objects.get()
    pages = [console.get("/console/serving/secret/"), console.get(f"/console/serving/secret/{secret.pk}/change/")]
    for page in pages:
        assert page.status_code == 200
        assert b"hunter22" not in page.content
        assert secret.sealed_value.encode() not in page.content


def test_deleting_goes_through_the_service(console, people):
    populate(people, 0)
    secret = Secret.objects.get()
    console.post(f"/console/serving/secret/{secret.pk}/delete/", {"post": "yes"})
    console.post(f"/console/serving/secretscope/{secret.scope_id}/delete/", {"post": "yes"})
    assert not Secret.objects.exists()
    actions = AuditEvent.objects.filter(actor=people.metastore_admin.name).values_list("action", flat=True)
    assert {"deleteSecret", "deleteScope"} <= set(actions)
