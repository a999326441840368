"""The trail is a chain: whoever rewrites it is found out, and many writers at once keep it whole."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from registry.errors import NotFound
from registry.models import ADMINS, AuditEvent, Principal
from registry.privileges import Privilege, SecurableType
from registry.services import aliases, audit, catalogs, grants, model_versions, registered_models, schemas, tags
from registry.services.actors import load_actor
from registry.services.audit import hash_of, verify_chains
from registry.services.grants import Change
from registry.services.model_versions import NewVersion
from registry.services.tags import Tags
from tests.conftest import make_user


def problems() -> list[str]:
    return [fault.problem for fault in verify_chains()[1]]


@pytest.fixture
def trail(db) -> list[AuditEvent]:
    """A dozen rows of one chain, oldest first."""
    actor = load_actor(make_user("a@example.com"))
    for number in range(12):
        _write_one(actor=actor, name=f"row {number}")
    assert problems() == []
    rows = list(AuditEvent.objects.order_by("sequence"))
    assert [row.sequence for row in rows] == list(range(1, 13))
    return rows


@audit.audited
def _write_one(*, actor, name):
    audit.record(
        actor=actor, action="test", subject=("THING", "1", name), params={"ü": [1, 2.5, None]}, before={"a": 1}
    )


FACTS = {
    "actor": "somebody else",
    "actor_id": 999,
    "decision": "DENY",
    "action": "innocent",
    "securable_name": "another",
    "params": {"changed": True},
    "before": None,
    "after": {"x": 1},
    "message": "changed",
    "request_id": "changed",
    "source_ip": "10.0.0.1",
    "at": "2001-01-01T00:00:00Z",
}


@pytest.mark.parametrize("fact", FACTS)
def test_a_changed_row(trail, fact):
    AuditEvent.objects.filter(pk=trail[5].pk).update(**{fact: FACTS[fact]})
    assert problems() == ["content was changed after it was written"]


def test_every_column_is_covered(db):
    plain = {field.attname for field in AuditEvent._meta.fields} - {"id", "hash"}
    assert plain == set(audit._HASHED)


def test_a_changed_row_with_its_hash_computed_anew(trail):
    row = trail[5]
    row.actor = "somebody else"
    row.hash = hash_of(row)
    row.save()
    assert problems() == ["does not follow the row before it"]


def test_a_deleted_row(trail):
    trail[5].delete()
    assert problems() == ["rows 6 to 6 are missing"]


def test_a_deleted_row_with_the_gap_closed(trail):
    trail[5].delete()
    for row in trail[6:]:
        AuditEvent.objects.filter(pk=row.pk).update(sequence=row.sequence - 1)
    assert len(problems()) >= 2


def test_rows_in_another_order(trail):
    first, second = trail[4], trail[5]
    AuditEvent.objects.filter(pk=second.pk).update(sequence=1000)
    AuditEvent.objects.filter(pk=first.pk).update(sequence=second.sequence)
    AuditEvent.objects.filter(pk=second.pk).update(sequence=first.sequence)
    assert "does not follow the row before it" in problems()
    assert "content was changed after it was written" in problems()


def test_a_row_slipped_in(trail):
    forged = trail[-1]
    forged.pk, forged.event_id, forged.sequence = None, "0b8e2f7e-0d2c-4c8e-9f5f-0d3a4f0c9d11", 13
    forged.hash = hash_of(forged)
    forged.save(force_insert=True)
    assert problems() == ["does not follow the row before it"]


@pytest.mark.parametrize("forge", ["cut", "rewritten"])
def test_a_forged_tail_is_seen_against_heads_kept_elsewhere(trail, forge):
    """What has no row behind it can be rewritten whole: only a copy of the head shows that."""
    _, _, kept = verify_chains()
    tail = trail[-1]
    if forge == "cut":
        tail.delete()
    else:
        tail.actor = "somebody else"
        tail.hash = hash_of(tail)
        tail.save()
    _, faults, heads = verify_chains()
    assert faults == []
    assert heads != kept


# --- Many writers at once --------

WRITERS, ROUNDS = 8, 6


@pytest.mark.django_db(transaction=True)
def test_many_writers_keep_the_chains_whole():
    admin = make_user("admin@example.com", Principal.objects.get(key=ADMINS))
    boss = load_actor(admin)
    catalogs.create_catalog(actor=boss, name="prod")
    schemas.create_schema(actor=boss, catalog="prod", name="ml")
    registered_models.create_model(actor=boss, name="prod.ml.shared")
    model_versions.begin_version(actor=boss, name="prod.ml.shared", new=NewVersion())
    stranger = make_user("stranger@example.com")
    before = AuditEvent.objects.count()
    start = threading.Barrier(WRITERS)

    def write(number: int) -> None:
        try:
            actor, nobody = load_actor(admin), load_actor(stranger)
            start.wait()
            for turn in range(ROUNDS):
                _one_round(actor, nobody, f"w{number}_{turn}")
        finally:
            connection.close()

    with ThreadPoolExecutor(WRITERS) as pool:
        for done in [pool.submit(write, number) for number in range(WRITERS)]:
            done.result(timeout=60)
    count, faults, heads = verify_chains()
    assert faults == []
    assert count - before == WRITERS * ROUNDS * 6
    assert len(heads) > 1, "all writers stood in one queue"
    assert AuditEvent.objects.filter(decision="DENY").count() == WRITERS * ROUNDS
    versions = registered_models.get_model(actor=boss, name="prod.ml.shared").last_version
    assert versions == 1 + WRITERS * ROUNDS


def _one_round(actor, nobody, name) -> None:
    """Six rows: things of one's own, and things that everybody writes at once."""
    registered_models.create_model(actor=actor, name=f"prod.ml.{name}")
    grants.update_grants(
        actor=actor,
        type_=SecurableType.CATALOG,
        full_name="prod",
        changes=[Change("account users", add=(Privilege.APPLY_TAG,))],
    )
    version = model_versions.begin_version(actor=actor, name="prod.ml.shared", new=NewVersion())
    aliases.set_alias(actor=actor, name="prod.ml.shared", alias="champion", version=version.version)
    tags.tag_securable(
        actor=actor,
        type_=SecurableType.REGISTERED_MODEL,
        full_name="prod.ml.shared",
        change=Tags(set={"writer": name}),
    )
    with pytest.raises(NotFound):
        registered_models.delete_model(actor=nobody, name="prod.ml.shared")
