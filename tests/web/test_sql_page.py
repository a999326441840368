"""SQL on the screens: run, wrong, paged, taken out, canceled, and only one's own."""

import re

import pytest
from django.utils import timezone

from registry.models import AuditEvent, SqlStatement, StatementState
from registry.privileges import Privilege, SecurableType
from registry.services.grants import Change, update_grants
from registry.services.sql_completion import ReadTable, complete_name
from registry.services.sql_governance import Defaults
from registry.services.system_tables import system_table
from registry.services.tables import NewTable, create_table
from registry.sql.highlighting import pieces
from registry.sql.system_tables import AUDIT_SCHEMA
from registry.web import sql
from tests.web.factories import make_model

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_folders(settings, tmp_path):
    settings.TABLE_ROOT, settings.SQL_ROOT = str(tmp_path / "tables"), str(tmp_path / "sql")


def send(browser, text, **fields):
    answer = browser.post("/sql/run", {"statement": text, **fields}, headers={"HX-Request": "true"})
    return answer, answer.content.decode()


def test_a_statement_of_governance_runs_and_its_address_shows_it_again(sign_in, flights):
    browser = sign_in("metastore_admin")
    answer, page = send(browser, "SHOW SCHEMAS IN prod")
    assert "flights" in page
    assert "Done" in page
    assert '<span class="sql-word">SHOW</span>' in page
    again = browser.get(answer["HX-Push-Url"]).content.decode()
    assert "flights" in again
    assert "SHOW SCHEMAS IN prod" in again


def test_what_is_wrong_is_marked(sign_in, flights):
    _, page = send(sign_in("metastore_admin"), "GRANT EXECUTE ON MODEL prod.ml.x ONTO `a`")
    assert "Failed" in page
    assert '<mark class="sql-wrong">ONTO</mark>' in page
    empty, page = send(sign_in("metastore_admin"), "  ")
    assert empty.status_code == 400
    assert "Write a statement first" in page


def test_rows_are_read_page_by_page_and_taken_out_whole(sign_in, flights, monkeypatch):
    monkeypatch.setattr(sql, "PAGE_ROWS", 2)
    browser = sign_in("metastore_admin")
    for name in ("a", "b", "c"):
        send(browser, f"CREATE SCHEMA prod.{name}")
    answer, page = send(browser, "SHOW SCHEMAS IN prod")
    assert "Rows 1 to 2 of 4" in page
    number = answer["HX-Push-Url"].partition("=")[2]
    later = browser.get(f"/sql/statements/{number}?first=2").content.decode()
    assert "Rows 3 to 4 of 4" in later
    assert "flights" in later
    lines = browser.get(f"/sql/statements/{number}/csv").getvalue().decode().splitlines()
    assert len(lines) == 5
    assert lines[1:] == ["a", "b", "c", "flights"]


def test_others_find_neither_statement_nor_result(sign_in, flights):
    answer, _ = send(sign_in("metastore_admin"), "SHOW SCHEMAS IN prod")
    number = answer["HX-Push-Url"].partition("=")[2]
    outsider = sign_in("outsider")
    for path in (f"/sql?statement={number}", f"/sql/statements/{number}", f"/sql/statements/{number}/csv"):
        assert outsider.get(path).status_code == 404
    for path in ("cancel", "again"):
        assert outsider.post(f"/sql/statements/{number}/{path}").status_code == 404
    _, page = send(outsider, "SHOW SCHEMAS IN prod")
    assert "Failed" in page


def test_the_history_is_paged_and_run_again(sign_in, people, flights, django_assert_num_queries):
    browser = sign_in("metastore_admin")
    answer, _ = send(browser, "SHOW SCHEMAS IN prod")
    with django_assert_num_queries(4):
        browser.get("/sql/history")
    now = timezone.now()
    for number in range(30):
        SqlStatement.objects.create(
            actor=people.metastore_admin.principal,
            text=f"SELECT {number}",
            state=StatementState.CANCELED,
            submitted_at=now,
            deadline=now,
        )
    with django_assert_num_queries(4):
        page = browser.get("/sql/history").content.decode()
    assert "Earlier ones" in page
    assert page.count("Run again:") == 20
    number = answer["HX-Push-Url"].partition("=")[2]
    again = browser.post(f"/sql/statements/{number}/again")
    assert again["Location"] != f"/sql?statement={number}"
    assert b"flights" in browser.get(again["Location"]).content


def test_one_that_runs_is_watched_and_stopped(sign_in, people):
    now = timezone.now()
    running = SqlStatement.objects.create(
        actor=people.owner.principal,
        text="SELECT 1",
        state=StatementState.RUNNING,
        submitted_at=now,
        deadline=now + timezone.timedelta(hours=1),
    )
    browser = sign_in("owner")
    page = browser.get(f"/sql/statements/{running.pk}?wait=2").content.decode()
    assert "load delay:4s" in page
    stopped = browser.post(f"/sql/statements/{running.pk}/cancel", headers={"HX-Request": "true"}).content.decode()
    assert "Canceled" in stopped
    assert "load delay" not in stopped


def test_names_complete_from_what_one_may_see(sign_in, people, flights):
    admin = people.metastore_admin
    make_model(admin, "prod.flights.delay")
    columns = [{"name": "distance", "type_name": "DOUBLE"}, {"name": "data source", "type_name": "STRING"}]
    create_table(actor=admin, catalog="prod", schema="flights", name="days", new=NewTable(columns=columns))

    def names(who, q, **more):
        page = sign_in(who).get("/sql/names", {"q": q, **more}).content.decode()
        return re.findall('data-value="([^"]*)"', page)

    assert names("metastore_admin", "pr") == ["prod"]
    assert names("metastore_admin", "Prod.F") == ["prod.flights"]
    assert names("metastore_admin", "prod.flights.d") == ["prod.flights.days", "prod.flights.delay"]
    assert names("metastore_admin", "d", catalog="prod", schema="flights") == ["days", "delay"]
    assert names("metastore_admin", "flights.de", catalog="prod") == ["flights.delay"]
    of = {"of": ["prod.flights.days d", "system.access.audit"]}
    assert names("metastore_admin", "d", **of)[:2] == ["distance", "`data source`"]
    assert names("metastore_admin", "d.dist", **of) == ["d.distance"]
    assert names("metastore_admin", "event_t", **of) == ["event_time"]
    assert names("metastore_admin", "system.") == ["system.access", *names("metastore_admin", "system.s")]
    for q in ("", "pr", "prod.f", "prod.flights.d", "d.dist", "..", "a.b.c.d.e"):
        assert "prod" not in "".join(names("outsider", q, **of)), q
        assert "distance" not in "".join(names("outsider", q, **of)), q
    grants = Change(people.reader.name, add=[Privilege.BROWSE])
    update_grants(actor=admin, type_=SecurableType.TABLE, full_name="prod.flights.days", changes=[grants])
    assert names("reader", "prod.flights.d") == ["prod.flights.days"]
    assert not AuditEvent.objects.filter(decision="DENY").exists()


def test_completing_costs_the_same_with_many_names(people, flights, django_assert_max_num_queries):
    defaults = Defaults("prod", "flights")

    def complete():
        return complete_name(actor=people.owner, word="m", defaults=defaults, tables=[ReadTable("days")])

    with django_assert_max_num_queries(35) as counted:
        complete()
    for number in range(30):
        make_model(people.metastore_admin, f"prod.flights.m{number}")
    change = Change(people.owner.name, add=[Privilege.USE_CATALOG, Privilege.USE_SCHEMA, Privilege.EXECUTE])
    update_grants(actor=people.metastore_admin, type_=SecurableType.CATALOG, full_name="prod", changes=[change])
    with django_assert_max_num_queries(len(counted)):
        assert len(complete()) == 8


def test_the_names_of_the_trail_are_those_that_statements_read():
    assert list(system_table("system.access.audit").names) == AUDIT_SCHEMA.names


def test_pieces_are_the_text_and_what_people_write_is_no_markup(sign_in):
    for text in ("SELECT 1 -- why\n, 'a' FROM `x`.y", "/* a */ show grants on model a.b.c", "SELECT 'open", ""):
        assert "".join(piece.text for piece in pieces(text)) == text
    _, page = send(sign_in("owner"), "SELECT '<script>alert(1)</script>' FROM <b>")
    assert "<script>alert" not in page
    assert "<b>" not in page
