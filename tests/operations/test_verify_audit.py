"""`manage.py verify_audit`: a whole trail passes; changed, removed and cut rows do not."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from registry.models import AuditEvent
from registry.services import catalogs
from registry.services.tokens import create_token

pytestmark = pytest.mark.django_db


@pytest.fixture
def trail(people):
    """Some rows; what they are about does not matter."""
    catalogs.create_catalog(actor=people.metastore_admin, name="one")
    for _ in range(3):
        create_token(actor=people.owner)
    return list(AuditEvent.objects.order_by("chain", "sequence"))


def verify(*heads):
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("verify_audit", *(f"--expect-head={head}" for head in heads), stdout=out, stderr=err)
    except CommandError as error:
        return error.returncode, out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def tamper(sql, *parameters):
    """As somebody with the database in hand would."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = 'replica'")
        cursor.execute(sql, parameters)


def heads_in(text):
    return [line.removeprefix("head ") for line in text.splitlines() if line.startswith("head ")]


def test_a_whole_trail_passes_and_its_heads_are_good_for_the_next_time(people, trail):
    code, out, err = verify()
    assert (code, err) == (0, "")
    assert f"{len(trail)} rows read" in out
    create_token(actor=people.owner)
    assert verify(*heads_in(out))[0] == 0


def test_a_changed_row_is_found(trail):
    tamper("UPDATE registry_auditevent SET actor = 'somebody else' WHERE id = %s", trail[1].pk)
    code, _, err = verify()
    assert code == 1
    assert f"chain {trail[1].chain}, row {trail[1].sequence}: content was changed" in err


def test_a_removed_row_is_found(trail):
    tamper("DELETE FROM registry_auditevent WHERE id = %s", trail[1].pk)
    code, _, err = verify()
    assert code == 1
    assert "missing" in err


def test_a_trail_cut_at_its_end_is_found_by_its_old_head(trail):
    _, out, _ = verify()
    tamper("DELETE FROM registry_auditevent WHERE id = %s", trail[-1].pk)
    assert verify()[0] == 0
    code, _, err = verify(*heads_in(out))
    assert code == 1
    assert "cut at its end" in err


@pytest.mark.parametrize("head", ["", "0", "x:" + "0" * 64, "99:" + "0" * 64, "0:short"])
def test_a_head_that_cannot_be_one_is_refused(trail, head):
    with pytest.raises(CommandError, match="CHAIN:HASH"):
        call_command("verify_audit", f"--expect-head={head}")
