"""The console: for metastore admins, through services only, at a fixed cost."""

import re

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from registry import models
from registry.models import ACCOUNT_USERS, ADMINS, AuditEvent, Grant, Membership, Principal, Securable
from registry.services.actors import load_actor
from registry.services.aliases import set_alias
from registry.services.experiments import record_created
from registry.services.tables import NewTable, create_table
from registry.services.tags import Tags, tag_securable, tag_version
from tests.web.factories import make_model, make_version

CONSOLE = "/console/registry"
NOUNS = sorted(model._meta.model_name for model in admin.site._registry if model._meta.app_label == "registry")
PRIVATE = {"sqlstatement"}
"""Read by who made them, and by no administrator."""
READ_ONLY = {
    "accessrequest",
    *("auditevent", "aliasmove", "operation", "operationlogline", "blob", "manifestentry", "multipartupload"),
    *("lineageedge", "table", "experiment", "experimentgrant"),
    *("delivery", "deliveryattempt"),
    *("serviceprincipalsecret", "tagpolicy", "tagpolicyrole", "workspacesetting"),
}


def errors_of(response):
    assert response.status_code == 200
    return response.context["adminform"].form.errors


def actions_since(last):
    return list(AuditEvent.objects.filter(pk__gt=last).order_by("id").values_list("action", flat=True))


@pytest.fixture
def console(sign_in):
    return sign_in("metastore_admin")


@pytest.fixture
def last(console):
    newest = AuditEvent.objects.order_by("-id").first()
    return newest.pk if newest else 0


def populate(people, suffix):
    """One of (nearly) every noun."""
    who = people.metastore_admin
    model = make_model(who, f"prod.flights.m{suffix}", versions=1)
    version = model.versions.get()
    set_alias(actor=who, name=f"prod.flights.m{suffix}", alias="Champion", version=1)
    tag_version(actor=who, name=f"prod.flights.m{suffix}", version=1, change=Tags(set={"a": "b"}))
    name = model.securable.full_name
    tag_securable(actor=who, type_=model.securable.type, full_name=name, change=Tags(set={"a": "b"}))
    create_table(actor=who, catalog="prod", schema="flights", name=f"t{suffix}", new=NewTable())
    version.lineage.create(direction="UPSTREAM", kind="TABLE", name="x", recorded_by=who.principal)
    experiment = record_created(actor=who, experiment_id=f"1{suffix}", name=f"/Shared/e{suffix}")
    models.ExperimentGrant.objects.get_or_create(
        experiment=experiment, principal=people.principals["reader"], defaults={"level": "CAN_READ"}
    )
    models.MultipartUpload.objects.create(path="x", principal=who.principal)
    operation = models.Operation.objects.create(kind="k", actor=who.principal, created_at=timezone.now())
    operation.log.create(at=timezone.now(), text="x")
    Grant.objects.create(securable=model.securable, principal=people.principals["reader"], privilege="EXECUTE")
    models.ApiToken.objects.create(principal=who.principal, digest=f"d{suffix}", created_by=who.principal)
    group = Principal.objects.create(kind="GROUP", name=f"g{suffix}", key=f"g{suffix}")
    Membership.objects.create(group=group, member=people.principals["reader"])
    models.ServicePrincipalSecret.objects.create(
        principal=who.principal, digest=f"s{suffix}", created_by=who.principal, expires_at=timezone.now()
    )
    policy = models.TagPolicy.objects.create(key=f"k{suffix}", created_by=who.principal)
    policy.roles.create(principal=who.principal, role=models.TagRole.values[0])
    models.WorkspaceSetting.objects.create(key=f"k{suffix}", value="true", updated_by=who.principal)
    stamps = {"created_at": timezone.now(), "created_by": who.principal, "updated_at": timezone.now()}
    webhook = models.Webhook.objects.create(
        name=f"w{suffix}", url="https://h", events=["x"], owner=who.principal, scope=model.securable, **stamps
    )
    models.NotificationDestination.objects.create(display_name="d", key=f"d{suffix}", kind="EMAIL", **stamps)
    models.AccessRequest.objects.create(
        securable=model.securable,
        securable_type=model.securable.type,
        securable_name=name,
        requester=people.principals["reader"],
        privileges=["EXECUTE"],
        created_at=timezone.now(),
        updated_at=timezone.now(),
    )
    delivery = webhook.deliveries.create(event="x", body="{}", created_at=timezone.now())
    delivery.log.create(number=1, at=timezone.now(), milliseconds=1)


def test_every_noun_is_there():
    ours = {model._meta.model_name for model in models.AuditEvent._meta.apps.get_app_config("registry").get_models()}
    assert set(NOUNS) == ours - PRIVATE


@pytest.mark.parametrize("who", ["outsider", "owner"])
def test_only_metastore_admins_come_in(sign_in, browser, who):
    response = sign_in(who).get("/console/", follow=True)
    assert response.status_code == 403
    assert "metastore admin" in response.content.decode()
    assert browser.get("/console/", follow=True).redirect_chain[-1][0] == "/sign-in?next=%2Fconsole%2F"


@pytest.mark.parametrize("noun", NOUNS)
def test_lists_search_and_show_at_a_fixed_cost(console, people, flights, noun):
    populate(people, 0)
    url = f"{CONSOLE}/{noun}/"
    console.get(url)
    with CaptureQueriesContext(connection) as few:
        assert console.get(url).status_code == 200
    for suffix in (1, 2, 3):
        populate(people, suffix)
    with CaptureQueriesContext(connection) as many:
        assert console.get(url).status_code == 200
    assert len(many) == len(few), [query["sql"][:120] for query in many]
    assert console.get(url, {"q": "a\"'b"}).status_code == 200
    link = re.search(rf'href="({url}[^"/]+/change/)[^"]*"', console.get(url).content.decode())
    assert (link is None) == (noun == "multipartupload")
    if link:
        page = console.get(link.group(1))
        assert page.status_code == 200
        assert "scrypt" not in page.content.decode()


@pytest.mark.parametrize("noun", sorted(READ_ONLY))
def test_what_services_do_not_change_is_read_only(console, people, flights, noun):
    populate(people, 0)
    assert console.get(f"{CONSOLE}/{noun}/add/").status_code == 403
    pk = next(iter(admin.site._registry[m] for m in admin.site._registry if m._meta.model_name == noun))
    row = pk.model._default_manager.first()
    assert console.post(f"{CONSOLE}/{noun}/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert console.post(f"{CONSOLE}/{noun}/{row.pk}/change/", {}).status_code == 403


def test_a_user_is_made_and_refused_in_the_form(console, last):
    made = console.post(
        f"{CONSOLE}/principal/add/", {"kind": "USER", "name": "Ada@example.com", "display_name": "Ada"}
    )
    assert made.status_code == 302
    assert Principal.objects.get(key="ada@example.com").label == "Ada"
    assert actions_since(last) == ["createUser"]
    refused = console.post(f"{CONSOLE}/principal/add/", {"kind": "USER", "name": "ada"})
    assert "is not an e-mail address" in str(errors_of(refused))
    again = console.post(f"{CONSOLE}/principal/add/", {"kind": "GROUP", "name": "ADA@example.com"})
    assert "already exists" in str(errors_of(again))
    assert not LogEntry.objects.exists()


def test_the_last_administrator_is_not_disabled_here_either(console, people):
    me = people.principals["metastore_admin"]
    refused = console.post(f"{CONSOLE}/principal/{me.pk}/change/", {"name": me.name, "display_name": ""})
    assert "no active administrator" in str(errors_of(refused))
    data = {"action": "disable", "_selected_action": [me.pk]}
    assert "no active administrator" in console.post(f"{CONSOLE}/principal/", data, follow=True).content.decode()
    me.refresh_from_db()
    assert me.is_active


def test_users_are_disabled_and_enabled_from_the_list(console, people, last):
    reader = people.principals["reader"]
    for action, active in [("disable", False), ("enable", True)]:
        console.post(f"{CONSOLE}/principal/", {"action": action, "_selected_action": [reader.pk]})
        reader.refresh_from_db()
        assert reader.is_active is active
    assert actions_since(last) == ["updateUser", "updateUser"]


def test_a_reset_password_is_shown_once_and_works(console, people):
    reader = people.principals["reader"]
    page = console.post(f"{CONSOLE}/principal/", {"action": "reset_password", "_selected_action": [reader.pk]})
    password = re.search(r'id="secret">([^<]+)<', page.content.decode()).group(1)
    reader.refresh_from_db()
    assert reader.check_password(password)
    assert reader.password_change_required
    assert password not in str(page.cookies)
    assert "no-store" in page["Cache-Control"]


def test_deleting_who_owns_something_is_refused_with_its_name(console, people, last):
    create = {"type": "CATALOG", "full_name": "mine", "comment": ""}
    console.post(f"{CONSOLE}/securable/add/", create)
    other = Principal.objects.get(key="owner@example.com")
    mine = Securable.objects.get(key="mine")
    change = {"name": "mine", "comment": "c", "owner_name": other.name}
    assert console.post(f"{CONSOLE}/securable/{mine.pk}/change/", change).status_code == 302
    page = console.post(f"{CONSOLE}/principal/{other.pk}/delete/", {"post": "yes"}, follow=True)
    assert "owns mine" in page.content.decode()
    assert Principal.objects.filter(pk=other.pk).exists()
    assert actions_since(last) == ["createCatalog", "updateCatalog", "transferOwnership"]


def test_members_grants_tags_and_tokens_go_through_services(console, people, flights, last):
    posts = [
        ("membership", {"group_name": "stewards", "member_name": "reader@example.com"}),
        (
            "grant",
            {
                "type": "SCHEMA",
                "full_name": "prod.flights",
                "principal_name": "stewards",
                "privilege_name": "EXECUTE",
            },
        ),
        ("securabletag", {"type": "SCHEMA", "full_name": "prod.flights", "key": "team", "value": "ops"}),
    ]
    for noun, data in posts:
        response = console.post(f"{CONSOLE}/{noun}/add/", data)
        assert response.status_code == 302, errors_of(response)
    for noun, model in [("securabletag", models.SecurableTag), ("grant", Grant), ("membership", Membership)]:
        row = model.objects.order_by("-pk").first()
        assert console.post(f"{CONSOLE}/{noun}/{row.pk}/delete/", {"post": "yes"}).status_code == 302
        assert not model.objects.filter(pk=row.pk).exists()
    assert actions_since(last) == [
        *("updateGroupMembers", "updatePermissions", "tagSchema", "tagSchema", "updatePermissions"),
        "updateGroupMembers",
    ]


def test_a_privilege_that_does_not_apply_is_refused_in_the_form(console, flights):
    data = {"type": "SCHEMA", "full_name": "prod.flights", "principal_name": ACCOUNT_USERS}
    refused = console.post(f"{CONSOLE}/grant/add/", {**data, "privilege_name": "CREATE_CATALOG"})
    assert "cannot be granted" in str(errors_of(refused))
    assert not Grant.objects.filter(securable__key="flights").exists()


def test_a_token_for_somebody_is_shown_once(console, people):
    page = console.post(f"{CONSOLE}/apitoken/add/", {"owner_name": "reader@example.com", "days": "7"})
    assert re.search(r'id="secret">mk[0-9a-f]{64}<', page.content.decode())
    token = models.ApiToken.objects.get(principal=people.principals["reader"])
    console.post(f"{CONSOLE}/apitoken/{token.pk}/delete/", {"post": "yes"})
    assert not models.ApiToken.objects.filter(pk=token.pk).exists()


def test_aliases_versions_and_models(console, people, flights, last):
    model = make_model(people.metastore_admin, "prod.flights.delay", versions=2)
    data = {"model_name": "prod.flights.delay", "alias": "Champion", "number": "1"}
    assert console.post(f"{CONSOLE}/modelalias/add/", data).status_code == 302
    alias = model.aliases.get()
    assert console.post(f"{CONSOLE}/modelalias/{alias.pk}/change/", {"number": "2"}).status_code == 302
    assert "does not exist" in str(
        errors_of(console.post(f"{CONSOLE}/modelalias/{alias.pk}/change/", {"number": "9"}))
    )
    reserved = console.post(f"{CONSOLE}/modelalias/add/", {**data, "alias": "latest"})
    assert "reserved" in str(errors_of(reserved)["alias"])
    version = model.versions.get(version=1)
    assert console.post(f"{CONSOLE}/modelversion/{version.pk}/change/", {"comment": "old"}).status_code == 302
    version.refresh_from_db()
    assert version.comment == "old"
    assert console.post(f"{CONSOLE}/modelversion/{version.pk}/delete/", {"post": "yes"}).status_code == 302
    assert console.post(f"{CONSOLE}/registeredmodel/{model.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Securable.objects.filter(pk=model.pk).exists()


def test_a_renamed_model_keeps_its_row_and_a_full_container_stays(console, people, flights):
    model = make_model(people.metastore_admin, "prod.flights.delay")
    change = {"name": "arrival", "comment": "", "owner_name": "admin@example.com"}
    assert console.post(f"{CONSOLE}/securable/{model.pk}/change/", change).status_code == 302
    model.securable.refresh_from_db()
    assert model.securable.full_name == "prod.flights.arrival"
    catalog = Securable.objects.get(key="prod")
    page = console.post(f"{CONSOLE}/securable/{catalog.pk}/delete/", {"post": "yes"}, follow=True)
    assert "is not empty" in page.content.decode()


def test_the_bulk_deletion_of_django_is_not_offered(console, people):
    data = {"action": "delete_selected", "_selected_action": [people.principals["reader"].pk], "post": "yes"}
    console.post(f"{CONSOLE}/principal/", data)
    assert Principal.objects.filter(key="reader@example.com").exists()


def test_the_metastore_stays(console):
    metastore = Securable.objects.get(type="METASTORE")
    assert console.post(f"{CONSOLE}/securable/{metastore.pk}/delete/", {"post": "yes"}).status_code == 403


def test_hostile_names_are_only_text(console, people):
    hostile = "<script>alert(1)</script>"
    console.post(f"{CONSOLE}/principal/add/", {"kind": "GROUP", "name": hostile})
    assert "<script>alert" not in console.get(f"{CONSOLE}/principal/").content.decode()


def test_a_former_administrator_is_out_at_once(console, people):
    assert console.get("/console/").status_code == 200
    Membership.objects.filter(group__key=ADMINS, member=people.principals["metastore_admin"]).delete()
    assert not load_actor(people.principals["metastore_admin"]).is_metastore_admin
    assert console.get("/console/", follow=True).status_code == 403


def test_version_factory_is_ready(people, flights):
    model = make_model(people.metastore_admin, "prod.flights.m")
    assert make_version(people.metastore_admin, model).status == "READY"
