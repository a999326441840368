"""Metastores, browsing, summaries, grants in pages, and what every path answers."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registry.models import Securable
from registry.privileges import Privilege, SecurableType
from registry.services import catalogs, grants, registered_models, schemas, tables
from registry.services.grants import Change
from registry.services.tables import NewTable
from tests.conftest import make_user
from tests.sdk.conftest import Api

UC = "/api/2.1/unity-catalog"


def grant(people, kind: SecurableType, name: str, principal: str, *privileges: Privilege) -> None:
    change = Change(principal, add=privileges)
    grants.update_grants(actor=people.metastore_admin, type_=kind, full_name=name, changes=[change])


@pytest.fixture
def tree(people):
    """`prod.ml` and `prod.raw` with tables and models; the reader may use one schema and browse all."""
    admin = people.metastore_admin
    catalogs.create_catalog(actor=admin, name="prod")
    for schema in ("ml", "raw"):
        schemas.create_schema(actor=admin, catalog="prod", name=schema)
        for table in ("clicks", "clients", "orders_2024"):
            column = {"name": "id", "type_name": "LONG", "type_text": "bigint"}
            new = NewTable(columns=[column], properties={"x": "y"})
            tables.create_table(actor=admin, catalog="prod", schema=schema, name=table, new=new)
        registered_models.create_model(actor=admin, name=f"prod.{schema}.ranker")
    grant(people, SecurableType.CATALOG, "prod", "reader@example.com", Privilege.USE_CATALOG, Privilege.BROWSE)
    grant(
        people,
        SecurableType.SCHEMA,
        "prod.ml",
        "reader@example.com",
        Privilege.USE_SCHEMA,
        Privilege.EXECUTE,
        Privilege.SELECT,
    )


def test_there_is_one_metastore(api):
    reader = api("reader")
    (one,) = reader("GET", f"{UC}/metastores")["metastores"]
    assert reader("GET", f"{UC}/metastores/{one['metastore_id']}") == one
    assert reader("GET", f"{UC}/metastore_summary") == one
    assert reader("GET", f"{UC}/current-metastore-assignment")["metastore_id"] == one["metastore_id"]
    assert isinstance(one["created_at"], int)
    assert reader("GET", f"{UC}/metastores/other")["error_code"] == "RESOURCE_DOES_NOT_EXIST"


def test_everything_names_the_metastore(api, tree):
    admin = api("metastore_admin")
    metastore_id = admin("GET", f"{UC}/metastore_summary")["metastore_id"]
    for path in ("catalogs/prod", "schemas/prod.ml", "tables/prod.ml.clicks", "models/prod.ml.ranker"):
        assert admin("GET", f"{UC}/{path}")["metastore_id"] == metastore_id


LISTS = {
    "schemas": ("schemas", {"catalog_name": "prod"}, {"ml": False, "raw": True}),
    "tables": ("tables", {"catalog_name": "prod", "schema_name": "raw"}, dict.fromkeys(["clicks"], True)),
    "used tables": ("tables", {"catalog_name": "prod", "schema_name": "ml"}, dict.fromkeys(["clicks"], False)),
    "models": ("models", {"catalog_name": "prod", "schema_name": "raw"}, {"ranker": True}),
    "used models": ("models", {"catalog_name": "prod", "schema_name": "ml"}, {"ranker": False}),
    "catalogs": ("catalogs", {}, {"prod": False}),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_say_what_may_only_be_looked_at(api, tree, name):
    path, query, expected = LISTS[name]
    key = "registered_models" if path == "models" else path
    rows = api("reader")("GET", f"{UC}/{path}", include_browse="true", **query)[key]
    found = {row["name"]: row["browse_only"] for row in rows if row["name"] in expected}
    assert found == expected
    mine = api("metastore_admin")("GET", f"{UC}/{path}", include_browse="true", **query)[key]
    assert not any(row["browse_only"] for row in mine)


@pytest.mark.parametrize(
    ("path", "browse_only"),
    [
        ("catalogs/prod", False),
        ("schemas/prod.raw", True),
        ("tables/prod.raw.clicks", True),
        ("tables/prod.ml.clicks", False),
    ],
)
def test_a_single_object_says_so_too(api, tree, path, browse_only):
    reader = api("reader")
    assert reader("GET", f"{UC}/{path}", include_browse="true")["browse_only"] is browse_only
    assert "browse_only" not in reader("GET", f"{UC}/{path}")


def test_browsing_costs_the_same_for_one_row_and_many(api, people, tree):
    reader = api("reader")

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            reader("GET", f"{UC}/schemas", catalog_name="prod", include_browse="true")
        return len(queries)

    cost()
    few = cost()
    for number in range(4):
        schemas.create_schema(actor=people.metastore_admin, catalog="prod", name=f"s{number}")
    assert cost() == few


def test_fields_can_be_left_out_of_a_list_of_tables(api, tree):
    admin, place = api("metastore_admin"), {"catalog_name": "prod", "schema_name": "ml"}
    whole = admin("GET", f"{UC}/tables", **place)["tables"][0]
    assert (whole["columns"][0]["name"], whole["properties"]) == ("id", {"x": "y"})
    flags = {"omit_columns": "true", "omit_properties": "true", "omit_username": "true"}
    short = admin("GET", f"{UC}/tables", **place, **flags)["tables"][0]
    assert set(whole) - set(short) == {"columns", "properties", "owner"}


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ({}, 6),
        ({"schema_name_pattern": "m%"}, 3),
        ({"table_name_pattern": "CLI%"}, 4),
        ({"schema_name_pattern": "raw", "table_name_pattern": "orders____4"}, 1),
        ({"table_name_pattern": "cl.*"}, 0),
    ],
)
def test_summaries_by_patterns(api, tree, patterns, names):
    admin, seen, token = api("metastore_admin"), [], ""
    while True:
        page = admin("GET", f"{UC}/table-summaries", catalog_name="prod", max_results=2, page_token=token, **patterns)
        seen += [row["full_name"] for row in page["tables"]]
        token = page["next_page_token"]
        if not token:
            break
    assert len(seen) == len(set(seen)) == names
    assert seen == sorted(seen)


def test_summaries_show_what_one_may_see(api, people, tree):
    outsider = api("outsider")
    outsider("GET", f"{UC}/table-summaries", catalog_name="prod")
    assert outsider.status == 404
    grant(people, SecurableType.CATALOG, "prod", "outsider@example.com", Privilege.USE_CATALOG)
    grant(people, SecurableType.SCHEMA, "prod.raw", "outsider@example.com", Privilege.USE_SCHEMA, Privilege.SELECT)
    rows = outsider("GET", f"{UC}/table-summaries", catalog_name="prod")["tables"]
    assert {row["full_name"].split(".")[1] for row in rows} == {"raw"}
    assert {row["table_type"] for row in rows} == {"EXTERNAL"}


@pytest.mark.parametrize(
    ("path", "key", "size"),
    [
        ("permissions", "privilege_assignments", "max_results"),
        ("privilege-assignments", "privilege_assignments", "page_size"),
        ("effective-permissions", "privilege_assignments", "max_results"),
        ("effective-privilege-assignments", "effective_privilege_assignments", "page_size"),
    ],
)
def test_grants_come_in_pages_of_principals(api, people, tree, path, key, size):
    for number in range(3):
        make_user(f"u{number}@example.com")
        grant(people, SecurableType.SCHEMA, "prod.raw", f"u{number}@example.com", Privilege.SELECT, Privilege.BROWSE)
    admin, seen, token = api("metastore_admin"), [], ""
    while True:
        page = admin("GET", f"{UC}/{path}/SCHEMA/prod.raw", **{size: 2, "page_token": token})
        seen += page[key]
        token = page["next_page_token"]
        if not token:
            break
    names = [row["principal"] for row in seen]
    expected = {f"u{number}@example.com" for number in range(3)}
    assert len(names) == len(set(names))
    assert expected <= set(names)
    assert all(row["privileges"] for row in seen)
    assert admin("GET", f"{UC}/{path}/SCHEMA/prod.raw", page_token="x")["error_code"] == "INVALID_PARAMETER_VALUE"


def test_effective_grants_say_where_they_come_from(api, tree):
    path = f"{UC}/effective-privilege-assignments/table/prod.ml.clicks"
    (mine,) = api("reader")("GET", path, principal="reader@example.com")["effective_privilege_assignments"]
    held = {row["privilege"]: row for row in mine["privileges"]}
    assert held["SELECT"] == {
        "privilege": "SELECT",
        "inherited_from_type": "SCHEMA",
        "inherited_from_name": "prod.ml",
    }
    assert held["BROWSE"]["inherited_from_type"] == "CATALOG"


def test_a_catalog_is_open(api, tree):
    admin = api("metastore_admin")
    assert (
        admin("PATCH", f"{UC}/catalogs/prod", {"isolation_mode": "OPEN", "comment": "x"})["isolation_mode"] == "OPEN"
    )
    assert "isolation_mode" in admin("PATCH", f"{UC}/catalogs/prod", {"isolation_mode": "ISOLATED"})["message"]
    assert Securable.objects.get(key="prod").comment == "x"


@pytest.mark.parametrize("name", ["renamed", "prod.ml.renamed"])
def test_a_model_is_renamed_by_its_last_part_or_in_full(api, tree, name):
    admin = api("metastore_admin")
    assert admin("PATCH", f"{UC}/models/prod.ml.ranker", {"new_name": name})["full_name"] == "prod.ml.renamed"


@pytest.mark.parametrize("name", ["metastore", "METASTORE", "<id>", "another"])
def test_the_metastore_goes_by_its_name_and_its_id(api, tree, name):
    admin = api("metastore_admin")
    name = name.replace("<id>", admin("GET", f"{UC}/metastore_summary")["metastore_id"])
    change = {"changes": [{"principal": "reader@example.com", "add": ["CREATE_CATALOG"]}]}
    for method, path in (("PATCH", "permissions"), ("GET", "permissions"), ("GET", "effective-permissions")):
        admin(method, f"{UC}/{path}/metastore/{name}", change if method == "PATCH" else None)
        assert admin.status == (404 if name == "another" else 200)


NO_SUCH = [
    "/api/2.0/nothing",
    "/api/2.1/unity-catalog/nothing/here",
    "/api/",
    "/oidc/v1/nothing",
    "/api/2.0/preview/scim/v2/x",
]


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("path", NO_SUCH)
def test_no_such_path_is_json_and_never_a_redirect(api, db, path, slash):
    for caller in (Api(), api("reader")):
        for method in ("GET", "POST", "DELETE"):
            answer = caller(method, path.rstrip("/") + slash)
            assert (caller.status, answer["error_code"]) == (404, "ENDPOINT_NOT_FOUND")


KNOWN = [
    f"{UC}/catalogs",
    f"{UC}/metastores",
    f"{UC}/table-summaries",
    "/api/2.1/tag-policies",
    "/api/2.0/token/list",
    "/api/2.0/workspace-conf",
    "/api/2.0/preview/scim/v2/Users",
    "/api/2.0/preview/scim/v2/Me",
    "/api/2.0/accounts/any/scim/v2/Users",
    "/api/2.0/accounts/servicePrincipals/1/credentials/secrets",
    f"{UC}/entity-tag-assignments/catalogs/prod/tags",
]


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("path", KNOWN)
def test_without_a_credential_401_in_json(db, path, slash):
    for token in ("", "mkwrong"):
        caller = Api(token)
        answer = caller("GET", path + slash)
        assert (caller.status, answer["error_code"]) == (401, "UNAUTHENTICATED")
