"""Lists of what one may act on say exactly what the gate says, one by one."""

import pytest

from registry.models import Principal, Securable
from registry.privileges import GRANTABLE, RULES, Action, Privilege, SecurableType
from registry.services.access import actionable_by, allowed_actions
from registry.services.catalogs import update_catalog
from registry.services.grants import Change, update_grants
from registry.services.schemas import create_schema, update_schema
from registry.services.securables import Changes, with_containers
from tests.web.factories import make_model, make_schema

pytestmark = pytest.mark.django_db
MAKING = {
    SecurableType.CATALOG: [Action.CREATE_SCHEMA, Action.UPDATE_CATALOG, Action.READ_CATALOG],
    SecurableType.SCHEMA: [Action.CREATE_MODEL, Action.UPDATE_SCHEMA, Action.DELETE_SCHEMA],
    SecurableType.REGISTERED_MODEL: [
        Action.CREATE_VERSION,
        Action.RENAME_MODEL,
        Action.LOAD_VERSION,
        Action.DELETE_MODEL,
    ],
}
GRANTS = [
    (SecurableType.CATALOG, "a", (Privilege.USE_CATALOG,)),
    (SecurableType.CATALOG, "a", (Privilege.ALL_PRIVILEGES,)),
    (SecurableType.SCHEMA, "a.s", (Privilege.USE_SCHEMA, Privilege.CREATE_MODEL)),
    (SecurableType.SCHEMA, "a.s", (Privilege.MANAGE,)),
    (SecurableType.REGISTERED_MODEL, "a.s.m", (Privilege.CREATE_MODEL_VERSION, Privilege.EXECUTE)),
    (SecurableType.REGISTERED_MODEL, "a.s.m", (Privilege.ALL_PRIVILEGES,)),
    (SecurableType.CATALOG, "b", (Privilege.USE_CATALOG, Privilege.USE_SCHEMA, Privilege.CREATE_MODEL_VERSION)),
]


@pytest.fixture
def places(people):
    for catalog in "ab":
        make_schema(people.metastore_admin, f"{catalog}.s")
        create_schema(actor=people.metastore_admin, catalog=catalog, name="t")
        make_model(people.metastore_admin, f"{catalog}.s.m")
        make_model(people.metastore_admin, f"{catalog}.t.n")


def check(actor):
    for type_, actions in MAKING.items():
        rows = list(with_containers(Securable.objects.filter(type=type_)))
        for action in actions:
            one_by_one = {row.full_name for row in rows if action in allowed_actions(actor=actor, securable=row)}
            listed = {row.full_name for row in with_containers(actionable_by(actor, action, type_))}
            assert listed == one_by_one, (action, RULES[action])


def test_lists_agree_with_the_gate_as_grants_are_added(people, places):
    check(people.reader)
    for type_, name, privileges in GRANTS:
        assert set(privileges) <= GRANTABLE[type_]
        change = Change("reader@example.com", add=privileges)
        update_grants(actor=people.metastore_admin, type_=type_, full_name=name, changes=[change])
        check(people.reader)


def test_lists_agree_with_the_gate_for_owners_and_administrators(people, places):
    check(people.metastore_admin)
    admin, steward = people.metastore_admin, "stewards"
    update_catalog(actor=admin, name="b", changes=Changes(owner="owner@example.com"))
    update_schema(actor=admin, full_name="a.s", changes=Changes(owner=steward))
    check(people.owner)
    check(people.steward)
    Securable.objects.filter(key="m").update(owner=Principal.objects.get(key="reader@example.com"))
    check(people.reader)
    check(admin)
