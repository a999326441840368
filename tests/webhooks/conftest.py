"""A model, a receiver that may be reached, and webhooks that are told."""

import pytest

from registry.models import Delivery, Grant
from registry.privileges import Privilege, SecurableType
from registry.services import delivery_queue
from registry.services.catalogs import create_catalog
from registry.services.registered_models import create_model
from registry.services.schemas import create_schema
from registry.services.webhooks import NewWebhook, create_webhook
from tests.webhooks.receiver import receiving

MODEL = "prod.ml.ranker"
EVENTS = (
    "registered_model.created",
    "model_version.created",
    "model_version_tag.set",
    "model_version_tag.deleted",
    "model_version_alias.created",
    "model_version_alias.deleted",
)


@pytest.fixture(autouse=True)
def nobody_is_woken(request, monkeypatch):
    """Tests deliver by hand; those with workers of their own are told of messages."""
    sent = []
    if "worker" not in request.fixturenames:
        monkeypatch.setattr(delivery_queue.current_app, "send_task", lambda *a, **k: sent.append(k["args"][0]))
    return sent


@pytest.fixture
def receiver(settings):
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    with receiving() as made:
        yield made


@pytest.fixture
def tree(people, settings, tmp_path):
    """`prod.ml`, owned by `owner`, who made the model `ranker` there. `reader` may EXECUTE it."""
    settings.ARTIFACT_ROOT = str(tmp_path / "artifacts")
    admin = people.metastore_admin
    catalog = create_catalog(actor=admin, name="prod")
    schema = create_schema(actor=admin, catalog="prod", name="ml")
    for securable, privilege, who in [
        (catalog, Privilege.USE_CATALOG, "owner"),
        (schema, Privilege.USE_SCHEMA, "owner"),
        (schema, Privilege.CREATE_MODEL, "owner"),
        (catalog, Privilege.USE_CATALOG, "reader"),
        (schema, Privilege.USE_SCHEMA, "reader"),
    ]:
        Grant.objects.create(securable=securable, principal=people.principals[who], privilege=privilege)
    model = create_model(actor=people.owner, name=MODEL)
    Grant.objects.create(
        securable=model.securable, principal=people.principals["reader"], privilege=Privilege.EXECUTE
    )
    return model


@pytest.fixture
def listen(people, receiver):
    """Make a webhook on the model, or elsewhere, that is told of everything."""

    def make(actor=None, **options):
        given = {
            "name": "ci",
            "url": receiver.url,
            "events": EVENTS,
            "secret": "s3cret",
            "scope_type": SecurableType.REGISTERED_MODEL,
            "scope_name": MODEL,
            **options,
        }
        return create_webhook(actor=actor or people.owner, new=NewWebhook(**given))

    return make


def pending():
    return list(Delivery.objects.filter(state="PENDING").order_by("created_at", "event"))
