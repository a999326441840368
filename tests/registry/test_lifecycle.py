"""The registry lifecycle at the service layer."""

import pytest

from registry.errors import AccessDenied, AlreadyExists, InvalidParameter, NotFound
from registry.models import AuditEvent
from registry.privileges import Privilege, SecurableType
from registry.services import aliases, audit, catalogs, grants, model_versions, registered_models, schemas, tags
from registry.services.grants import Change
from registry.services.model_versions import NewVersion
from registry.services.securables import Changes

pytestmark = pytest.mark.django_db


@pytest.fixture
def tree(people):
    catalogs.create_catalog(actor=people.metastore_admin, name="prod")
    grants.update_grants(
        actor=people.metastore_admin,
        type_=SecurableType.CATALOG,
        full_name="prod",
        changes=[Change("owner@example.com", (Privilege.USE_CATALOG, Privilege.CREATE_SCHEMA))],
    )
    schemas.create_schema(actor=people.owner, catalog="prod", name="ml")
    registered_models.create_model(actor=people.owner, name="prod.ml.iris", tags={"task": "classification"})


def test_the_owner_goes_through_the_lifecycle(people, tree):
    version = model_versions.begin_version(actor=people.owner, name="prod.ml.iris", new=NewVersion(source="/tmp/x"))
    assert (version.version, version.status) == (1, "PENDING_REGISTRATION")
    assert version.logged_model_id.startswith("m-")
    aliases.set_alias(actor=people.owner, name="prod.ml.iris", alias="Champion", version=1)
    found = model_versions.get_version_by_alias(actor=people.owner, name="PROD.ml.Iris", alias="champion")
    assert found.version == 1
    registered_models.update_model(actor=people.owner, name="prod.ml.iris", changes=Changes(new_name="prod.ml.iris2"))
    assert registered_models.get_model(actor=people.owner, name="prod.ml.iris2").last_version == 1
    assert model_versions.delete_version(actor=people.owner, name="prod.ml.iris2", version="1") == 0
    again = model_versions.begin_version(actor=people.owner, name="prod.ml.iris2", new=NewVersion())
    assert again.version == 2
    registered_models.delete_model(actor=people.owner, name="prod.ml.iris2")
    with pytest.raises(NotFound):
        registered_models.get_model(actor=people.owner, name="prod.ml.iris2")
    count, faults, _ = audit.verify_chains()
    assert count >= 8
    assert faults == []


def test_an_outsider_cannot_tell_a_hidden_model_from_a_missing_one(people, tree):
    with pytest.raises(NotFound) as hidden:
        registered_models.get_model(actor=people.outsider, name="prod.ml.iris")
    with pytest.raises(NotFound) as missing:
        registered_models.get_model(actor=people.outsider, name="prod.ml.gone")
    assert hidden.value.message.replace("iris", "gone") == missing.value.message
    assert AuditEvent.objects.filter(decision="DENY", actor="outsider@example.com").count() == 1


def test_a_reader_is_told_what_is_missing_and_whom_to_ask(people, tree):
    for type_, name, privilege in [
        (SecurableType.CATALOG, "prod", Privilege.USE_CATALOG),
        (SecurableType.SCHEMA, "prod.ml", Privilege.USE_SCHEMA),
        (SecurableType.REGISTERED_MODEL, "prod.ml.iris", Privilege.EXECUTE),
    ]:
        grants.update_grants(
            actor=people.metastore_admin,
            type_=type_,
            full_name=name,
            changes=[Change("reader@example.com", (privilege,))],
        )
    assert registered_models.get_model(actor=people.reader, name="prod.ml.iris").securable.name == "iris"
    with pytest.raises(
        AccessDenied, match=r"ownership or MANAGE on registered model 'prod.ml.iris'.*owner@example.com"
    ):
        registered_models.delete_model(actor=people.reader, name="prod.ml.iris")
    page = registered_models.list_models(actor=people.reader)
    assert [m.securable.full_name for m in page.items] == ["prod.ml.iris"]
    assert registered_models.list_models(actor=people.outsider).items == []


def test_names_and_tags_have_rules(people, tree):
    with pytest.raises(AlreadyExists):
        registered_models.create_model(actor=people.owner, name="prod.ml.IRIS")
    with pytest.raises(InvalidParameter, match="specify all three levels"):
        registered_models.create_model(actor=people.owner, name="iris")
    with pytest.raises(InvalidParameter, match="not allowed"):
        tags.tag_securable(
            actor=people.owner,
            type_=SecurableType.REGISTERED_MODEL,
            full_name="prod.ml.iris",
            change=tags.Tags(set={"a.b": "c"}),
        )
