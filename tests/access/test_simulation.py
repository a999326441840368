"""What a grant would change is what it does change, and asking changes nothing."""

import pytest

from registry.errors import AccessDenied, InvalidParameter, NotFound
from registry.models import AuditEvent, Grant, Securable
from registry.privileges import ACTIONS_ON, GRANTABLE, Action, Privilege, SecurableType
from registry.services.access import allowed_actions
from registry.services.actors import load_actor
from registry.services.grant_simulation import grant_with_way, simulate_grants
from registry.services.grants import Change, explain, update_grants
from registry.services.holders import list_holders
from tests.access.cells import World
from tests.access.conftest import undone

pytestmark = pytest.mark.django_db
BELOW = (SecurableType.CATALOG, SecurableType.SCHEMA, SecurableType.REGISTERED_MODEL, SecurableType.TABLE)


def simulate(world: World, on: SecurableType, *add: Privilege, remove=()):
    change = Change(world.subject.name, add=add, remove=tuple(remove))
    return simulate_grants(actor=load_actor(world.admin), type_=on, full_name=world.names.of(on), change=change)


def allowed(world: World, on: SecurableType) -> frozenset[Action]:
    return allowed_actions(actor=load_actor(world.subject), securable=world.objects[on])


@pytest.mark.parametrize("on", SecurableType)
def test_every_simulation_comes_true(world: World, on):
    for privilege in sorted(GRANTABLE[on]):
        with undone():
            before = allowed(world, on)
            found = simulate(world, on, privilege)
            assert allowed(world, on) == before
            admin = load_actor(world.admin)
            change = Change(world.subject.name, add=(privilege,))
            update_grants(actor=admin, type_=on, full_name=world.names.of(on), changes=[change])
            gained = {action for effect in found.effects if effect.every is None for action in effect.gained}
            assert gained == allowed(world, on) - before, privilege
            _check_inside(world, on, found, privilege)


def _check_inside(world: World, on: SecurableType, found, privilege) -> None:
    """The objects of the world belong to somebody else, and nothing is granted on them to the subject."""
    for effect in found.effects:
        if effect.every is not None:
            assert set(effect.gained) <= allowed(world, effect.every), privilege
    named = {effect.every for effect in found.effects}
    for kind in BELOW[BELOW.index(on) + 1 : 3] if on in BELOW[:2] else ():
        assert bool(allowed(world, kind)) == (kind in named), (privilege, kind)


def test_what_is_taken_away_is_foreseen(world: World):
    on = SecurableType.REGISTERED_MODEL
    with undone():
        world_grant(world, SecurableType.CATALOG, Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
        world_grant(world, on, Privilege.EXECUTE)
        found = simulate(world, on, remove=[Privilege.EXECUTE])
        lost = {action for effect in found.effects for action in effect.lost}
        assert lost == {Action.READ_MODEL, Action.READ_VERSION, Action.LOAD_VERSION}


def world_grant(world: World, on: SecurableType, *privileges: Privilege) -> None:
    change = Change(world.subject.name, add=privileges)
    update_grants(actor=load_actor(world.admin), type_=on, full_name=world.names.of(on), changes=[change])


def test_the_missing_way_is_named_and_granted_with_it(world: World):
    on, admin = SecurableType.REGISTERED_MODEL, load_actor(world.admin)
    with undone():
        found = simulate(world, on, Privilege.EXECUTE)
        assert [(way.privilege, way.securable.full_name, way.may_grant) for way in found.missing_ways] == [
            (Privilege.USE_CATALOG, world.names.catalog, True),
            (Privilege.USE_SCHEMA, world.names.of(SecurableType.SCHEMA), True),
        ]
        change = Change(world.subject.name, add=(Privilege.EXECUTE,))
        changed = grant_with_way(actor=admin, type_=on, full_name=world.names.of(on), change=change)
        assert [one[2].add for one in changed] == [("USE_CATALOG",), ("USE_SCHEMA",), ("EXECUTE",)]
        assert Action.LOAD_VERSION in allowed(world, on)
        again = grant_with_way(actor=admin, type_=on, full_name=world.names.of(on), change=change)
        assert again == []


def test_who_may_not_open_the_way_grants_only_what_they_may(world: World):
    on = SecurableType.REGISTERED_MODEL
    with undone():
        Securable.objects.filter(pk=world.objects[on].pk).update(owner=world.subject)
        world_grant(world, SecurableType.CATALOG, Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
        change = Change("witness@example.com", add=(Privilege.EXECUTE,))
        keeper = load_actor(world.subject)
        found = simulate_grants(actor=keeper, type_=on, full_name=world.names.of(on), change=change)
        assert [way.may_grant for way in found.missing_ways] == [False, False]
        changed = grant_with_way(actor=keeper, type_=on, full_name=world.names.of(on), change=change)
        assert [one[0] for one in changed] == [on]


def test_simulating_is_for_who_may_grant_and_writes_nothing(world: World):
    on, before = SecurableType.REGISTERED_MODEL, list(Grant.objects.order_by("pk").values())
    rows = AuditEvent.objects.count()
    simulate(world, on, Privilege.EXECUTE)
    assert list(Grant.objects.order_by("pk").values()) == before
    assert AuditEvent.objects.count() == rows
    change = Change(world.subject.name, add=(Privilege.EXECUTE,))
    with undone(), pytest.raises(NotFound):
        simulate_grants(actor=load_actor(world.subject), type_=on, full_name=world.names.of(on), change=change)
    with undone():
        world_grant(world, SecurableType.CATALOG, Privilege.USE_CATALOG, Privilege.USE_SCHEMA, Privilege.EXECUTE)
        with pytest.raises(AccessDenied):
            simulate_grants(actor=load_actor(world.subject), type_=on, full_name=world.names.of(on), change=change)
    with undone(), pytest.raises(InvalidParameter, match="cannot be granted"):
        simulate(world, on, Privilege.SELECT)


def test_grounds_that_count_are_told_from_those_that_do_not(world: World):
    on = SecurableType.REGISTERED_MODEL
    with undone():
        world_grant(world, SecurableType.CATALOG, Privilege.USE_CATALOG, Privilege.SELECT, Privilege.BROWSE)
        world_grant(world, SecurableType.SCHEMA, Privilege.USE_SCHEMA)
        world_grant(world, on, Privilege.EXECUTE, Privilege.APPLY_TAG)
        found = explain(
            actor=load_actor(world.subject),
            type_=on,
            full_name=world.names.of(on),
            action=Action.LOAD_VERSION,
        )
        counting = {ground.right for ground in found.grounds if ground.counts}
        assert counting == {"EXECUTE", "USE_SCHEMA", "USE_CATALOG"}


@pytest.mark.parametrize("on", BELOW)
def test_a_single_ground_that_does_not_count_never_allows(world: World, on):
    """Whoever holds only one privilege besides the way in is allowed only by a ground that counts."""
    for privilege in sorted(GRANTABLE[on] - {Privilege.ALL_PRIVILEGES}):
        with undone():
            world_grant(world, SecurableType.CATALOG, Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
            world_grant(world, on, privilege)
            for action in ACTIONS_ON[on]:
                found = explain(
                    actor=load_actor(world.subject), type_=on, full_name=world.names.of(on), action=action
                )
                if found.allowed:
                    assert any(ground.counts for ground in found.grounds), (privilege, action)


def test_holders_show_the_nearest_source(world: World):
    on = SecurableType.REGISTERED_MODEL
    with undone():
        world_grant(world, SecurableType.CATALOG, Privilege.EXECUTE, Privilege.USE_CATALOG)
        world_grant(world, SecurableType.SCHEMA, Privilege.EXECUTE)
        world_grant(world, on, Privilege.APPLY_TAG)
        found = list_holders(actor=load_actor(world.admin), type_=on, full_name=world.names.of(on))
        (row,) = [one for one in found.rows if one.principal.name == world.subject.name]
        assert row.direct == {Privilege.APPLY_TAG}
        assert {key: source.full_name for key, source in row.inherited.items()} == {
            Privilege.EXECUTE: world.names.of(SecurableType.SCHEMA)
        }
        own = list_holders(actor=load_actor(world.subject), type_=on, full_name=world.names.of(on))
        assert not own.everybody
        assert [one.principal.name for one in own.rows] == [world.subject.name]
