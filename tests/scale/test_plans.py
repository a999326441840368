"""The reads that everybody makes find their rows by an index, whatever the number of rows around them."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registry.services import model_search, model_versions, registered_models
from registry.services.paging import Page
from tests.scale.conftest import ALIAS, BIG, CATALOG, Tree, make_tree, undone

MODELS, VERSIONS, SCHEMAS = 20_000, 20_000, 20
LARGE = {
    "registry_securable",
    "registry_registeredmodel",
    "registry_modelversion",
    "registry_modelalias",
    "registry_modelversiontag",
    "registry_securabletag",
}
PAGE = 100


@pytest.fixture(scope="module")
def tree(django_db_setup, django_db_blocker) -> Iterator[Tree]:
    with django_db_blocker.unblock(), undone():
        made = make_tree(models=MODELS, versions=VERSIONS, schema_count=SCHEMAS)
        with connection.cursor() as cursor:
            for table in [*sorted(LARGE), "registry_grant", "registry_principal"]:
                cursor.execute(f"ANALYZE {table}")
        yield made


def statements(call: Callable[[], Any]) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        call()
    return [query["sql"] for query in queries]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def plan_of(sql: str) -> list[dict[str, Any]]:
    """The nodes of the plan; a prepared statement's is the one that serves for all values."""
    generic = "GENERIC_PLAN, " if "$1" in sql else ""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN ({generic}FORMAT JSON) {sql}")
        found = cursor.fetchone()[0]
    return list(nodes((json.loads(found) if isinstance(found, str) else found)[0]["Plan"]))


def walked(call: Callable[[], Any]) -> list[str]:
    """The large tables that some statement of the call reads from one end to the other."""
    return [
        f"{node['Relation Name']}: {sql}"
        for sql in statements(call)
        for node in plan_of(sql)
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE
    ]


def deep(ask: Callable[[str], Page[Any]], pages: int) -> str:
    """The token of a page far behind."""
    token = ""
    for _ in range(pages):
        token = ask(token).next_page_token
    return token


READS: dict[str, Callable[[Any], Any]] = {
    "model by name": lambda actor: registered_models.get_model(actor=actor, name=BIG),
    "version by number": lambda actor: model_versions.get_version(actor=actor, name=BIG, version=VERSIONS // 2),
    "version by alias": lambda actor: model_versions.get_version_by_alias(actor=actor, name=BIG, alias=ALIAS),
    "page of models": lambda actor: registered_models.list_models(actor=actor),
    "page of a schema": lambda actor: registered_models.list_models(actor=actor, catalog=CATALOG, schema="s00"),
    "page of a search": lambda actor: model_search.search_models(
        actor=actor, filter_text=f"name LIKE '{CATALOG}.s00.%'"
    ),
    "part of a name": lambda actor: model_search.search_models(actor=actor, filter_text="name ILIKE '%000017%'"),
    "page of versions": lambda actor: model_versions.list_versions(actor=actor, name=BIG, max_results=PAGE),
    "search of versions": lambda actor: model_search.search_versions(
        actor=actor, filter_text=f"name = '{BIG}'", max_results=PAGE
    ),
}


@pytest.mark.parametrize("asker", ["admin", "reader", "narrow"])
@pytest.mark.parametrize("read", READS)
def test_no_read_walks_over_a_large_table(tree, read, asker):
    actor = tree.actor(asker)
    assert walked(lambda: READS[read](actor)) == []


def rows_touched(call: Callable[[], Any]) -> int:
    """How many rows the dearest statement of the call takes out of tables and indexes."""
    found = [0]
    for sql in statements(call):
        if "$1" not in sql:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
                plan = cursor.fetchone()[0]
            plan = json.loads(plan) if isinstance(plan, str) else plan
            found.append(
                sum(
                    (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
                    for node in nodes(plan[0]["Plan"])
                    if "Scan" in node["Node Type"]
                )
            )
    return int(max(found))


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(
            lambda actor, token: model_versions.list_versions(
                actor=actor, name=BIG, max_results=PAGE, page_token=token
            ),
            id="versions",
        ),
        pytest.param(
            lambda actor, token: model_search.search_versions(
                actor=actor, filter_text=f"name = '{BIG}'", max_results=PAGE, page_token=token
            ),
            id="versions that changed last",
        ),
        pytest.param(
            lambda actor, token: registered_models.list_models(actor=actor, max_results=PAGE, page_token=token),
            id="models",
        ),
        pytest.param(
            lambda actor, token: model_search.search_models(actor=actor, max_results=PAGE, page_token=token),
            id="searched models",
        ),
    ],
)
def test_a_page_far_behind_touches_no_more_rows_than_the_first(tree, ask):
    actor = tree.actor("admin")
    token = deep(lambda given: ask(actor, given), 20)
    first, far = rows_touched(lambda: ask(actor, "")), rows_touched(lambda: ask(actor, token))
    assert far <= first * 1.2 + 2
    assert first <= 4 * PAGE


def test_one_who_may_see_a_single_model_costs_no_walk_over_all(tree):
    actor = tree.actor("narrow")
    page = registered_models.list_models(actor=actor)
    assert [model.securable.full_name for model in page.items] == [BIG]
    assert rows_touched(lambda: registered_models.list_models(actor=actor)) < MODELS // 20


def test_a_rare_part_of_a_name_is_found_by_the_index(tree):
    actor = tree.actor("admin")
    page = model_search.search_models(actor=actor, filter_text="name ILIKE '%000017%'")
    assert [model.securable.name for model in page.items] == ["model_000017"]
    sql = statements(lambda: model_search.search_models(actor=actor, filter_text="name ILIKE '%000017%'"))
    used = {node.get("Index Name") for statement in sql for node in plan_of(statement)}
    assert "securable_name_parts" in used


def test_a_common_part_of_a_name_costs_a_page_and_no_walk_over_all(tree):
    actor = tree.actor("admin")
    assert rows_touched(lambda: model_search.search_models(actor=actor, filter_text="name ILIKE '%model%'")) < 1500
