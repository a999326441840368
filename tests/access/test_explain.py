"""`explain` agrees with every cell of decisions.toml, and names the grant, the level and the group."""

import pytest

from registry.errors import AccessDenied, InvalidParameter, NotFound
from registry.privileges import ACTIONS_ON, Action, SecurableType
from registry.services.actors import load_actor
from registry.services.grants import Explanation, explain
from tests.access.cells import MISSING, Row, World, held_on, read_actors, read_rows
from tests.access.conftest import undone

pytestmark = pytest.mark.django_db

ACTORS = read_actors()
ROWS = [row for row in read_rows() if row.actor != "anonymous"]
KINDS_AND_ACTORS = sorted({(row.on, row.actor) for row in ROWS})
PARENT = {"USE_CATALOG": SecurableType.CATALOG, "USE_SCHEMA": SecurableType.SCHEMA}


def ask(world: World, asker, on: SecurableType, action: str) -> Explanation:
    return explain(
        actor=load_actor(asker),
        type_=on,
        full_name=world.names.of(on),
        action=Action(action),
        principal=world.subject.name,
    )


@pytest.mark.parametrize(("on", "who"), KINDS_AND_ACTORS)
def test_explanations_agree_with_the_decisions(world: World, on, who):
    # Who owns the metastore is its administrator, instead of the one who was.
    asker = world.subject if on == SecurableType.METASTORE else world.admin
    for missing in MISSING:
        with undone():
            world.arrange(on, ACTORS[who], missing)
            for row in ROWS:
                if (row.on, row.actor) == (on, who):
                    explanation = ask(world, asker, on, row.action)
                    _check(world, row, missing, explanation)


def _check(world: World, row: Row, missing: str, found: Explanation) -> None:
    told = f"{row.actor} {row.action} on {row.on} without {missing}: {found}"
    assert found.allowed == (row.outcomes[missing] == "ok"), told
    _check_grounds(world, row, found, told)
    if found.allowed:
        assert (found.missing, found.missing_on, found.ask) == ("", "", ""), told
        return
    assert found.ask, told
    if row.outcomes["none"] == "ok":
        # The parent is all that is lacking, and so it is what is named.
        assert missing in found.missing, told
        assert found.missing_on == world.names.of(PARENT[missing]), told
    elif missing == "none":
        lacks_on_schema = row.action == Action.RENAME_MODEL and found.missing == "CREATE_MODEL"
        assert found.missing_on == world.names.of(SecurableType.SCHEMA if lacks_on_schema else row.on), told


def _check_grounds(world: World, row: Row, found: Explanation, told: str) -> None:
    """Everything that the subject was given on the object and above stands in the explanation."""
    spec = ACTORS[row.actor]
    named = {(ground.right, ground.securable.full_name, ground.through) for ground in found.grounds}
    above = [world.names.of(kind) for kind in _at_and_above(row.on)]
    for privilege in spec.holds:
        level = world.names.of(held_on(privilege, row.on))
        assert ((privilege, level, world.subject.name) in named) == (level in above), told
    if spec.admin:
        assert ("METASTORE ADMIN", "metastore", "admins") in named, told
    if spec.owns:
        level = world.names.of(row.on if spec.owns == "OBJECT" else SecurableType(spec.owns))
        through = world.outer_group.name if spec.through_groups else world.subject.name
        assert (("OWNER", level, through) in named) == (level in above), told


def _at_and_above(on: SecurableType) -> list[SecurableType]:
    chain = [SecurableType.SCHEMA, SecurableType.CATALOG]
    if on == SecurableType.METASTORE:
        return [on]
    return chain[chain.index(on) :] if on in chain else [on, *chain]


@pytest.mark.parametrize("on", [kind for kind in SecurableType if kind != SecurableType.METASTORE])
def test_only_who_may_know_of_it_can_ask(world: World, on):
    action = ACTIONS_ON[on][0]
    with undone(), pytest.raises(NotFound) as hidden:
        ask(world, world.subject, on, action)
    assert hidden.value.message.endswith(f"'{world.names.of(on)}' does not exist.")


def test_only_who_administers_can_ask_about_others(world: World):
    with undone():
        world.arrange(SecurableType.REGISTERED_MODEL, ACTORS["EXECUTE"], "none")
        own = ask(world, world.subject, SecurableType.REGISTERED_MODEL, Action.LOAD_VERSION)
        assert own.allowed
        with pytest.raises(AccessDenied, match=r"Ask its owner, keeper@example\.com"):
            explain(
                actor=load_actor(world.subject),
                type_=SecurableType.REGISTERED_MODEL,
                full_name=world.names.model_full,
                action=Action.LOAD_VERSION,
                principal="witness@example.com",
            )


def test_an_action_belongs_to_a_kind(world: World):
    assert {action for actions in ACTIONS_ON.values() for action in actions} == set(Action)
    with pytest.raises(InvalidParameter, match="no action on a catalog"):
        ask(world, world.admin, SecurableType.CATALOG, Action.RENAME_MODEL)
