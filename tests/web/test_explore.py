"""Browsing: what each page shows, to whom, and at what cost."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registry.models import VersionStatus
from registry.privileges import Privilege, SecurableType
from registry.services import lineage
from registry.services.aliases import set_alias
from registry.services.grants import Change, update_grants
from registry.services.schemas import create_schema
from registry.services.tables import NewTable, create_table
from registry.services.tags import Tags, tag_version
from registry.web.template_tags import object_url
from tests.web.factories import make_model, make_version

MODEL = "/explore/data/models/prod/flights/delay"
XSS = '<script>alert("x")</script><img src=x onerror=alert(1)>'


def grant(people, type_, name, who, *privileges):
    change = Change(f"{who}@example.com", tuple(privileges))
    update_grants(actor=people.metastore_admin, type_=type_, full_name=name, changes=[change])


@pytest.fixture
def delay(people, flights):
    """A model with three versions, an alias and tags."""
    model = make_model(people.metastore_admin, "prod.flights.delay", comment="Predicts **delay**.", team="ops")
    for number in range(3):
        make_version(people.metastore_admin, model, comment=f"try {number}", metrics=[{"key": "rmse", "value": 1.5}])
    set_alias(actor=people.metastore_admin, name="prod.flights.delay", alias="Champion", version=2)
    return model


def text_of(browser, path, status=200):
    response = browser.get(path)
    assert response.status_code == status, response.content.decode()
    return response.content.decode()


def test_home_shows_how_to_begin_with_the_viewers_own_host(sign_in):
    response = sign_in("outsider").get("/", headers={"host": "keep.example:8443"})
    text = response.content.decode()
    assert "export DATABRICKS_HOST=http://keep.example:8443" in text
    assert (
        "registered_model_name=&quot;workspace.default.my_model&quot;" in text or "workspace.default.my_model" in text
    )


def test_home_shows_what_changed_last(sign_in, delay):
    text = text_of(sign_in("metastore_admin"), "/")
    assert MODEL in text
    assert f"{MODEL}/version/2" in text


def test_a_model_page_shows_versions_aliases_tags_and_description(sign_in, delay):
    text = text_of(sign_in("metastore_admin"), MODEL)
    assert "<strong>delay</strong>" in text
    assert f"{MODEL}/version/3" in text
    assert 'data-copy="models:/prod.flights.delay@Champion"' in text
    assert "ops" in text


@pytest.mark.parametrize("tab", ["versions", "aliases", "permissions", "nonsense"])
def test_every_tab_of_a_model_has_its_own_address(sign_in, delay, tab):
    text_of(sign_in("metastore_admin"), f"{MODEL}?tab={tab}")


@pytest.mark.parametrize(
    ("tab", "expected"),
    [
        ("overview", "rmse"),
        ("signature", "tensor(float64, [-1])"),
        ("files", "model.pkl"),
        ("environment", "scikit-learn==1.7.0"),
        ("lineage", "No lineage recorded"),
    ],
)
def test_every_tab_of_a_version(sign_in, delay, tab, expected):
    assert expected in text_of(sign_in("metastore_admin"), f"{MODEL}/version/2?tab={tab}&o=7474000000000001")


def test_a_failed_version_says_why_and_a_pending_one_that_it_waits(sign_in, people, delay):
    failed = {"status": VersionStatus.FAILED_REGISTRATION, "status_message": "No signature <b>."}
    make_version(people.metastore_admin, delay, **failed)
    make_version(people.metastore_admin, delay, status=VersionStatus.PENDING_REGISTRATION)
    assert "No signature &lt;b&gt;." in text_of(sign_in("metastore_admin"), f"{MODEL}/version/4")
    assert "still arriving" in text_of(sign_in("metastore_admin"), f"{MODEL}/version/5")


def test_lineage_links_tables_that_one_may_see_and_hides_others(sign_in, people, delay):
    table = create_table(
        actor=people.metastore_admin, catalog="prod", schema="flights", name="raw", new=NewTable()
    ).securable
    version = delay.versions.get(version=1)
    version.lineage.create(direction=lineage.UPSTREAM, kind="TABLE", name="prod.flights.raw", table=table)
    path = f"{MODEL}/version/1?tab=lineage"
    assert 'href="/explore/data/prod/flights/raw"' in text_of(sign_in("metastore_admin"), path)
    grant(people, SecurableType.CATALOG, "prod", "reader", Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
    grant(people, SecurableType.REGISTERED_MODEL, "prod.flights.delay", "reader", Privilege.EXECUTE)
    assert "prod.flights.raw" not in text_of(sign_in("reader"), path)


@pytest.mark.parametrize(
    "path", ["/explore/data/prod", "/explore/data/prod/flights", MODEL, f"{MODEL}/version/1", "/explore/data/nope"]
)
def test_what_one_may_not_see_reads_as_missing(sign_in, delay, path):
    assert "does not exist" in text_of(sign_in("outsider"), path, status=404)


def test_a_missing_parent_is_named_with_whom_to_ask(sign_in, people, delay):
    grant(people, SecurableType.REGISTERED_MODEL, "prod.flights.delay", "reader", Privilege.EXECUTE)
    text = text_of(sign_in("reader"), MODEL, status=403)
    assert "USE_CATALOG" in text
    assert "<code>prod</code>" in text
    assert "admin@example.com, who owns it" in text


def test_browsing_shows_metadata_and_says_what_is_missing(sign_in, people, delay):
    grant(people, SecurableType.CATALOG, "prod", "reader", Privilege.BROWSE)
    model = text_of(sign_in("reader"), MODEL)
    assert "You may browse this model, not load it" in model
    assert "Serve this model" not in model
    text_of(sign_in("reader"), f"{MODEL}/version/1?tab=files", status=403)


def test_permissions_show_where_each_comes_from(sign_in, people, delay):
    grant(people, SecurableType.CATALOG, "prod", "reader", Privilege.EXECUTE)
    grant(people, SecurableType.REGISTERED_MODEL, "prod.flights.delay", "steward", Privilege.APPLY_TAG)
    text = text_of(sign_in("metastore_admin"), f"{MODEL}?tab=permissions")
    assert 'title="Inherited from catalog prod"' in text
    assert "APPLY TAG" in text


def test_the_schema_filter_lives_in_the_address(sign_in, people, delay):
    make_model(people.metastore_admin, "prod.flights.gates")
    text = text_of(sign_in("metastore_admin"), "/explore/data/prod/flights?q=GAT")
    assert "gates" in text
    assert MODEL not in text
    assert "No model has that in its name" in text_of(sign_in("metastore_admin"), "/explore/data/prod/flights?q=zzz")


def test_pages_follow_each_other_and_a_foreign_token_is_refused(sign_in, people, delay, monkeypatch):
    monkeypatch.setattr("registry.web.models.PAGE_SIZE", 2)
    browser = sign_in("metastore_admin")
    first = browser.get(f"{MODEL}?tab=versions")
    token = first.context["page"].next_page_token
    second = text_of(browser, f"{MODEL}?tab=versions&page={token}")
    assert f'href="{MODEL}/version/1"' in second
    assert f'href="{MODEL}/version/3"' not in second
    assert "not one that this list gave out" in text_of(browser, f"{MODEL}?tab=versions&page=junk", status=400)


def test_hostile_text_is_only_text(sign_in, people, flights):
    name = "prod.flights.<img src=x onerror=alert(1)>\"'"
    model = make_model(people.metastore_admin, name, comment=XSS + "\n\n[x](javascript:alert(1))", key=XSS)
    make_version(people.metastore_admin, model, comment=XSS, source=XSS, params=[{"name": XSS, "value": XSS}])
    tag_version(actor=people.metastore_admin, name=name, version=1, change=Tags(set={"k": XSS}))
    browser = sign_in("metastore_admin")
    url = object_url(model.securable)
    for path in ["/", "/explore/data/prod/flights", "/explore/tree/prod/flights", url, f"{url}/version/1"]:
        text = text_of(browser, path)
        assert "<script>alert" not in text
        assert "<img" not in text
        assert 'href="javascript:' not in text


QUERY_PATHS = [
    "/",
    "/explore/data",
    "/explore/data/prod",
    "/explore/data/prod?tab=permissions",
    "/explore/data/prod/flights",
    "/explore/data/prod/flights?tab=tables",
    MODEL,
    f"{MODEL}?tab=aliases",
    f"{MODEL}?tab=permissions",
    f"{MODEL}/version/1",
    f"{MODEL}/version/1?tab=files",
    f"{MODEL}/version/1?tab=lineage",
    "/explore/tree",
    "/explore/tree/prod",
    "/explore/tree/prod/flights",
]


def _cost(browser, path):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        text_of(browser, path)
    return len(queries)


def _grow(people, model, round_):
    admin = people.metastore_admin
    for number in range(3):
        make_model(admin, f"prod.flights.more{round_}{number}", versions=1, team="x")
        create_schema(actor=admin, catalog="prod", name=f"s{round_}{number}")
        make_version(admin, model)
        new = NewTable(columns=[{"name": "a"}])
        table = create_table(actor=admin, catalog="prod", schema="flights", name=f"t{round_}{number}", new=new)
        set_alias(actor=admin, name="prod.flights.delay", alias=f"a{round_}{number}", version=1)
        edge = {"direction": lineage.UPSTREAM, "kind": "TABLE", "name": f"prod.flights.t{round_}{number}"}
        model.versions.get(version=1).lineage.create(table=table.securable, **edge)
    grant(people, SecurableType.CATALOG, "prod", "steward", Privilege.SELECT)
    grant(people, SecurableType.CATALOG, "prod", "owner", Privilege.SELECT)


@pytest.mark.parametrize("who", ["metastore_admin", "reader"])
@pytest.mark.parametrize("path", QUERY_PATHS)
def test_pages_cost_the_same_for_one_row_and_many(sign_in, people, flights, path, who):
    admin = people.metastore_admin
    model = make_model(admin, "prod.flights.delay", versions=1)
    table = create_table(actor=admin, catalog="prod", schema="flights", name="one", new=NewTable())
    edge = {"direction": lineage.UPSTREAM, "kind": "TABLE", "name": "prod.flights.one"}
    model.versions.get().lineage.create(table=table.securable, **edge)
    set_alias(actor=admin, name="prod.flights.delay", alias="Champion", version=1)
    wide = (Privilege.USE_CATALOG, Privilege.USE_SCHEMA, Privilege.EXECUTE, Privilege.SELECT)
    grant(people, SecurableType.CATALOG, "prod", "reader", *wide)
    browser = sign_in(who)
    before = _cost(browser, path)
    _grow(people, model, 1)
    assert _cost(browser, path) == before
    assert before <= 29


def test_an_unknown_page_is_designed_and_an_unknown_api_is_json(sign_in, client):
    assert "no page at this address" in text_of(sign_in("reader"), "/nowhere", status=404)
    assert "no page at this address" in text_of(client, "/nowhere", status=404)
    assert client.get("/api/nowhere").json()["error_code"] == "ENDPOINT_NOT_FOUND"


def test_a_failure_shows_the_request_id_and_nothing_else(sign_in, monkeypatch):
    def fail(**_):
        raise RuntimeError("the secret is 42")

    monkeypatch.setattr("registry.web.catalogs.list_catalogs", fail)
    browser = sign_in("reader")
    browser.raise_request_exception = False
    response = browser.get("/explore/data", headers={"x-request-id": "request-1234"})
    assert response.status_code == 500
    text = response.content.decode()
    assert "request-1234" in text
    assert "42" not in text
    assert "Traceback" not in text


def test_an_expired_session_sends_fragments_to_the_door(browser):
    response = browser.get(
        "/explore/tree", headers={"hx-request": "true", "hx-current-url": "http://testserver/explore/data/prod"}
    )
    assert response["HX-Redirect"] == "/sign-in?next=%2Fexplore%2Fdata%2Fprod"
