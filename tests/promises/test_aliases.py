"""An alias names exactly one version at every instant."""

import threading
from itertools import pairwise

import pytest
from django.db import connection, connections

from registry.models import AliasMove, ModelAlias
from registry.services import aliases, model_versions, registered_models
from registry.services.model_versions import NewVersion

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "workspace.default.iris"
MOVES = 30


@pytest.fixture
def champion(people):
    registered_models.create_model(actor=people.owner, name=NAME)
    for _ in range(3):
        model_versions.begin_version(actor=people.owner, name=NAME, new=NewVersion())
    aliases.set_alias(actor=people.owner, name=NAME, alias="Champion", version=1)


def in_threads(*functions):
    """Run functions at the same time, each on a connection of its own; raise what one of them raised."""
    errors = []

    def run(function):
        try:
            function()
        except Exception as error:  # noqa: BLE001  (raised again below)
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_readers_always_find_one_version_while_writers_move_it(people, champion):
    done = threading.Event()
    seen = []

    def move(version):
        actor = people.owner
        for _ in range(MOVES):
            aliases.set_alias(actor=actor, name=NAME, alias="Champion", version=version)

    def move_all():
        try:
            in_threads(lambda: move(1), lambda: move(2), lambda: move(3))
        finally:
            done.set()

    def read():
        actor = people.owner
        while not done.is_set():
            seen.append(model_versions.get_version_by_alias(actor=actor, name=NAME, alias="champion").version)

    in_threads(move_all, read)
    assert seen
    assert set(seen) <= {1, 2, 3}
    assert ModelAlias.objects.count() == 1
    # The history is one unbroken walk: each step starts where the one before it ended.
    moves = list(AliasMove.objects.order_by("id").values_list("from_version", "to_version"))
    assert moves[0] == (None, 1)
    assert all(before[1] == after[0] for before, after in pairwise(moves))
    assert moves[-1][1] == ModelAlias.objects.select_related("version").get().version.version


def test_two_writers_that_set_a_new_alias_make_one_row(people, champion):
    def claim(version):
        aliases.set_alias(actor=people.owner, name=NAME, alias="Challenger", version=version)

    in_threads(lambda: claim(2), lambda: claim(3))
    assert ModelAlias.objects.filter(key="challenger").count() == 1


def test_the_database_itself_refuses_a_second_row(people, champion):
    from django.db import IntegrityError

    with pytest.raises(IntegrityError, match="model_alias_once"), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO registry_modelalias (model_id, name, key, version_id, set_at) "
            "SELECT model_id, name, key, version_id, set_at FROM registry_modelalias"
        )
