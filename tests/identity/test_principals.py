"""Users, service principals and groups: who may change them, and what must stay."""

import threading

import pytest
from django.db import connection, transaction

from registry.errors import AccessDenied, AlreadyExists, Conflict, InvalidParameter, NotFound
from registry.models import ACCOUNT_USERS, ADMINS, AuditEvent, Membership, Principal
from registry.services.actors import SYSTEM, load_actor
from registry.services.audit import verify_chains
from registry.services.catalogs import create_catalog
from registry.services.groups import GroupEdit, edit_group
from registry.services.memberships import change_members, list_groups, replace_members
from registry.services.passwords import change_password, reset_password
from registry.services.principals import (
    Filter,
    ProfileChanges,
    create_group,
    create_service_principal,
    create_user,
    delete_principal,
    get_principal,
    list_principals,
    update_principal,
)

DISABLED = ProfileChanges(is_active=False)


@pytest.fixture
def admin(people):
    return people.metastore_admin


def test_emails_are_kept_in_one_form(admin):
    user = create_user(actor=admin, email=" Ada.L@Example.COM ", display_name="Ada")
    assert (user.name, user.key) == ("ada.l@example.com", "ada.l@example.com")
    assert not user.has_usable_password()
    with pytest.raises(AlreadyExists):
        create_user(actor=admin, email="ada.L@example.com")


@pytest.mark.parametrize("email", ["", "ada", "a@b@c", "ada@", "x" * 300 + "@example.com", "a\nb@example.com"])
def test_what_is_no_email_is_refused(admin, email):
    with pytest.raises(InvalidParameter) as refusal:
        create_user(actor=admin, email=email)
    assert refusal.value.field == "email"


def test_a_name_is_unique_over_all_kinds(admin):
    create_group(actor=admin, display_name="Data Science")
    with pytest.raises(AlreadyExists):
        create_group(actor=admin, display_name="data science")
    with pytest.raises(AlreadyExists):
        create_group(actor=admin, display_name="ADMIN@example.com")


def test_a_service_principal_gets_an_application_id(admin):
    made = create_service_principal(actor=admin, display_name="CI")
    given = create_service_principal(
        actor=admin, display_name="CD", application_id="6F9619FF-8B86-D011-B42D-00C04FC964FF"
    )
    assert len(made.name) == 36
    assert given.name == "6f9619ff-8b86-d011-b42d-00c04fc964ff"
    with pytest.raises(InvalidParameter):
        create_service_principal(actor=admin, display_name="x", application_id="no-uuid")


CHANGES = {
    "create user": lambda actor, other: create_user(actor=actor, email="new@example.com"),
    "create group": lambda actor, other: create_group(actor=actor, display_name="new"),
    "create service principal": lambda actor, other: create_service_principal(actor=actor, display_name="new"),
    "disable": lambda actor, other: update_principal(actor=actor, principal_id=other, changes=DISABLED),
    "rename": lambda actor, other: update_principal(
        actor=actor, principal_id=other, changes=ProfileChanges(display_name="x")
    ),
    "delete": lambda actor, other: delete_principal(actor=actor, principal_id=other),
    "reset": lambda actor, other: reset_password(actor=actor, principal_id=other),
    "get": lambda actor, other: get_principal(actor=actor, principal_id=other),
    "list": lambda actor, other: list_principals(actor=actor, wanted=Filter()),
    "members": lambda actor, other: change_members(actor=actor, group_id=other, add=[other]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_only_metastore_admins_manage_principals_and_denials_are_kept(people, change):
    other = people.principals["owner"].pk
    with pytest.raises(AccessDenied):
        CHANGES[change](people.outsider, other)
    row = AuditEvent.objects.order_by("-id").first()
    assert (row.decision, row.actor, row.action) == ("DENY", "outsider@example.com", "administerMetastore")


def test_ones_own_display_name_is_ones_own_and_no_more(people):
    own = people.principals["reader"].pk
    changed = update_principal(actor=people.reader, principal_id=own, changes=ProfileChanges(display_name=" R "))
    assert changed.label == "R"
    for changes in [DISABLED, ProfileChanges(name="x@example.com"), ProfileChanges(display_name="", external_id="1")]:
        with pytest.raises(AccessDenied):
            update_principal(actor=people.reader, principal_id=own, changes=changes)


def test_every_change_leaves_a_row_with_before_and_after(admin):
    user = create_user(actor=admin, email="ada@example.com")
    update_principal(actor=admin, principal_id=user.pk, changes=ProfileChanges(display_name="Ada"))
    password = reset_password(actor=admin, principal_id=user.pk)
    delete_principal(actor=admin, principal_id=user.pk)
    rows = AuditEvent.objects.filter(securable_id=str(user.pk)).order_by("id")
    assert [row.action for row in rows] == ["createUser", "updateUser", "resetPassword", "deleteUser"]
    assert rows[1].before["display_name"] == ""
    assert rows[1].after["display_name"] == "Ada"
    assert password not in str([row.__dict__ for row in rows])
    assert verify_chains()[1] == []


@pytest.mark.parametrize("name", [ADMINS, ACCOUNT_USERS, SYSTEM])
def test_what_is_built_in_stays(admin, name):
    builtin = Principal.objects.get(key=name)
    with pytest.raises(InvalidParameter):
        delete_principal(actor=admin, principal_id=builtin.pk)
    with pytest.raises(InvalidParameter):
        update_principal(actor=admin, principal_id=builtin.pk, changes=DISABLED)
    with pytest.raises(InvalidParameter):
        update_principal(actor=admin, principal_id=builtin.pk, changes=ProfileChanges(name="other"))


def test_the_last_administrator_stays(people, admin):
    me, admins = people.principals["metastore_admin"].pk, Principal.objects.get(key=ADMINS).pk
    with pytest.raises(Conflict):
        update_principal(actor=admin, principal_id=me, changes=DISABLED)
    with pytest.raises(Conflict):
        change_members(actor=admin, group_id=admins, remove=[me])
    with pytest.raises(Conflict):
        replace_members(actor=admin, group_id=admins, members=[])
    with pytest.raises(Conflict):
        delete_principal(actor=admin, principal_id=me)
    assert people.metastore_admin.is_metastore_admin


def test_an_administrator_through_a_nested_group_counts(people, admin):
    admins = Principal.objects.get(key=ADMINS).pk
    stewards = Principal.objects.get(key="stewards").pk
    change_members(actor=admin, group_id=admins, add=[stewards])
    update_principal(actor=admin, principal_id=people.principals["metastore_admin"].pk, changes=DISABLED)
    with pytest.raises(Conflict):
        change_members(actor=people.steward, group_id=stewards, remove=[people.principals["steward"].pk])


@pytest.mark.django_db(transaction=True)
def test_two_administrators_cannot_remove_each_other_at_once(transactional_db, people):
    admins = Principal.objects.get(key=ADMINS)
    people.principals["second"] = people.principals["steward"]
    Membership.objects.create(group=admins, member=people.principals["second"])
    pairs = [("metastore_admin", "second"), ("second", "metastore_admin")]
    actors = [(getattr(people, one), people.principals[other].pk) for one, other in pairs]
    start, outcomes = threading.Barrier(2), []

    def disable(actor, other):
        start.wait()
        try:
            update_principal(actor=actor, principal_id=other, changes=DISABLED)
            outcomes.append("done")
        except Conflict:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=disable, args=pair) for pair in actors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done", "refused"]


def test_who_owns_something_is_not_deleted_and_is_told_what(people, admin):
    create_catalog(actor=admin, name="mine")
    other = create_user(actor=admin, email="second@example.com")
    change_members(actor=admin, group_id=Principal.objects.get(key=ADMINS).pk, add=[other.pk])
    with pytest.raises(Conflict, match="owns mine"):
        delete_principal(actor=load_actor(other), principal_id=people.principals["metastore_admin"].pk)


def test_circles_of_groups_are_refused(admin):
    one, two, three = (create_group(actor=admin, display_name=name) for name in ("one", "two", "three"))
    change_members(actor=admin, group_id=one.pk, add=[two.pk])
    change_members(actor=admin, group_id=two.pk, add=[three.pk])
    for member in (one, two):
        with pytest.raises(InvalidParameter):
            change_members(actor=admin, group_id=three.pk, add=[member.pk])
    with pytest.raises(InvalidParameter):
        change_members(actor=admin, group_id=one.pk, add=[one.pk])


def test_membership_of_all_users_and_of_the_housekeeper_cannot_be_chosen(people, admin):
    everyone, system = Principal.objects.get(key=ACCOUNT_USERS), Principal.objects.get(key=SYSTEM)
    with pytest.raises(InvalidParameter):
        change_members(actor=admin, group_id=everyone.pk, add=[people.principals["reader"].pk])
    with pytest.raises(InvalidParameter):
        change_members(actor=admin, group_id=Principal.objects.get(key="stewards").pk, add=[system.pk])


def test_edits_of_a_group_are_all_or_none(people, admin):
    group = create_group(actor=admin, display_name="team")
    reader = people.principals["reader"]
    with pytest.raises(NotFound):
        edit_group(actor=admin, group_id=group.pk, edits=[GroupEdit(add=[reader.pk]), GroupEdit(add=["999999"])])
    assert list_groups(actor=people.reader, members=[reader])[reader.pk] == []
    edit_group(actor=admin, group_id=group.pk, edits=[GroupEdit(name="crew"), GroupEdit(members=[reader.pk])])
    assert [found.name for found in list_groups(actor=people.reader, members=[reader])[reader.pk]] == ["crew"]


def test_lists_are_paged_by_name(people, admin):
    first = list_principals(actor=admin, wanted=Filter(), max_results=3)
    rest = list_principals(actor=admin, wanted=Filter(), page_token=first.next_page_token)
    names = [row.key for row in [*first.items, *rest.items]]
    assert names == sorted(names)
    assert len(names) == Principal.objects.count()


def test_a_password_is_changed_by_who_knows_it(people):
    reader = people.principals["reader"]
    reader.set_password("the first password")
    reader.save()
    for current, new in [
        ("wrong", "a better password"),
        ("the first password", "short"),
        ("the first password",) * 2,
    ]:
        with pytest.raises(InvalidParameter), transaction.atomic():
            change_password(actor=people.reader, current=current, new=new)
    change_password(actor=people.reader, current="the first password", new="a better password")
    reader.refresh_from_db()
    assert reader.check_password("a better password")
