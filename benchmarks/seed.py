"""Fills a migrated database of ours, and one of an `mlflow server`, with the same rows by COPY.

The server's superuser is needed: foreign keys are not checked row by row while these rows, right by construction,
come in.
"""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from benchmarks.rows import (
    BIG_MODEL,
    CATALOGS,
    EPOCH,
    SCHEMAS,
    ModelRow,
    Sizes,
    big_version_at,
    hexadecimal,
    id_of,
    millis,
    models,
    schema_name,
    wide_columns,
)

Connection = psycopg.Connection[Any]
ALIAS = "champion"
READER_SCHEMA = 23
"""The schema whose models the reader may see, through a group in a group."""
NARROW_MODELS = 20
"""How many single models the narrow user may see."""


@dataclass(frozen=True)
class People:
    """Tokens of who asks: a metastore admin, a user who sees one schema, and one who sees a few single models."""

    admin: str = "mk" + "a" * 64
    reader: str = "mk" + "b" * 64
    narrow: str = "mk" + "c" * 64


@contextmanager
def _unchecked(url: str) -> Iterator[Connection]:
    with psycopg.connect(url, autocommit=False) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET synchronous_commit = off")
        yield connection


def _copy(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def _finish(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


# --- Ours -----------------------------------------------------------------------------------------------


def seed_ours(url: str, sizes: Sizes) -> People:
    """Fill a database that `manage.py migrate` has made."""
    people = People()
    with _unchecked(url) as connection:
        principals = _principals(connection, sizes, people)
        _containers(connection, principals)
        _models(connection, sizes, principals)
        _versions(connection, sizes, principals)
        _grants(connection, sizes, principals)
    _finish(url)
    return people


@dataclass(frozen=True)
class _Principals:
    admins: int
    everyone: int
    users: list[int]
    groups: list[int]
    reader_group: int
    narrow: int


def _principals(connection: Connection, sizes: Sizes, people: People) -> _Principals:
    found = dict(connection.execute("SELECT key, id FROM registry_principal").fetchall())
    users = [f"user{number:03}@example.com" for number in range(sizes.users)]
    groups = [f"group {number:02}" for number in range(sizes.groups)]
    columns = ("password", "kind", "name", "key", "display_name", "external_id")
    columns += ("is_active", "is_builtin", "created_at", "password_change_required")
    rows = [("!", "USER", name, name, "", "", True, False, EPOCH, False) for name in users]
    rows += [("!", "GROUP", name, name, "", "", True, False, EPOCH, False) for name in groups]
    _copy(connection, "registry_principal", columns, rows)
    ids = dict(connection.execute("SELECT key, id FROM registry_principal").fetchall())
    made = _Principals(
        admins=found["admins"],
        everyone=found["account users"],
        users=[ids[name] for name in users],
        groups=[ids[name] for name in groups],
        reader_group=ids[groups[1]],
        narrow=ids[users[2]],
    )
    # Every group but the first ones holds four users; group 00 lies in group 01, and the reader is in group 00.
    links = {(made.admins, made.users[0]), (made.groups[0], made.users[1]), (made.groups[1], made.groups[0])}
    others = random.Random(1)
    links |= {(group, other) for group in made.groups[2:] for other in others.sample(made.users[3:], 4)}
    _copy(connection, "registry_membership", ("group_id", "member_id"), sorted(links))
    tokens = zip((people.admin, people.reader, people.narrow), made.users[:3], strict=True)
    columns = ("id", "digest", "prefix", "comment", "created_at", "principal_id")
    _copy(
        connection,
        "registry_apitoken",
        columns,
        [(uuid.uuid4(), hashlib.sha256(t.encode()).hexdigest(), t[:8], "", EPOCH, user) for t, user in tokens],
    )
    return made


_SECURABLE = ("id", "type", "parent_id", "name", "key", "owner_id", "comment", "properties")
_SECURABLE += ("created_at", "created_by_id", "updated_at", "updated_by_id")


def _securable(
    id_: uuid.UUID, type_: str, parent: uuid.UUID, name: str, owner: int, comment: str, at: datetime
) -> tuple[Any, ...]:
    return id_, type_, parent, name, name, owner, comment, "{}", at, owner, at, owner


def _containers(connection: Connection, principals: _Principals) -> None:
    metastore = connection.execute("SELECT id FROM registry_securable WHERE type = 'METASTORE'").fetchone()
    assert metastore, "the database is not migrated"
    owner = principals.admins
    rows = [
        _securable(id_of("catalog", number), "CATALOG", metastore[0], f"catalog_{number}", owner, "", EPOCH)
        for number in range(CATALOGS)
    ]
    for number in range(CATALOGS * SCHEMAS):
        short = schema_name(number).partition(".")[2]
        parent = id_of("catalog", number // SCHEMAS)
        rows.append(_securable(id_of("schema", number), "SCHEMA", parent, short, owner, "", EPOCH))
    _copy(connection, "registry_securable", _SECURABLE, rows)


def _owner(model: ModelRow, principals: _Principals) -> int:
    # The first three users own nothing: what they see, they see by grants.
    return principals.users[3 + model.number % (len(principals.users) - 3)]


def _models(connection: Connection, sizes: Sizes, principals: _Principals) -> None:
    def securables() -> Iterator[tuple[Any, ...]]:
        for model in models(sizes):
            owner, schema = _owner(model, principals), id_of("schema", model.schema_number)
            id_ = id_of("model", model.number)
            yield _securable(id_, "REGISTERED_MODEL", schema, model.name, owner, model.comment, model.changed_at)
        short, schema = BIG_MODEL.rpartition(".")[2], id_of("schema", 0)
        yield _securable(
            id_of("model", "big"),
            "REGISTERED_MODEL",
            schema,
            short,
            principals.admins,
            "Retrained each minute.",
            EPOCH,
        )

    _copy(connection, "registry_securable", _SECURABLE, securables())
    heads = ((id_of("model", model.number), 1, "") for model in models(sizes))
    columns = ("securable_id", "last_version", "deployment_job_id")
    _copy(connection, "registry_registeredmodel", columns, heads)
    _copy(connection, "registry_registeredmodel", columns, [(id_of("model", "big"), sizes.versions, "")])
    tags = (
        (id_of("model", model.number), key, value, model.changed_at)
        for model in models(sizes)
        for key, value in model.tags.items()
    )
    _copy(connection, "registry_securabletag", ("securable_id", "key", "value", "updated_at"), tags)


_VERSION = ("id", "model_id", "version", "status", "status_message", "source", "run_id", "run_experiment_id")
_VERSION += ("run_workspace_id", "logged_model_id", "comment", "dependencies", "feature_deps", "params", "metrics")
_VERSION += ("mlmodel", "signature", "requirements", "uses_defaults_channel", "size_bytes", "file_count")
_VERSION += ("created_at", "created_by_id", "updated_at", "updated_by_id", "ready_at", "touched_at")


def _version(key: object, model: uuid.UUID, number: int, owner: int, at: datetime, wide: dict[str, str]) -> Any:
    run, logged = hexadecimal("run", key), f"m-{hexadecimal('logged model', key)}"
    source = f"dbfs:/databricks/mlflow-tracking/1/logged_models/{logged}/artifacts"
    return (
        *(id_of("version", key), model, number, "READY", "", source, run, "1", "7474000000000001", logged),
        *("Nightly run.", "[]", "", wide["params"], wide["metrics"], wide["mlmodel"], wide["signature"]),
        *(wide["requirements"], False, 184_213, 6, at, owner, at, owner, at, at),
    )


def _versions(connection: Connection, sizes: Sizes, principals: _Principals) -> None:
    # Made once: what differs between versions is in the narrow columns.
    columns = wide_columns("any")
    wide = {name: value if name == "requirements" else json.dumps(value) for name, value in columns.items()}

    def rows() -> Iterator[Any]:
        for model in models(sizes):
            owner = _owner(model, principals)
            yield _version(model.number, id_of("model", model.number), 1, owner, model.changed_at, wide)
        for number in range(1, sizes.versions + 1):
            at = big_version_at(number)
            yield _version(f"big {number}", id_of("model", "big"), number, principals.admins, at, wide)

    _copy(connection, "registry_modelversion", _VERSION, rows())
    aliases = (
        (id_of("model", model.number), ALIAS, ALIAS, id_of("version", model.number), model.changed_at)
        for model in models(sizes)
    )
    columns_ = ("model_id", "name", "key", "version_id", "set_at")
    _copy(connection, "registry_modelalias", columns_, aliases)
    middle = sizes.versions // 2
    big = (id_of("model", "big"), ALIAS, ALIAS, id_of("version", f"big {middle}"), EPOCH)
    _copy(connection, "registry_modelalias", columns_, [big])
    tags = ((id_of("version", model.number), "stage", "production", model.changed_at) for model in models(sizes))
    _copy(connection, "registry_modelversiontag", ("version_id", "key", "value", "updated_at"), tags)


def _grants(connection: Connection, sizes: Sizes, principals: _Principals) -> None:
    reader_schema, reader_catalog = id_of("schema", READER_SCHEMA), id_of("catalog", READER_SCHEMA // SCHEMAS)
    rows: set[tuple[uuid.UUID, int, str]] = {
        (reader_catalog, principals.reader_group, "USE_CATALOG"),
        (reader_schema, principals.reader_group, "USE_SCHEMA"),
        (reader_schema, principals.reader_group, "EXECUTE"),
    }
    for number in range(NARROW_MODELS):
        model = ModelRow(number * 37 % (sizes.models - 1))
        schema = model.schema_number
        rows |= {
            (id_of("catalog", schema // SCHEMAS), principals.narrow, "USE_CATALOG"),
            (id_of("schema", schema), principals.narrow, "USE_SCHEMA"),
            (id_of("model", model.number), principals.narrow, "EXECUTE"),
        }
    others = random.Random(2)
    holders = principals.users[3:] + principals.groups[2:]
    while len(rows) < sizes.grants:
        holder, model = others.choice(holders), ModelRow(others.randrange(sizes.models - 1))
        schema = model.schema_number
        rows |= {
            (id_of("catalog", schema // SCHEMAS), holder, "USE_CATALOG"),
            (id_of("schema", schema), holder, "USE_SCHEMA"),
            (id_of("model", model.number), holder, others.choice(("EXECUTE", "BROWSE", "APPLY_TAG", "MANAGE"))),
        }
    columns = ("securable_id", "principal_id", "privilege", "granted_at")
    _copy(connection, "registry_grant", columns, [(*row, EPOCH) for row in sorted(rows, key=str)])


# --- MLflow's ---------------------------------------------------------------------------------------------


def seed_mlflow(url: str, sizes: Sizes) -> None:
    """Fill a database whose tables an `mlflow server` has made."""
    with _unchecked(url) as connection:
        _mlflow_models(connection, sizes)
        _mlflow_versions(connection, sizes)
    _finish(url)


def _mlflow_models(connection: Connection, sizes: Sizes) -> None:
    def heads() -> Iterator[tuple[Any, ...]]:
        for model in models(sizes):
            at = millis(model.changed_at)
            yield model.full_name, at, at, model.comment
        yield BIG_MODEL, millis(EPOCH), millis(EPOCH), "Retrained each minute."

    columns = ("name", "creation_time", "last_updated_time", "description")
    _copy(connection, "registered_models", columns, heads())
    tags = ((model.full_name, key, value) for model in models(sizes) for key, value in model.tags.items())
    _copy(connection, "registered_model_tags", ("name", "key", "value"), tags)
    aliases = [(model.full_name, ALIAS, 1) for model in models(sizes)]
    aliases.append((BIG_MODEL, ALIAS, sizes.versions // 2))
    _copy(connection, "registered_model_aliases", ("name", "alias", "version"), aliases)


def _mlflow_versions(connection: Connection, sizes: Sizes) -> None:
    def row(key: object, name: str, number: int, at: datetime) -> tuple[Any, ...]:
        logged = f"m-{hexadecimal('logged model', key)}"
        source = f"dbfs:/databricks/mlflow-tracking/1/logged_models/{logged}/artifacts"
        user, when = "someone", millis(at)
        run = hexadecimal("run", key)
        return name, number, when, when, "Nightly run.", user, "None", source, source, run, "READY", ""

    def rows() -> Iterator[tuple[Any, ...]]:
        for model in models(sizes):
            yield row(model.number, model.full_name, 1, model.changed_at)
        for number in range(1, sizes.versions + 1):
            yield row(f"big {number}", BIG_MODEL, number, big_version_at(number))

    columns = ("name", "version", "creation_time", "last_updated_time", "description", "user_id", "current_stage")
    columns += ("source", "storage_location", "run_id", "status", "status_message")
    _copy(connection, "model_versions", columns, rows())
    tags = ((model.full_name, 1, "stage", "production") for model in models(sizes))
    _copy(connection, "model_version_tags", ("name", "version", "key", "value"), tags)
