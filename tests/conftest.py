"""What every test may use: a guarded database, fixed actors, and a small tree of securables."""

from dataclasses import dataclass

import pytest
from django.db import connection

from registry.models import ADMINS, Membership, Principal, PrincipalKind
from registry.services.actors import Actor, load_actor

SLOW = ("stack", "contract", "client", "browser")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Begin with what takes long: at the end of a run no process waits for another one's slow test.

    Within each kind the order stays random.
    """
    items.sort(key=lambda item: next((place for place, name in enumerate(SLOW) if item.get_closest_marker(name)), 9))


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Let transactional tests empty the append-only tables of this test database."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        name = connection.ops.quote_name(connection.settings_dict["NAME"])
        cursor.execute(f"ALTER DATABASE {name} SET modelkeep.allow_truncate = 'on'")
        cursor.execute("SET modelkeep.allow_truncate = 'on'")


def make_user(name: str, *groups: Principal) -> Principal:
    """An active user, in some groups."""
    user = Principal.objects.create(name=name, key=name.lower(), kind=PrincipalKind.USER)
    for group in groups:
        Membership.objects.create(group=group, member=user)
    return user


def make_group(name: str, *members: Principal) -> Principal:
    """A group with some members, which may be groups."""
    group = Principal.objects.create(name=name, key=name.lower(), kind=PrincipalKind.GROUP)
    for member in members:
        Membership.objects.create(group=group, member=member)
    return group


@dataclass
class People:
    """Fixed actors. Each look-up loads the actor anew, as a request would."""

    principals: dict[str, Principal]

    def __getattr__(self, name: str) -> Actor:
        return load_actor(self.principals[name])


@pytest.fixture
def people(db) -> People:
    """metastore_admin, owner, reader, outsider, and steward, who is in the group `stewards`."""
    admins = Principal.objects.get(key=ADMINS)
    principals = {
        "metastore_admin": make_user("admin@example.com", admins),
        "owner": make_user("owner@example.com"),
        "reader": make_user("reader@example.com"),
        "outsider": make_user("outsider@example.com"),
        "steward": make_user("steward@example.com"),
    }
    make_group("stewards", principals["steward"])
    return People(principals)
