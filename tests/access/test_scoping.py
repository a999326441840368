"""Lists show what the gate lets one see, no more and no less, at a cost that does not grow with rows."""

import random
from dataclasses import dataclass

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from registry.models import (
    ADMINS,
    AliasMove,
    Grant,
    Membership,
    ModelAlias,
    ModelVersion,
    Principal,
    RegisteredModel,
    Securable,
    SecurableTag,
    Table,
)
from registry.privileges import GRANTABLE, Privilege, SecurableType
from registry.services import access, catalogs, model_search, registered_models, schemas, tables
from registry.services.access import gather_facts, visible_to
from registry.services.actors import load_actor
from registry.services.tokens import create_token
from tests.conftest import make_group, make_user

pytestmark = pytest.mark.django_db
LEAVES = (SecurableType.REGISTERED_MODEL, SecurableType.TABLE)


def make(type_: SecurableType, parent: Securable, name: str, owner: Principal) -> Securable:
    now = timezone.now()
    made = Securable.objects.create(
        type=type_, parent=parent, name=name, key=name, owner=owner, created_at=now, updated_at=now
    )
    if type_ == SecurableType.REGISTERED_MODEL:
        _add_version(RegisteredModel.objects.create(securable=made), owner)
    if type_ == SecurableType.TABLE:
        Table.objects.create(securable=made)
    return made


# --- The SQL scope against the verdict on each object --------


@dataclass
class Forest:
    securables: list[Securable]
    people: list[Principal]


def grow(dice: random.Random) -> Forest:
    """A random tree with random owners, nested groups and grants."""
    users = [make_user(f"user{n}@example.com") for n in range(6)]
    groups = [make_group(f"group{n}") for n in range(4)]
    everyone = Principal.objects.get(key="account users")
    for _ in range(10):
        group, member = dice.choice(groups), dice.choice([*users, *groups])
        if group != member:
            Membership.objects.get_or_create(group=group, member=member)
    Membership.objects.create(group=Principal.objects.get(key=ADMINS), member=users[0])
    owners = [*users[1:], *groups]
    top = Securable.objects.get(type=SecurableType.METASTORE)
    grown = [top]
    for catalog_number in range(3):
        catalog = make(SecurableType.CATALOG, top, f"c{catalog_number}", dice.choice(owners))
        grown.append(catalog)
        for schema_number in range(2):
            schema = make(SecurableType.SCHEMA, catalog, f"s{schema_number}", dice.choice(owners))
            leaves = [
                make(kind, schema, f"{kind}{n}".lower(), dice.choice(owners)) for kind in LEAVES for n in range(2)
            ]
            grown += [schema, *leaves]
    # Rights to use containers are common, so that what lies below decides often.
    for securable in grown:
        likely = [use for use in (Privilege.USE_CATALOG, Privilege.USE_SCHEMA) if use in GRANTABLE[securable.type]]
        for privilege in [*dice.choices(sorted(GRANTABLE[securable.type]), k=2), *likely * 2]:
            holder = dice.choice([*users, *groups, everyone] if dice.random() < 0.2 else [*users, *groups])
            Grant.objects.get_or_create(securable=securable, principal=holder, privilege=privilege)
    return Forest(grown, [*users, *groups])


@pytest.mark.parametrize("most_ids", [access._MOST_IDS, 0])
@pytest.mark.parametrize("seed", range(8))
def test_the_scope_of_a_list_is_the_verdict_on_each_object(seed, most_ids, monkeypatch):
    # How the scope is asked for depends on how much an actor may see; what it holds does not.
    monkeypatch.setattr(access, "_MOST_IDS", most_ids)
    forest = grow(random.Random(seed))  # noqa: S311  (a seeded tree, no secret)
    shown = hidden = 0
    for person in forest.people:
        actor = load_actor(person)
        for kind in (SecurableType.CATALOG, SecurableType.SCHEMA, *LEAVES):
            rows = Securable.objects.filter(type=kind, parent__isnull=False)
            in_sql = set(visible_to(actor, rows, kind).values_list("pk", flat=True))
            one_by_one = {
                row.pk
                for row in rows.select_related("parent__parent")
                if gather_facts(actor=actor, securable=row).visible
            }
            assert in_sql == one_by_one, f"{person} on {kind}"
            shown, hidden = shown + len(in_sql), hidden + len(rows) - len(in_sql)
    # Both verdicts are common, or the comparison would say little.
    assert min(shown, hidden) > 40


@pytest.mark.parametrize("seed", range(12, 15))
def test_lists_show_exactly_what_may_be_seen(seed):
    forest = grow(random.Random(seed))  # noqa: S311  (a seeded tree, no secret)
    for person in forest.people:
        actor = load_actor(person)
        seen = {one.pk for one in forest.securables if gather_facts(actor=actor, securable=one).visible}
        listed = {one.pk for one in catalogs.list_catalogs(actor=actor).items}
        models = {one.pk for one in registered_models.list_models(actor=actor).items}
        assert {one.pk for one in model_search.search_models(actor=actor).items} == models
        assert {one.model_id for one in model_search.search_versions(actor=actor).items} == models
        listed |= models
        for one in forest.securables:
            if one.type == SecurableType.CATALOG and one.pk in seen:
                listed |= {row.pk for row in schemas.list_schemas(actor=actor, catalog=one.name).items}
            if one.type == SecurableType.SCHEMA and one.pk in seen:
                within = {"actor": actor, "catalog": one.parent.name, "schema": one.name}
                of_schema = {row.pk for row in registered_models.list_models(**within).items}
                assert of_schema == {pk for pk in seen if _is_child(forest, pk, one, SecurableType.REGISTERED_MODEL)}
                listed |= {row.pk for row in tables.list_tables(**within).items}
        reachable = {pk for pk in seen if _reachable(forest, pk, seen)}
        assert {pk for pk in listed if pk in {one.pk for one in forest.securables}} == reachable


def _by_id(forest: Forest, pk) -> Securable:
    return next(one for one in forest.securables if one.pk == pk)


def _is_child(forest: Forest, pk, parent: Securable, kind: SecurableType) -> bool:
    one = _by_id(forest, pk)
    return one.type == kind and one.parent_id == parent.pk


def _reachable(forest: Forest, pk, seen) -> bool:
    """Models are in the list of all models; schemas and tables only in the list of a container that one may see."""
    one = _by_id(forest, pk)
    if one.type == SecurableType.METASTORE:
        return False
    return one.type in {SecurableType.CATALOG, SecurableType.REGISTERED_MODEL} or one.parent_id in seen


# --- What a list costs --------

LISTS = [
    "/api/2.1/unity-catalog/catalogs",
    "/api/2.1/unity-catalog/schemas?catalog_name=prod",
    "/api/2.1/unity-catalog/models",
    "/api/2.1/unity-catalog/models?catalog_name=prod&schema_name=ml",
    "/api/2.1/unity-catalog/models/prod.ml.first/versions",
    "/api/2.1/unity-catalog/tables?catalog_name=prod&schema_name=ml",
    "/api/2.1/unity-catalog/permissions/SCHEMA/prod.ml",
    "/api/2.1/unity-catalog/effective-permissions/FUNCTION/prod.ml.first",
    "/api/2.0/mlflow/unity-catalog/registered-models/search",
    "/api/2.0/mlflow/unity-catalog/registered-models/get?name=prod.ml.first",
    "/api/2.0/mlflow/registered-models/search",
    "/api/2.0/mlflow/model-versions/search",
    "/api/modelkeep/models/prod.ml.first/alias-history",
    "/explore/data/prod/ml",
    "/explore/data/models/prod/ml/first",
    "/explore/data",
    "/api/2.0/mlflow/unity-catalog/model-versions/search?filter=name%3D%27prod.ml.first%27",
]


@pytest.fixture
def library(settings, tmp_path):
    """prod.ml with one of everything, seen by an ordinary user through a group; and the user's client."""
    settings.STATIC_ROOT = str(tmp_path)
    user, keeper = make_user("reader@example.com"), make_user("keeper@example.com")
    group = make_group("readers", user)
    top = Securable.objects.get(type=SecurableType.METASTORE)
    catalog = make(SecurableType.CATALOG, top, "prod", keeper)
    schema = make(SecurableType.SCHEMA, catalog, "ml", group)
    Grant.objects.create(securable=catalog, principal=group, privilege=Privilege.USE_CATALOG)
    for privilege in (Privilege.EXECUTE, Privilege.SELECT):
        Grant.objects.create(securable=catalog, principal=group, privilege=privilege)
    add_rows(top, catalog, schema, keeper, group, ["first"])
    token = create_token(actor=load_actor(user)).value
    client = Client(headers={"Authorization": f"Bearer {token}"})
    client.get(LISTS[0])
    return client, lambda count: add_rows(top, catalog, schema, keeper, group, [f"n{n}" for n in range(count)])


def add_rows(top, catalog, schema, keeper, group, names):
    for name in names:
        other = make(SecurableType.CATALOG, top, f"c{name}", keeper)
        Grant.objects.create(securable=other, principal=group, privilege=Privilege.BROWSE)
        make(SecurableType.SCHEMA, catalog, f"s{name}", group)
        make(SecurableType.TABLE, schema, f"t{name}", keeper)
        model = make(SecurableType.REGISTERED_MODEL, schema, name, keeper)
        SecurableTag.objects.create(securable=model, key="k", value="v")
        Grant.objects.create(securable=schema, principal=make_user(f"{name}@example.com"), privilege=Privilege.BROWSE)
        first = Securable.objects.get(type=SecurableType.REGISTERED_MODEL, key="first")
        for registered in {first.registered_model, model.registered_model}:
            _add_version(registered, keeper)


def _add_version(model: RegisteredModel, keeper: Principal) -> None:
    now = timezone.now()
    model.last_version += 1
    model.save()
    version = ModelVersion.objects.create(
        model=model,
        version=model.last_version,
        created_at=now,
        updated_at=now,
        touched_at=now,
        created_by=keeper,
        logged_model_id="m",
    )
    version.tags.create(key="k", value="v")
    alias = f"a{version.version}"
    ModelAlias.objects.create(model=model, name=alias, key=alias, version=version, set_at=now)
    AliasMove.objects.create(model=model, name=alias, key=alias, to_version=version.version, moved_at=now)


@pytest.mark.parametrize("url", LISTS)
def test_a_list_costs_the_same_at_1_and_30_rows(library, url):
    client, add = library
    with CaptureQueriesContext(connection) as few:
        before = client.get(url)
    add(30)
    with CaptureQueriesContext(connection) as many:
        after = client.get(url)
    assert before.status_code == after.status_code == 200
    assert len(after.content) > len(before.content), "the list did not grow"
    assert len(many) == len(few), [query["sql"] for query in many]


def test_pages_hold_every_row_once(library):
    client, add = library
    add(30)
    for url, key in ((LISTS[2], "registered_models"), (LISTS[4], "model_versions"), (LISTS[1], "schemas")):
        names, token = [], ""
        while True:
            joined = f"{url}{'&' if '?' in url else '?'}max_results=7&page_token={token}"
            page = client.get(joined).json()
            names += [row.get("version") or row["full_name"] for row in page[key]]
            token = page["next_page_token"]
            if not token:
                break
        whole = client.get(url).json()[key]
        assert names == [row.get("version") or row["full_name"] for row in whole]
        assert len(set(names)) == len(names) > 30
