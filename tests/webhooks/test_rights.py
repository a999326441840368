"""Who may make, see and change webhooks, and what stands in the trail."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registry.errors import AccessDenied, Conflict, InvalidParameter, LimitExceeded, NotFound
from registry.models import AuditEvent
from registry.privileges import SecurableType
from registry.services import webhooks
from registry.services.principals import delete_principal
from registry.services.webhooks import WebhookChanges

pytestmark = pytest.mark.django_db


def test_the_whole_metastore_takes_an_administrator(people, tree, listen):
    with pytest.raises(AccessDenied) as told:
        listen(scope_type=None, scope_name="")
    assert "scope_type" in told.value.message
    assert listen(people.metastore_admin, scope_type=None, scope_name="").scope is None


def test_a_place_takes_who_owns_it(people, tree, listen):
    assert listen().owner == people.principals["owner"]
    with pytest.raises(AccessDenied):
        listen(people.reader)
    with pytest.raises(NotFound):
        listen(people.outsider)
    with pytest.raises(AccessDenied):
        listen(scope_type=SecurableType.SCHEMA, scope_name="prod.ml")


def test_who_sees_which(people, tree, listen):
    own = listen()
    other = listen(people.metastore_admin, scope_type=SecurableType.CATALOG, scope_name="prod")

    def seen(actor):
        return {row.pk for row in webhooks.list_webhooks(actor=actor).items}

    assert seen(people.metastore_admin) == {own.pk, other.pk}
    assert seen(people.owner) == {own.pk}
    assert seen(people.reader) == seen(people.outsider) == set()
    for hidden in (other.pk, "nonsense", "0b8e2f7e-0d2c-4c8e-9f5f-0d3a4f0c9d11"):
        with pytest.raises(NotFound, match=f"Webhook '{hidden}' does not exist"):
            webhooks.get_webhook(actor=people.owner, webhook_id=hidden)


def test_lists_cost_the_same_for_more_rows(people, tree, listen):
    def cost(actor):
        with CaptureQueriesContext(connection) as queries:
            rows = webhooks.list_webhooks(actor=actor).items
            assert all(row.owner.name and (row.scope is None or row.scope.full_name) for row in rows)
        return len(queries)

    listen()
    few = {who: cost(getattr(people, who)) for who in ("owner", "metastore_admin", "reader")}
    for _ in range(20):
        listen()
    assert {who: cost(getattr(people, who)) for who in few} == few
    assert max(few.values()) == 1


def test_a_new_owner_is_oneself_unless_an_administrator_says_so(people, tree, listen):
    webhook = listen(people.metastore_admin)
    change = WebhookChanges(owner="owner@example.com")
    with pytest.raises(InvalidParameter, match="yourself"):
        webhooks.update_webhook(
            actor=people.owner, webhook_id=webhook.pk, changes=WebhookChanges(owner="reader@example.com")
        )
    assert webhooks.update_webhook(actor=people.owner, webhook_id=webhook.pk, changes=change).owner.name
    with pytest.raises(Conflict, match="webhook ci"):
        delete_principal(actor=people.metastore_admin, principal_id=_bare_owner(people, webhook))


def _bare_owner(people, webhook):
    """Somebody who owns nothing but the webhook."""
    webhooks.update_webhook(
        actor=people.metastore_admin, webhook_id=webhook.pk, changes=WebhookChanges(owner="steward@example.com")
    )
    return people.principals["steward"].pk


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"name": "-x"}, "name"),
        ({"name": "x" * 64}, "name"),
        ({"name": "a b"}, "name"),
        ({"events": []}, "events"),
        ({"events": ["prompt.created"]}, "events"),
        ({"events": ["budget_policy.exceeded"]}, "events"),
        ({"events": ["registered_model.deleted"]}, "events"),
        ({"url": "ftp://x"}, "url"),
        ({"status": "PAUSED"}, "status"),
        ({"secret": "x" * 1001}, "secret"),
        ({"description": "x" * 1001}, "description"),
    ],
)
def test_values_that_cannot_be_used(tree, listen, options, field):
    with pytest.raises(InvalidParameter) as told:
        listen(**options)
    assert told.value.field == field
    assert f"'{field}'" in told.value.message


def test_a_place_has_so_many_at_most(settings, tree, listen):
    settings.MAX_WEBHOOKS_PER_SCOPE = 2
    listen()
    listen()
    with pytest.raises(LimitExceeded):
        listen()


def test_the_trail_keeps_every_change_and_no_secret(people, tree, listen, receiver):
    webhook = listen(url=receiver.url + "?token=hidden-token")
    changes = WebhookChanges(secret="n3wsecret", status="DISABLED")
    webhooks.update_webhook(actor=people.owner, webhook_id=webhook.pk, changes=changes)
    webhooks.delete_webhook(actor=people.owner, webhook_id=webhook.pk)
    rows = AuditEvent.objects.filter(service_name="webhooks").order_by("id")
    assert [row.action for row in rows] == ["createWebhook", "updateWebhook", "deleteWebhook"]
    told = "".join(f"{row.params}{row.before}{row.after}" for row in rows)
    assert not any(secret in told for secret in ("s3cret", "n3wsecret", "hidden-token"))
    assert rows[1].after["secret_changed"] is True
