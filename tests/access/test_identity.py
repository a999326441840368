"""Who an actor is: groups in groups, cycles, everybody, and those who may not act any more."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registry.errors import AccessDenied, NotFound, Unauthenticated
from registry.models import ACCOUNT_USERS, ADMINS, Grant, Membership, Principal, PrincipalKind, Securable
from registry.privileges import Privilege, SecurableType
from registry.services import registered_models
from registry.services.actors import RequestContext, load_actor, system_actor
from registry.services.tokens import authenticate_token, create_token
from tests.access.conftest import undone
from tests.access.service_calls import CALLS
from tests.conftest import make_group, make_user

pytestmark = pytest.mark.django_db


def names_of(principal: Principal) -> set[str]:
    return set(Principal.objects.filter(pk__in=load_actor(principal).principal_ids).values_list("name", flat=True))


def test_groups_in_groups_count_however_deep(db):
    user = make_user("a@example.com")
    inner = user
    for depth in range(12):
        inner = make_group(f"g{depth}", inner)
    make_group("beside", make_user("b@example.com"))
    assert names_of(user) == {"a@example.com", ACCOUNT_USERS, *(f"g{depth}" for depth in range(12))}


def test_a_cycle_of_groups_is_survived(db):
    user = make_user("a@example.com")
    first = make_group("first", user)
    second = make_group("second", first)
    third = make_group("third", second)
    Membership.objects.create(group=first, member=third)
    assert names_of(user) == {"a@example.com", ACCOUNT_USERS, "first", "second", "third"}


def test_everybody_is_an_account_user_but_groups(db):
    service = Principal.objects.create(name="app", key="app", kind=PrincipalKind.SERVICE_PRINCIPAL)
    group = make_group("crowd", service)
    assert ACCOUNT_USERS in names_of(service)
    assert names_of(group) == {"crowd"}
    everyone = Principal.objects.get(key=ACCOUNT_USERS)
    outer = make_group("outer", everyone)
    assert outer.name in names_of(service)


def test_a_grant_to_account_users_holds_for_everybody(world):
    with undone():
        everyone = Principal.objects.get(key=ACCOUNT_USERS)
        for kind, privilege in (
            (SecurableType.CATALOG, Privilege.USE_CATALOG),
            (SecurableType.SCHEMA, Privilege.USE_SCHEMA),
            (SecurableType.REGISTERED_MODEL, Privilege.EXECUTE),
        ):
            Grant.objects.create(securable=world.objects[kind], principal=everyone, privilege=privilege)
        stranger = load_actor(make_user("anybody@example.com"))
        assert registered_models.get_model(actor=stranger, name=world.names.model_full)


def test_administrators_are_whoever_owns_the_metastore(db):
    user = make_user("a@example.com")
    group = make_group("platform", user)
    assert not load_actor(user).is_metastore_admin
    Membership.objects.create(group=Principal.objects.get(key=ADMINS), member=group)
    assert load_actor(user).is_metastore_admin
    Securable.objects.filter(type=SecurableType.METASTORE).update(owner=make_user("b@example.com"))
    assert not load_actor(user).is_metastore_admin


def test_the_housekeeper_holds_no_rights(db):
    housekeeper = system_actor()
    assert not housekeeper.is_metastore_admin
    assert not Grant.objects.filter(principal=housekeeper.principal).exists()
    assert not Securable.objects.filter(owner=housekeeper.principal).exists()


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.name}-{call.on}")
def test_a_disabled_administrator_and_owner_may_nothing(world, call):
    with undone():
        Securable.objects.filter(pk=world.objects[call.on].pk).update(owner=world.admin)
        Principal.objects.filter(pk=world.admin.pk).update(is_active=False)
        actor = load_actor(Principal.objects.get(pk=world.admin.pk))
        try:
            answer = call.call(actor, world.names)
        except (AccessDenied, NotFound):
            return
        # Of the metastore everybody knows; of its grants one is told one's own.
        assert call.on == SecurableType.METASTORE
        assert answer == []


def test_a_token_of_a_disabled_user_is_refused(db):
    user = make_user("a@example.com")
    token = create_token(actor=load_actor(user)).value
    assert authenticate_token(token, context=RequestContext()).name == "a@example.com"
    Principal.objects.filter(pk=user.pk).update(is_active=False)
    with pytest.raises(Unauthenticated):
        authenticate_token(token, context=RequestContext())


def test_an_actor_costs_one_query(db):
    user = make_user("a@example.com")
    make_group("outer", make_group("inner", user))
    with CaptureQueriesContext(connection) as asked:
        load_actor(user)
    assert len(asked) == 1
