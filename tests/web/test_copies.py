"""Copying and promoting from the screens: what it would take is told before, and is what then happens."""

import pytest
from django.urls import reverse

from registry.models import (
    AliasMove,
    AuditEvent,
    ModelVersion,
    Operation,
    RegisteredModel,
    Securable,
    VersionStatus,
)
from registry.privileges import Privilege, SecurableType
from registry.services.aliases import set_alias
from registry.services.copy_plans import plan_copy
from registry.services.grants import Change, update_grants
from tests.web.factories import make_model, make_schema, make_stored_version, make_version

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true", "HTTP_HX_CURRENT_URL": "http://testserver/explore/data"}
SOURCE = "dev.flights.delay/1"


def grant(people, type_, name, who, *privileges):
    change = Change(f"{who}@example.com", tuple(privileges))
    update_grants(actor=people.metastore_admin, type_=type_, full_name=name, changes=[change])


@pytest.fixture
def world(people, settings, tmp_path):
    """The reader may load dev.flights.delay and see prod.flights; each test grants what it needs besides."""
    settings.ARTIFACT_ROOT = str(tmp_path)
    for schema in ("dev.flights", "prod.flights"):
        make_schema(people.metastore_admin, schema)
        privileges = (Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
        grant(people, SecurableType.CATALOG, schema.split(".")[0], "reader", *privileges)
    make_model(people.metastore_admin, "dev.flights.delay")
    make_stored_version(people.metastore_admin, "dev.flights.delay")
    grant(people, SecurableType.REGISTERED_MODEL, "dev.flights.delay", "reader", Privilege.EXECUTE)


def plan(people, who, destination, alias="", **more):
    return plan_copy(
        actor=getattr(people, who),
        source_name="dev.flights.delay",
        source_version=1,
        destination_name=destination,
        alias=alias,
        **more,
    )


def told(found):
    return [(need.what, need.securable.full_name, need.met) for need in found.needs]


def test_a_plan_names_the_rights_on_both_sides(people, world):
    found = plan(people, "reader", "prod.flights.delay")
    missing = ("CREATE_MODEL or ownership", "prod.flights", False)
    assert told(found) == [("EXECUTE", "dev.flights.delay", True), missing]
    assert (found.allowed, found.destination.model, found.destination.next_version) == (False, None, 1)
    grant(people, SecurableType.SCHEMA, "prod.flights", "reader", Privilege.CREATE_MODEL)
    assert plan(people, "reader", "prod.flights.delay", "Champion").allowed


def test_a_plan_for_a_model_that_is_there_tells_number_and_alias(people, world):
    make_model(people.metastore_admin, "prod.flights.delay", versions=2)
    set_alias(actor=people.metastore_admin, name="prod.flights.delay", alias="Champion", version=2)
    grant(people, SecurableType.REGISTERED_MODEL, "prod.flights.delay", "reader", Privilege.CREATE_MODEL_VERSION)
    found = plan(people, "reader", "PROD.flights.delay", "champion")
    assert (found.destination.name, found.destination.next_version) == ("prod.flights.delay", 3)
    assert found.destination.alias_from == 2
    assert told(found)[1:] == [
        ("CREATE_MODEL_VERSION", "prod.flights.delay", True),
        ("ownership or MANAGE", "prod.flights.delay", False),
    ]
    assert plan(people, "reader", "prod.flights.delay").allowed


def test_a_plan_tells_nothing_of_what_one_may_not_see(people, world):
    make_schema(people.metastore_admin, "hr.secret")
    make_model(people.metastore_admin, "hr.secret.pay", versions=3)
    make_model(people.metastore_admin, "prod.flights.hidden", versions=3)
    hidden, missing = plan(people, "reader", "hr.secret.pay"), plan(people, "reader", "hr.nothing.pay")
    assert [text.replace("secret", "nothing") for text in hidden.blockers] == missing.blockers
    found = plan(people, "reader", "prod.flights.hidden")
    assert (found.destination.model, found.destination.next_version, found.blockers) == (None, 1, [])


def test_an_outsider_gets_no_plan(people, world, sign_in):
    asked = {"source": SOURCE, "destination": "prod.flights.delay"}
    shown = sign_in("outsider").get(reverse("copy-plan"), asked).content.decode()
    assert "does not exist" in shown
    assert "needs" not in shown


def test_a_plan_that_creates_containers_names_them_and_their_rights(people, world):
    missing = plan(people, "reader", "lab.new.delay")
    assert (missing.destination.creates, missing.blockers[0][:25]) == ([], "Schema 'lab.new' does not")
    found = plan(people, "reader", "lab.new.delay", create_containers=True)
    assert (found.destination.creates, found.allowed, found.blockers) == (["lab", "lab.new"], False, [])
    assert [(what, met) for what, _, met in told(found)[1:]] == [("CREATE_CATALOG or ownership or MANAGE", False)]
    inside = plan(people, "reader", "prod.new.delay", create_containers=True)
    assert inside.destination.creates == ["prod.new"]
    assert told(inside)[1:] == [("CREATE_SCHEMA or ownership", "prod", False)]
    grant(people, SecurableType.CATALOG, "prod", "reader", Privilege.CREATE_SCHEMA)
    assert plan(people, "reader", "prod.new.delay", "Champion", create_containers=True).allowed
    assert plan(people, "reader", "prod.flights.delay", create_containers=True).destination.creates == []


def test_a_hidden_container_reads_as_a_missing_one_until_one_may_make_it(people, world):
    make_schema(people.metastore_admin, "hr.secret")
    hidden, missing = (
        plan(people, "reader", f"{catalog}.secret.pay", create_containers=True) for catalog in ("hr", "no")
    )
    assert (told(hidden), hidden.blockers) == (told(missing), missing.blockers)
    grant(people, SecurableType.METASTORE, "metastore", "reader", Privilege.CREATE_CATALOG)
    taken = plan(people, "reader", "hr.secret.pay", create_containers=True)
    assert taken.blockers == ["A catalog that you may not see is called hr already."]


def test_a_version_that_is_not_ready_is_not_copied(people, world):
    model = RegisteredModel.objects.get(securable__key="delay")
    make_version(people.metastore_admin, model, status=VersionStatus.PENDING_REGISTRATION)
    found = plan_copy(
        actor=people.metastore_admin,
        source_name="dev.flights.delay",
        source_version=2,
        destination_name="prod.flights.delay",
    )
    assert "only a READY version" in found.blockers[0]


def test_a_copy_makes_the_model_and_leads_to_the_new_version(people, world, sign_in):
    grant(people, SecurableType.SCHEMA, "prod.flights", "reader", Privilege.CREATE_MODEL)
    browser = sign_in("reader")
    form = browser.get(reverse("copy-version"), {"source": SOURCE}, **HTMX).content.decode()
    assert f'value="{SOURCE}"' in form
    done = browser.post(reverse("copy-version"), {"source": SOURCE, "destination": "prod.flights.late"}, **HTMX)
    assert done.status_code == 204
    assert "/explore/data/models/prod/flights/late/version/1" in done["HX-Location"]
    made = ModelVersion.objects.get(model__securable__key="late")
    assert made.copied_from.model.securable.name == "delay"
    assert Operation.objects.get().params["version_id"] == str(made.pk)


def test_a_copy_makes_what_is_missing_above_it_or_nothing(people, world, sign_in):
    browser = sign_in("reader")
    asked = {"source": SOURCE, "destination": "prod.new.delay", "create_containers": "on"}
    shown = browser.get(reverse("copy-plan"), asked).content.decode()
    assert "the schema <strong>prod.new</strong>" in shown
    assert "CREATE_SCHEMA" in shown
    refused = browser.post(reverse("copy-version"), asked, **HTMX)
    assert refused.status_code == 403
    assert "CREATE_SCHEMA" in refused.content.decode()
    grant(people, SecurableType.CATALOG, "prod", "reader", Privilege.CREATE_SCHEMA)
    without = browser.post(reverse("copy-version"), asked | {"create_containers": ""}, **HTMX)
    assert without.status_code == 404
    # Refused behind the schema: what was made goes again.
    wrong = browser.post(reverse("copy-version"), asked | {"destination": "prod.new.a/b"}, **HTMX)
    assert wrong.status_code == 400
    assert not Securable.objects.filter(key="new").exists()
    assert browser.post(reverse("copy-version"), asked, **HTMX).status_code == 204
    made = ModelVersion.objects.get(model__securable__parent__key="new")
    assert made.model.securable.parent.owner == people.reader.principal
    actions = list(AuditEvent.objects.order_by("pk").values_list("action", flat=True))
    assert actions[-4:] == ["createSchema", "createRegisteredModel", "createModelVersion", "submitOperation"]


def test_a_promotion_copies_and_moves_the_alias_in_one_step(people, world, sign_in):
    admin = people.metastore_admin
    make_model(admin, "prod.flights.delay", versions=1)
    set_alias(actor=admin, name="prod.flights.delay", alias="Champion", version=1)
    asked = {"source": f"models:/{SOURCE}", "destination": "prod.flights.delay", "alias": "Champion"}
    done = sign_in("metastore_admin").post(reverse("copy-version"), asked, **HTMX)
    assert done.status_code == 204, done.content.decode()
    made = ModelVersion.objects.get(model__securable__parent__parent__key="prod", version=2)
    assert (made.status, made.files.count()) == (VersionStatus.READY, 2)
    move = AliasMove.objects.latest("pk")
    assert (move.from_version, move.to_version) == (1, 2)
    actions = set(AuditEvent.objects.order_by("-pk").values_list("action", flat=True)[:4])
    assert {"createModelVersion", "setRegisteredModelAlias"} <= actions


def test_a_promotion_without_the_right_to_the_alias_copies_nothing(people, world, sign_in):
    make_model(people.metastore_admin, "prod.flights.delay")
    grant(people, SecurableType.REGISTERED_MODEL, "prod.flights.delay", "reader", Privilege.CREATE_MODEL_VERSION)
    asked = {"source": SOURCE, "destination": "prod.flights.delay", "alias": "Champion"}
    refused = sign_in("reader").post(reverse("copy-version"), asked, **HTMX)
    assert refused.status_code == 403
    assert "ownership or MANAGE" in refused.content.decode()
    assert not ModelVersion.objects.filter(model__securable__parent__parent__key="prod").exists()


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"source": "dev.flights.delay", "destination": "prod.flights.x"}, "source", "which version"),
        ({"source": SOURCE, "destination": ""}, "destination", "required"),
        ({"source": SOURCE, "destination": "x"}, "__all__", "not a valid name"),
        ({"source": SOURCE, "destination": "prod.flights.x", "alias": "latest"}, "alias", "reserved"),
    ],
)
def test_what_cannot_be_copied_is_said_at_its_field(world, sign_in, fields, field, words):
    answer = sign_in("reader").post(reverse("copy-version"), fields, **HTMX)
    assert answer.status_code == 400
    assert words in answer.context["form"].errors[field][0]


def test_destinations_are_only_those_that_one_may_write(people, world, sign_in):
    make_model(people.metastore_admin, "prod.flights.delay")
    browser = sign_in("reader")
    assert "No model or schema" in browser.get(reverse("copy-destinations"), {"q": "flights"}).content.decode()
    grant(people, SecurableType.SCHEMA, "prod.flights", "reader", Privilege.CREATE_MODEL)
    grant(people, SecurableType.REGISTERED_MODEL, "prod.flights.delay", "reader", Privilege.CREATE_MODEL_VERSION)
    shown = browser.get(reverse("copy-destinations"), {"q": "prod.flights.de"}).content.decode()
    assert 'data-value="prod.flights.delay"' in shown
    assert 'data-value="prod.flights.de"' in shown
    assert "dev.flights" not in shown
    assert 'data-value="lab.new.x"' in browser.get(reverse("copy-destinations"), {"q": "lab.new.x"}).content.decode()


def test_rest_plans_and_promotes(people, world, client):
    from registry.services.tokens import create_token

    admin = people.metastore_admin
    headers = {"authorization": f"Bearer {create_token(actor=people.reader).value}"}
    asked = {"source_name": "dev.flights.delay", "source_version": 1, "destination_name": "prod.flights.delay"}

    def post(call, **more):
        path = f"/api/modelkeep/model-versions:{call}"
        return client.post(path, {**asked, **more}, content_type="application/json", headers=headers)

    planned = post("plan-copy", alias="Champion").json()
    assert (planned["allowed"], planned["moved_bytes"]) == (False, 0)
    assert planned["needs"][1]["securable"] == "prod.flights"
    refused = post("promote", alias="Champion")
    assert (refused.status_code, refused.json()["error_code"]) == (403, "PERMISSION_DENIED")
    assert post("promote").status_code == 400
    update_grants(
        actor=admin,
        type_=SecurableType.SCHEMA,
        full_name="prod.flights",
        changes=[Change("reader@example.com", (Privilege.CREATE_MODEL,))],
    )
    made = post("promote", alias="Champion").json()["model_version"]
    assert (made["name"], made["version"], made["status"]) == ("prod.flights.delay", "1", "READY")
    elsewhere = {"destination_name": "lab.new.delay", "create_containers": True}
    planned = post("plan-copy", **elsewhere).json()
    assert (planned["creates"], planned["allowed"]) == (["lab", "lab.new"], False)
    assert post("copy", **elsewhere).status_code == 403
    grant(people, SecurableType.METASTORE, "metastore", "reader", Privilege.CREATE_CATALOG)
    assert post("copy", **elsewhere).json()["model_version"]["name"] == "lab.new.delay"
