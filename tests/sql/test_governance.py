"""Statements of governance: what they do, and in which spellings."""

import pytest

from registry.errors import InvalidParameter
from registry.models import Grant, Securable
from registry.privileges import SecurableType
from registry.sql.parser import is_data, parse_governance
from registry.sql.statements import ChangeGrants, ChangeTags, Show, ShowGrants, Target

MODEL = SecurableType.REGISTERED_MODEL


def held(kind: str, key: str) -> set[tuple[str, str]]:
    rows = Grant.objects.filter(securable__type=kind, securable__key=key).select_related("principal")
    return {(row.principal.name, row.privilege) for row in rows}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "GRANT USE CATALOG, CREATE_MODEL ON MODEL a.`b-c`.m TO `x@y.com` -- a comment",
            ChangeGrants(("USE CATALOG", "CREATE_MODEL"), Target(MODEL, ("a", "b-c", "m")), "x@y.com"),
        ),
        (
            "grant /* x */ execute\n on function a.b.c to `a``b`;",
            ChangeGrants(("EXECUTE",), Target(MODEL, ("a", "b", "c")), "a`b"),
        ),
        (
            "REVOKE ALL PRIVILEGES ON a.b.c FROM analysts",
            ChangeGrants(("ALL PRIVILEGES",), Target(SecurableType.TABLE, ("a", "b", "c")), "analysts", revoke=True),
        ),
        (
            "GRANT SELECT ON TABLE `ü`.`select`.`from` TO `grüße`",
            ChangeGrants(("SELECT",), Target(SecurableType.TABLE, ("ü", "select", "from")), "grüße"),
        ),
        ("-- c\nSHOW GRANTS `a b` ON METASTORE", ShowGrants(Target(SecurableType.METASTORE), "a b")),
        ("/* c */ show grant ON DATABASE b", ShowGrants(Target(SecurableType.SCHEMA, ("b",)))),
        ("SHOW TABLES IN a.b LIKE 'x*'", Show(SecurableType.TABLE, ("a", "b"), "x*")),
        (
            "ALTER SCHEMA a.b SET TAGS ('k' = 'it\\'s', \"x\", 'y' = 'a' 'b')",
            ChangeTags(Target(SecurableType.SCHEMA, ("a", "b")), {"k": "it's", "x": "", "y": "ab"}),
        ),
    ],
)
def test_parsed(text, expected):
    assert not is_data(text)
    assert parse_governance(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        ";",
        "GRANT",
        "GRANT SELECT",
        "GRANT SELECT ON TABLE a.b.c",
        "GRANT SELECT ON TABLE a.b.c TO",
        "GRANT SELECT ON TABLE a.b.c TO x@y.com",
        "GRANT SELECT ON TABLE a.b.c TO x y",
        "GRANT SELECT ON TABLE a.b.c.d TO x",
        "GRANT SELECT ON TABLE `a.b`.c TO x",
        "GRANT SELECT ON TABLE ``.b.c TO x",
        "GRANT SELECT ON TABLE 'a' TO x",
        "GRANT SELECT ON VIEW a TO x",
        "GRANT SELECT ON TABLE a.b.c TO `x",
        "GRANT SELECT ON TABLE a.b.c TO x WITH GRANT OPTION",
        "DENY SELECT ON TABLE a.b.c TO x",
        "SHOW",
        "SHOW SHOW GRANTS ON METASTORE",
        "DROP TABLE a, b",
        "DROP METASTORE",
        "ALTER METASTORE OWNER TO x",
        "ALTER TABLE a.b.c SET TAGS (k = 'v')",
        "COMMENT ON TABLE a.b.c IS x",
        "COMMENT ON METASTORE IS 'x'",
        "USE TABLE a.b.c",
        "CREATE CATALOG a LOCATION '/etc'",
        "\u0000",
    ],
)
def test_refused(text):
    with pytest.raises(InvalidParameter):
        is_data(text) or parse_governance(text)


@pytest.mark.django_db
def test_grants_are_given_shown_and_taken(lake):
    lake.run("owner", "GRANT EXECUTE, BROWSE ON MODEL prod.ml.ranker TO `reader@example.com`")
    assert held(MODEL, "ranker") == {("reader@example.com", "EXECUTE"), ("reader@example.com", "BROWSE")}
    answer = lake.send("owner", "SHOW GRANTS `reader@example.com` ON FUNCTION prod.ml.ranker")
    columns = [column["name"] for column in answer["manifest"]["schema"]["columns"]]
    assert columns == ["Principal", "ActionType", "ObjectType", "ObjectKey"]
    assert sorted(answer["result"]["data_array"]) == [
        ["reader@example.com", "BROWSE", "FUNCTION", "prod.ml.ranker"],
        ["reader@example.com", "EXECUTE", "FUNCTION", "prod.ml.ranker"],
    ]
    lake.run("owner", "REVOKE ALL PRIVILEGES, EXECUTE ON MODEL prod.ml.ranker FROM `reader@example.com`")
    assert held(MODEL, "ranker") == {("reader@example.com", "BROWSE")}
    code, message = lake.error("owner", "GRANT SELECT ON MODEL prod.ml.ranker TO `reader@example.com`")
    assert (code, "SELECT cannot be granted on a registered model" in message) == ("BAD_REQUEST", True)
    assert (
        "Principal 'nobody' does not exist"
        in lake.error("owner", "GRANT BROWSE ON MODEL prod.ml.ranker TO nobody")[1]
    )
    shown = lake.run("metastore_admin", "SHOW GRANTS `owner@example.com` ON SCHEMA prod.ml")
    assert ["owner@example.com", "CREATE MODEL", "SCHEMA", "prod.ml"] in shown
    assert ["owner@example.com", "USE CATALOG", "CATALOG", "prod"] in lake.run(
        "metastore_admin", "SHOW GRANTS ON CATALOG prod"
    )


@pytest.mark.django_db
def test_containers_come_and_go(lake):
    admin = "metastore_admin"
    lake.run(admin, "CREATE CATALOG IF NOT EXISTS `dev-1` COMMENT 'for tests'")
    lake.run(admin, "CREATE CATALOG IF NOT EXISTS `dev-1`")
    assert lake.error(admin, "CREATE CATALOG `DEV-1`")[0] == "ALREADY_EXISTS"
    lake.run(admin, "CREATE SCHEMA s COMMENT :c", catalog="dev-1", parameters=[{"name": "c", "value": "it's"}])
    assert lake.run(admin, "SHOW SCHEMAS IN `dev-1`") == [["s"]]
    assert ["Comment", "it's"] in lake.run(admin, "DESCRIBE SCHEMA `dev-1`.s")
    lake.run(admin, "ALTER SCHEMA `dev-1`.s RENAME TO t")
    lake.run(admin, "ALTER SCHEMA `dev-1`.t SET TAGS ('team' = 'core')")
    lake.run(admin, "ALTER SCHEMA `dev-1`.t OWNER TO stewards")
    schema = Securable.objects.get(key="t")
    assert (schema.owner.name, [str(tag) for tag in schema.tags.all()]) == ("stewards", ["team:core"])
    lake.run(admin, "ALTER SCHEMA `dev-1`.t UNSET TAGS ('team')")
    assert not schema.tags.exists()
    code, message = lake.error(admin, "DROP CATALOG `dev-1`")
    assert (code, "is not empty" in message) == ("BAD_REQUEST", True)
    assert lake.run(admin, "SHOW CATALOGS LIKE 'dev*|nothing'") == [["dev-1"]]
    lake.run(admin, "DROP CATALOG `dev-1` CASCADE")
    lake.run(admin, "DROP CATALOG IF EXISTS `dev-1` CASCADE")
    assert lake.error(admin, "DROP CATALOG `dev-1`")[0] == "NOT_FOUND"


@pytest.mark.django_db
def test_models_and_tables(flights):
    place = {"catalog": "prod", "schema": "ml"}
    assert flights.run("owner", "SHOW TABLES", **place) == [["ml", "flights", "false"]]
    assert flights.run("owner", "SHOW MODELS IN ml", catalog="prod") == [["ml", "ranker"]]
    assert flights.run("owner", "DESCRIBE TABLE EXTENDED flights", **place)[0] == ["id", "int", None]
    assert ["Last Version", "0"] in flights.run("owner", "DESC MODEL ranker", **place)
    flights.run("owner", "COMMENT ON MODEL ranker IS 'ranks'", **place)
    flights.run("owner", "ALTER MODEL ranker RENAME TO prod.ml.sorter", **place)
    assert Securable.objects.get(key="sorter").comment == "ranks"
    assert "lies elsewhere" in flights.error("owner", "ALTER MODEL sorter RENAME TO prod.other.x", **place)[1]
    assert "lies elsewhere" in flights.error("owner", "ALTER TABLE flights RENAME TO other.x", **place)[1]
    flights.run("owner", "ALTER TABLE flights RENAME TO trips", **place)
    assert flights.run("owner", "SELECT count(*) FROM trips", **place) == [["3"]]
    flights.run("owner", "USE SCHEMA prod.ml")
    assert flights.error("owner", "USE CATALOG nowhere")[0] == "NOT_FOUND"
    flights.run("owner", "DROP MODEL sorter", **place)
    flights.run("owner", "DROP TABLE IF EXISTS trips", **place)
    assert not Securable.objects.filter(parent__key="ml").exists()
