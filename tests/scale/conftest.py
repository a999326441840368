"""A tree whose size a test chooses, made by SQL: some thousand rows in a moment, rolled back at the end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from django.db import connection, transaction

from registry.models import ADMINS, Grant, Principal, Securable
from registry.privileges import SecurableType
from registry.services import catalogs, schemas
from registry.services.actors import Actor, load_actor
from registry.services.tokens import create_token
from tests.conftest import make_group, make_user

CATALOG = "scale"
BIG = f"{CATALOG}.s00.big"
"""The model with many versions; every other has one."""
ALIAS = "champion"


@dataclass(frozen=True)
class Tree:
    """Who asks, and with which token. Everything is READY, tagged, and has an alias."""

    principals: dict[str, Principal]
    tokens: dict[str, str]

    def actor(self, name: str) -> Actor:
        return load_actor(self.principals[name])


@contextmanager
def undone() -> Iterator[None]:
    """What happens inside is rolled back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def make_people() -> dict[str, Principal]:
    """An admin; a reader of one schema through a group in a group; one who may read a single model; an owner."""
    people = {name: make_user(f"{name}@example.com") for name in ("reader", "narrow", "owner")}
    people["admin"] = make_user("admin@example.com", Principal.objects.get(key=ADMINS))
    people["outer"] = make_group("outer", make_group("inner", people["reader"]))
    return people


def make_containers(people: dict[str, Principal], count: int) -> list[Securable]:
    admin = load_actor(people["admin"])
    catalogs.create_catalog(actor=admin, name=CATALOG)
    return [schemas.create_schema(actor=admin, catalog=CATALOG, name=f"s{number:02}") for number in range(count)]


_MODELS = """
INSERT INTO registry_securable
    (id, type, parent_id, name, key, owner_id, comment, properties,
     created_at, updated_at, created_by_id, updated_by_id)
SELECT gen_random_uuid(), 'REGISTERED_MODEL', (%(schemas)s::uuid[])[1 + n %% %(schema_count)s], name, name, %(owner)s,
       'A model.', '{}', now(), now(), %(owner)s, %(owner)s
FROM (SELECT n, CASE n WHEN 0 THEN 'big' ELSE 'model_' || lpad(n::text, 6, '0') END AS name
      FROM generate_series(0, %(models)s - 1) n) AS numbered;
INSERT INTO registry_registeredmodel (securable_id, last_version, deployment_job_id)
SELECT id, 1, '' FROM registry_securable WHERE type = 'REGISTERED_MODEL';
INSERT INTO registry_securabletag (securable_id, key, value, updated_at)
SELECT id, label, 'x', now() FROM registry_securable, unnest(ARRAY['team', 'task']) AS label
WHERE type = 'REGISTERED_MODEL';
INSERT INTO registry_modelversion
    (id, model_id, version, status, status_message, source, run_id, run_experiment_id, run_workspace_id,
     logged_model_id, comment, dependencies, feature_deps, params, metrics, mlmodel, signature, requirements,
     uses_defaults_channel, size_bytes, file_count, created_at, updated_at, touched_at, created_by_id, updated_by_id)
SELECT gen_random_uuid(), s.id, n, 'READY', '', '', md5(s.id::text || n), '1', '', 'm-' || md5(s.id::text || n), '',
       '[]', '', '[{"name": "depth", "value": "7"}]', '[]', '{"flavors": {}}', '{}', '', false, 1, 1,
       now() + n * interval '1 second', now() + n * interval '1 second', now(), %(owner)s, %(owner)s
FROM registry_securable s, generate_series(1, CASE s.key WHEN 'big' THEN %(versions)s ELSE 1 END) n
WHERE s.type = 'REGISTERED_MODEL';
INSERT INTO registry_modelalias (model_id, name, key, version_id, set_at)
SELECT model_id, 'champion', 'champion', id, now() FROM registry_modelversion WHERE version = 1;
INSERT INTO registry_modelversiontag (version_id, key, value, updated_at)
SELECT id, 'stage', 'production', now() FROM registry_modelversion;
"""


def make_models(people: dict[str, Principal], containers: list[Securable], *, models: int, versions: int) -> None:
    values = {
        "schemas": [schema.pk for schema in containers],
        "schema_count": len(containers),
        "owner": people["owner"].pk,
        "models": models,
        "versions": versions,
    }
    with connection.cursor() as cursor:
        for statement in _MODELS.split(";\n"):
            if statement.strip():
                cursor.execute(statement, values)


def grant(principal: Principal, securable: Securable, *privileges: str) -> None:
    Grant.objects.bulk_create(
        Grant(principal=principal, securable=securable, privilege=privilege) for privilege in privileges
    )


def make_grants(people: dict[str, Principal], containers: list[Securable]) -> None:
    catalog = Securable.objects.get(type=SecurableType.CATALOG, key=CATALOG)
    grant(people["outer"], catalog, "USE_CATALOG")
    grant(people["outer"], containers[0], "USE_SCHEMA", "EXECUTE")
    grant(people["narrow"], catalog, "USE_CATALOG")
    grant(people["narrow"], containers[0], "USE_SCHEMA")
    big = Securable.objects.get(type=SecurableType.REGISTERED_MODEL, key="big")
    grant(people["narrow"], big, "EXECUTE")
    grant(people["owner"], catalog, "USE_CATALOG", "USE_SCHEMA")


def make_tree(*, models: int, versions: int, schema_count: int) -> Tree:
    people = make_people()
    containers = make_containers(people, schema_count)
    make_models(people, containers, models=models, versions=versions)
    make_grants(people, containers)
    askers = ("admin", "reader", "narrow", "owner")
    tokens = {name: create_token(actor=load_actor(people[name])).value for name in askers}
    return Tree(people, tokens)


@pytest.fixture
def tree_of() -> Callable[..., Tree]:
    return make_tree
