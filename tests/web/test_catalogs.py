"""Catalogs, schemas and tables on their pages: made, described, tagged, renamed and deleted by whom it is allowed."""

import pytest
from django.urls import reverse

from registry.models import AuditEvent, LineageEdge, Securable
from registry.privileges import Privilege, SecurableType
from registry.services.aliases import set_alias
from registry.services.grants import Change, update_grants
from registry.services.schemas import create_schema
from registry.services.sql_statements import NewStatement, submit_statement
from registry.services.tables import NewTable, create_table
from registry.services.tags import Tags, tag_securable
from tests.web.factories import make_model, make_schema, make_version

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true", "HTTP_HX_CURRENT_URL": "http://testserver/explore/data/prod/flights"}
XSS = '<script>alert("x")</script><img src=x onerror=alert(1)>'


def grant(people, type_, name, who, *privileges):
    change = Change(f"{who}@example.com", tuple(privileges))
    update_grants(actor=people.metastore_admin, type_=type_, full_name=name, changes=[change])


def edit(verb, kind, name):
    return reverse(f"{verb}-object", args=[kind, name])


def text_of(browser, path, status=200):
    response = browser.get(path)
    assert response.status_code == status, response.content.decode()
    return response.content.decode()


@pytest.fixture
def mine(people):
    """prod.flights, owned by the owner, and the reader may use it."""
    make_schema(people.metastore_admin, "prod.flights")
    Securable.objects.filter(key__in=["prod", "flights"]).update(owner=people.principals["owner"])
    grant(people, SecurableType.CATALOG, "prod", "reader", Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
    grant(people, SecurableType.CATALOG, "prod", "admin", Privilege.ALL_PRIVILEGES)
    return "prod.flights"


def test_a_catalog_a_schema_and_a_model_are_made(people, sign_in):
    grant(people, SecurableType.METASTORE, "metastore", "owner", Privilege.CREATE_CATALOG)
    browser = sign_in("owner")
    made = browser.post(reverse("new-catalog"), {"name": "lab", "comment": "**Try** here"}, **HTMX)
    assert made.status_code == 204
    assert '"/explore/data/lab"' in made["HX-Location"]
    assert "tree-changed" in made["HX-Trigger"]
    made = browser.post(reverse("new-schema"), {"catalog": "lab", "name": "flights", "comment": ""}, **HTMX)
    assert '"/explore/data/lab/flights"' in made["HX-Location"]
    made = browser.post(reverse("new-model"), {"schema": "lab.flights", "name": "delay", "comment": ""}, **HTMX)
    assert '"/explore/data/models/lab/flights/delay"' in made["HX-Location"]
    assert Securable.objects.get(key="delay").owner == people.principals["owner"]
    assert "<strong>Try</strong>" in text_of(browser, "/explore/data/lab")


@pytest.mark.parametrize(
    ("route", "fields", "status", "told"),
    [
        ("new-catalog", {"name": "x"}, 403, "CREATE_CATALOG"),
        ("new-schema", {"catalog": "prod", "name": "x"}, 403, "CREATE_SCHEMA"),
        ("new-schema", {"catalog": "nowhere", "name": "x"}, 404, "does not exist"),
        ("new-model", {"schema": "prod.flights", "name": "x"}, 403, "CREATE_MODEL"),
        ("new-model", {"schema": "flights", "name": "x"}, 400, "write it as catalog.schema"),
        ("new-model", {"schema": "", "name": ""}, 400, "required"),
    ],
)
def test_what_is_refused_is_said_on_the_form(people, sign_in, mine, route, fields, status, told):
    response = sign_in("reader").post(reverse(route), fields, **HTMX)
    assert response.status_code == status
    assert told in response.content.decode()


def test_buttons_are_offered_to_whom_they_will_not_be_refused(people, sign_in, mine):
    create_table(actor=people.metastore_admin, catalog="prod", schema="flights", name="raw", new=NewTable())
    grant(people, SecurableType.TABLE, "prod.flights.raw", "reader", Privilege.SELECT)
    pages = {
        "/explore/data/prod": (reverse("new-schema"), edit("delete", "catalogs", "prod")),
        "/explore/data/prod/flights": (reverse("new-model"), edit("describe", "schemas", "prod.flights")),
        "/explore/data/prod/flights/raw": (edit("delete", "tables", "prod.flights.raw"),),
    }
    for page, addresses in pages.items():
        owner, reader = text_of(sign_in("owner"), page), text_of(sign_in("reader"), page)
        for address in addresses:
            assert address in owner, (page, address)
            assert address not in reader, (page, address)
        text_of(sign_in("outsider"), page, status=404)


def test_a_description_is_changed_and_taken_back(people, sign_in, mine):
    browser, address = sign_in("owner"), edit("describe", "schemas", mine)
    done = browser.post(address, {"comment": f"About flights {XSS}"}, **HTMX)
    assert done.status_code == 204
    assert '"undo"' in done["HX-Trigger"]
    shown = text_of(browser, "/explore/data/prod/flights")
    assert "About flights" in shown
    assert "<script>alert" not in shown
    assert "<img src=x" not in shown
    assert AuditEvent.objects.filter(action="updateSchema", decision="ALLOW").exists()
    assert browser.post(address, {"comment": ""}, **HTMX).status_code == 204
    assert Securable.objects.get(key="flights").comment == ""
    assert sign_in("reader").post(address, {"comment": "x"}, **HTMX).status_code == 403
    assert sign_in("outsider").get(address, **HTMX).status_code == 404


def test_tags_are_set_changed_and_removed_with_undo(people, sign_in, mine):
    browser = sign_in("owner")
    tag, untag = edit("tag", "catalogs", "prod"), edit("untag", "catalogs", "prod")
    assert browser.post(tag, {"key": 'a&b"', "value": XSS}, **HTMX).status_code == 204
    shown = text_of(browser, "/explore/data/prod")
    assert "a&amp;b&quot;" in shown
    assert "<script>alert" not in shown
    assert "key=a%26b%22" in shown
    assert f'value="{"x"}"' not in text_of(browser, f"{tag}?key=a%26b%22")
    removed = browser.post(untag, {"key": 'a&b"'}, **HTMX)
    assert "undo" in removed["HX-Trigger"]
    assert not Securable.objects.get(key="prod").tags.exists()
    refused = sign_in("reader").post(untag, {"key": "x"}, **HTMX)
    assert (refused.status_code, "lacks" in refused["HX-Trigger"]) == (204, True)


def test_a_bad_tag_is_told_at_its_field(people, sign_in, mine):
    answer = sign_in("owner").post(edit("tag", "schemas", mine), {"key": "a.b", "value": "1"}, **HTMX)
    assert answer.status_code == 400
    assert "not allowed" in answer.context["form"].errors["key"][0]


def test_renaming_leads_to_the_new_address_and_back(people, sign_in, mine):
    browser = sign_in("owner")
    done = browser.post(edit("rename", "schemas", mine), {"new_name": "air"}, **HTMX)
    assert '"/explore/data/prod/air"' in done["HX-Location"]
    text_of(browser, "/explore/data/prod/air")
    create_schema(actor=people.owner, catalog="prod", name="taken")
    refused = browser.post(edit("rename", "schemas", "prod.air"), {"new_name": "Taken"}, **HTMX)
    assert refused.status_code == 400
    assert "already exists" in refused.content.decode()


def test_an_empty_schema_goes_at_one_click_and_a_full_one_by_its_name(people, sign_in, mine):
    admin, browser = people.metastore_admin, sign_in("owner")
    create_schema(actor=people.owner, catalog="prod", name="empty")
    address = edit("delete", "schemas", "prod.empty")
    assert "Nothing is in it" in text_of(browser, address)
    done = browser.post(address, {}, **HTMX)
    assert '"/explore/data/prod"' in done["HX-Location"]
    make_version(admin, make_model(admin, "prod.flights.delay"))
    set_alias(actor=admin, name="prod.flights.delay", alias="Champion", version=1)
    address = edit("delete", "schemas", mine)
    plan = text_of(browser, address)
    assert "1 with 1 version" in plan
    assert "prod.flights.delay@Champion" in plan
    for typed in ("", "flight"):
        refused = browser.post(address, {"typed": typed}, **HTMX)
        assert refused.status_code == 400
    assert sign_in("reader").post(address, {"typed": "flights"}, **HTMX).status_code == 403
    assert browser.post(address, {"typed": "flights"}, **HTMX).status_code == 204
    assert not Securable.objects.filter(key__in=["flights", "delay"]).exists()


def test_what_arrives_while_one_confirms_is_not_deleted_unasked(people, sign_in, mine):
    browser, address = sign_in("owner"), edit("delete", "schemas", mine)
    assert "Nothing is in it" in text_of(browser, address)
    make_model(people.metastore_admin, "prod.flights.delay")
    refused = browser.post(address, {}, **HTMX)
    assert refused.status_code == 400
    assert Securable.objects.filter(key="delay").exists()


def test_a_table_shows_what_was_made_from_it_and_hides_what_one_may_not_see(people, sign_in, mine):
    admin = people.metastore_admin
    table = create_table(actor=admin, catalog="prod", schema="flights", name="raw", new=NewTable()).securable
    for name in ("prod.flights.delay", "prod.flights.secret"):
        version = make_version(admin, make_model(admin, name))
        LineageEdge.objects.create(version=version, direction="UPSTREAM", kind="TABLE", name="x", table=table)
    grant(people, SecurableType.TABLE, "prod.flights.raw", "reader", Privilege.SELECT)
    grant(people, SecurableType.REGISTERED_MODEL, "prod.flights.delay", "reader", Privilege.EXECUTE)
    page = "/explore/data/prod/flights/raw?tab=lineage"
    shown = text_of(sign_in("reader"), page)
    assert "delay/version/1" in shown
    assert "secret" not in shown
    assert "secret/version/1" in text_of(sign_in("owner"), page)


def test_lists_are_sorted_and_filtered_by_the_address(people, sign_in, mine):
    for name in ("alpha", "beta", "gamma"):
        make_model(people.metastore_admin, f"prod.flights.{name}")
    Securable.objects.filter(key="beta").update(owner=people.principals["owner"])
    browser, page = sign_in("owner"), "/explore/data/prod/flights"

    def names(query):
        return [s.model.securable.name for s in browser.get(f"{page}?{query}").context["page"].items]

    assert names("") == ["alpha", "beta", "gamma"]
    assert names("order=-name") == ["gamma", "beta", "alpha"]
    assert names("order=-updated") == ["gamma", "beta", "alpha"]
    assert names("q=ET") == ["beta"]
    assert names("own=1") == ["beta"]
    assert browser.get(f"{page}?order=nonsense").status_code == 400
    assert 'aria-sort="descending"' in text_of(browser, f"{page}?order=-updated")


PAGES = [
    *("/explore/data", "/explore/data/prod", "/explore/data/prod?tab=details", "/explore/data/prod/flights"),
    *("/explore/data/prod/flights?tab=tables", "/explore/data/prod/flights/raw0?tab=lineage"),
    *("/explore/places/schemas?q=s", "/explore/places/catalogs?q=", "/explore/copy/destinations?q=prod.flights.m"),
]


@pytest.mark.parametrize("path", PAGES)
def test_pages_cost_the_same_for_one_row_and_many(people, sign_in, mine, path, django_assert_max_num_queries):
    admin = people.metastore_admin

    def add(number):
        make_schema(admin, f"more{number}.s{number}")
        create_schema(actor=people.owner, catalog="prod", name=f"s{number}")
        version = make_version(admin, make_model(admin, f"prod.flights.m{number}", team="x"))
        new = NewTable()
        table = create_table(actor=admin, catalog="prod", schema="flights", name=f"raw{number}", new=new).securable
        first = Securable.objects.get(key="raw0") if number else table
        LineageEdge.objects.create(version=version, direction="UPSTREAM", kind="TABLE", name="x", table=first)
        tag_securable(actor=admin, type_=SecurableType.TABLE, full_name=table.full_name, change=Tags(set={"a": "b"}))

    add(0)
    browser = sign_in("owner")
    with django_assert_max_num_queries(40) as few:
        text_of(browser, path)
    for number in range(1, 6):
        add(number)
    with django_assert_max_num_queries(len(few)):
        text_of(browser, path)


@pytest.mark.django_db(transaction=True)
def test_the_first_rows_of_a_table_are_shown_to_who_may_select(people, sign_in, mine, settings, tmp_path):
    settings.TABLE_ROOT, settings.SQL_ROOT = str(tmp_path / "tables"), str(tmp_path / "sql")
    text = f"CREATE TABLE prod.flights.raw AS SELECT * FROM VALUES (1, '{XSS}'), (2, NULL) AS t(id, word)"
    made = submit_statement(actor=people.owner, new=NewStatement(text.replace('"', ""), wait_seconds=50))
    assert made.state == "SUCCEEDED", made.error_message
    page, sample = "/explore/data/prod/flights/raw?tab=sample", "/explore/sample/prod/flights/raw"
    assert sample in text_of(sign_in("owner"), page)
    shown = text_of(sign_in("owner"), sample)
    assert "The first 2 rows" in shown
    assert "&lt;script&gt;" in shown
    assert "<script>" not in shown
    grant(people, SecurableType.TABLE, "prod.flights.raw", "reader", Privilege.BROWSE)
    assert sample not in text_of(sign_in("reader"), page)
    for who in ("reader", "outsider"):
        assert "The first" not in text_of(sign_in(who), sample)


def test_what_happened_is_shown_to_who_administers(people, sign_in, mine):
    tag_securable(actor=people.owner, type_=SecurableType.SCHEMA, full_name=mine, change=Tags(set={"a": "b"}))
    page = "/explore/data/prod/flights?tab=activity"
    assert "Tag schema" in text_of(sign_in("owner"), page)
    assert "Tag schema" not in text_of(sign_in("reader"), page)
