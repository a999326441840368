"""One call of a service function for every action; some actions have several."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from registry.models import Securable
from registry.privileges import Action, Privilege, SecurableType
from registry.services import (
    aliases,
    catalogs,
    grants,
    lineage,
    model_deletion,
    model_versions,
    registered_models,
    schemas,
    tables,
    tags,
    webhooks,
)
from registry.services.access import require
from registry.services.actors import Actor
from registry.services.grants import Change
from registry.services.model_versions import NewVersion
from registry.services.securables import Changes
from registry.services.tables import NewTable
from registry.services.tags import Tags
from registry.services.webhooks import NewWebhook
from tests.access.cells import Names

MODEL, TABLE = SecurableType.REGISTERED_MODEL, SecurableType.TABLE
SCHEMA, CATALOG, METASTORE = SecurableType.SCHEMA, SecurableType.CATALOG, SecurableType.METASTORE
TAG = Tags(set={"team": "growth"})
DESCRIBE = Changes(comment="described")
HEIR = "keeper@example.com"


@dataclass(frozen=True)
class Call:
    """A service function with its arguments, but for the actor and the names."""

    name: str
    on: SecurableType
    action: Action
    call: Callable[[Actor, Names], Any]


def _grants_of(on: SecurableType) -> list[Call]:
    def read(actor: Actor, names: Names) -> list[str]:
        return [held.principal for held in grants.list_grants(actor=actor, type_=on, full_name=names.of(on))]

    def read_effective(actor: Actor, names: Names) -> list[str]:
        held = grants.list_effective_grants(actor=actor, type_=on, full_name=names.of(on))
        return [one.principal for one in held]

    def give(actor: Actor, names: Names) -> None:
        privilege = Privilege.CREATE_CATALOG if on == METASTORE else Privilege.BROWSE
        change = Change(HEIR, add=(privilege,))
        grants.update_grants(actor=actor, type_=on, full_name=names.of(on), changes=[change])

    return [
        Call("list_grants", on, Action.READ_GRANTS, read),
        Call("list_effective_grants", on, Action.READ_GRANTS, read_effective),
        Call("update_grants", on, Action.GRANT, give),
    ]


def _tag(on: SecurableType, action: Action) -> Call:
    def change(actor: Actor, names: Names) -> None:
        tags.tag_securable(actor=actor, type_=on, full_name=names.of(on), change=TAG)

    return Call("tag_securable", on, action, change)


def _on_model(name: str, action: Action, function: Callable[..., Any], **arguments: Any) -> Call:
    return Call(name, MODEL, action, lambda actor, names: function(actor=actor, name=names.model_full, **arguments))


def _on_full_name(
    name: str, on: SecurableType, action: Action, function: Callable[..., Any], **arguments: Any
) -> Call:
    return Call(name, on, action, lambda actor, names: function(actor=actor, full_name=names.of(on), **arguments))


def _on_catalog(name: str, action: Action, function: Callable[..., Any], **arguments: Any) -> Call:
    return Call(name, CATALOG, action, lambda actor, names: function(actor=actor, name=names.catalog, **arguments))


def _gate(on: SecurableType, action: Action) -> Call:
    """No service function of its own yet: what the gate says."""

    def ask(actor: Actor, names: Names) -> None:
        securable = Securable.objects.select_related("owner", "parent__parent").get(type=on, key=names.short(on))
        require(actor=actor, action=action, securable=securable, named=names.of(on))

    return Call("require", on, action, ask)


def _webhook(on: SecurableType) -> Call:
    def make(actor: Actor, names: Names) -> None:
        scope = None if on == METASTORE else on
        new = NewWebhook("w", "https://hooks.example.com/x", ["model_version.created"], scope_type=scope)
        webhooks.create_webhook(actor=actor, new=replace(new, scope_name=names.of(on) if scope else ""))

    return Call("create_webhook", on, Action.MANAGE_WEBHOOKS, make)


def _create_catalog(actor: Actor, names: Names) -> None:
    catalogs.create_catalog(actor=actor, name="fresh")


def _create_schema(actor: Actor, names: Names) -> None:
    schemas.create_schema(actor=actor, catalog=names.catalog, name="fresh")


def _create_model(actor: Actor, names: Names) -> None:
    registered_models.create_model(actor=actor, name=f"{names.schema_full}.fresh")


def _create_table(actor: Actor, names: Names) -> None:
    tables.create_table(actor=actor, catalog=names.catalog, schema=names.schema, name="fresh", new=NewTable())


rename = Changes(new_name="renamed")
update_model, update_schema = registered_models.update_model, schemas.update_schema

CALLS: list[Call] = [
    Call("create_catalog", METASTORE, Action.CREATE_CATALOG, _create_catalog),
    _gate(METASTORE, Action.ADMINISTER_METASTORE),
    *_grants_of(METASTORE),
    _on_catalog("get_catalog", Action.READ_CATALOG, catalogs.get_catalog),
    Call(
        "list_schemas",
        CATALOG,
        Action.READ_CATALOG,
        lambda actor, names: schemas.list_schemas(actor=actor, catalog=names.catalog),
    ),
    _on_catalog("update_catalog", Action.UPDATE_CATALOG, catalogs.update_catalog, changes=DESCRIBE),
    _on_catalog("rename_catalog", Action.UPDATE_CATALOG, catalogs.update_catalog, changes=rename),
    _on_catalog("hand_over_catalog", Action.TRANSFER, catalogs.update_catalog, changes=Changes(owner=HEIR)),
    _on_catalog("delete_catalog", Action.DELETE_CATALOG, catalogs.delete_catalog, force=True),
    _tag(CATALOG, Action.TAG_CATALOG),
    *_grants_of(CATALOG),
    Call("create_schema", CATALOG, Action.CREATE_SCHEMA, _create_schema),
    _on_full_name("get_schema", SCHEMA, Action.READ_SCHEMA, schemas.get_schema),
    Call(
        "list_models",
        SCHEMA,
        Action.READ_SCHEMA,
        lambda actor, names: registered_models.list_models(actor=actor, catalog=names.catalog, schema=names.schema),
    ),
    Call(
        "list_tables",
        SCHEMA,
        Action.READ_SCHEMA,
        lambda actor, names: tables.list_tables(actor=actor, catalog=names.catalog, schema=names.schema),
    ),
    _on_full_name("update_schema", SCHEMA, Action.UPDATE_SCHEMA, update_schema, changes=DESCRIBE),
    _on_full_name("rename_schema", SCHEMA, Action.UPDATE_SCHEMA, update_schema, changes=rename),
    _on_full_name("hand_over_schema", SCHEMA, Action.TRANSFER, update_schema, changes=Changes(owner=HEIR)),
    _on_full_name("delete_schema", SCHEMA, Action.DELETE_SCHEMA, schemas.delete_schema, force=True),
    _tag(SCHEMA, Action.TAG_SCHEMA),
    *_grants_of(SCHEMA),
    Call("create_model", SCHEMA, Action.CREATE_MODEL, _create_model),
    Call("create_table", SCHEMA, Action.CREATE_TABLE, _create_table),
    _on_model("get_model", Action.READ_MODEL, registered_models.get_model),
    _on_model("update_model", Action.UPDATE_MODEL, update_model, changes=DESCRIBE),
    _on_model("set_job", Action.UPDATE_MODEL, update_model, changes=Changes(), deployment_job_id="7"),
    _on_model("rename_model", Action.RENAME_MODEL, update_model, changes=rename),
    _on_model("hand_over_model", Action.TRANSFER, update_model, changes=Changes(owner=HEIR)),
    _on_model("plan_deletion", Action.DELETE_MODEL, model_deletion.plan_deletion),
    _on_model("delete_model", Action.DELETE_MODEL, registered_models.delete_model),
    _on_model("set_alias", Action.SET_ALIAS, aliases.set_alias, alias="challenger", version=1),
    _on_model("move_aliases", Action.SET_ALIAS, aliases.move_aliases, moves={"fresh": 1}),
    _on_model("delete_alias", Action.DELETE_ALIAS, aliases.delete_alias, alias="champion"),
    _tag(MODEL, Action.TAG_MODEL),
    *_grants_of(MODEL),
    _on_model("begin_version", Action.CREATE_VERSION, model_versions.begin_version, new=NewVersion()),
    _on_model("authorize_upload", Action.CREATE_VERSION, model_versions.authorize_upload, version=2),
    _on_model("get_version", Action.READ_VERSION, model_versions.get_version, version=1),
    _on_model("by_alias", Action.READ_VERSION, model_versions.get_version_by_alias, alias="champion"),
    _on_model("list_versions", Action.READ_VERSION, model_versions.list_versions),
    _on_model("alias_history", Action.READ_VERSION, aliases.alias_history),
    _on_model("list_lineage", Action.READ_VERSION, lineage.list_lineage, version=1),
    _on_model("update_version", Action.UPDATE_VERSION, model_versions.update_version, version=1, comment="new"),
    _on_model("delete_version", Action.DELETE_VERSION, model_versions.delete_version, version=1),
    _on_model("tag_version", Action.TAG_VERSION, tags.tag_version, version=1, change=TAG),
    _on_model("authorize_load", Action.LOAD_VERSION, model_versions.authorize_load, version=1),
    _on_model("report_load", Action.LOAD_VERSION, lineage.report_load, version=1, entities=[]),
    _on_full_name("get_table", TABLE, Action.READ_TABLE, tables.get_table),
    _on_full_name("update_table", TABLE, Action.UPDATE_TABLE, tables.update_table, changes=DESCRIBE),
    _on_full_name("hand_over_table", TABLE, Action.TRANSFER, tables.update_table, changes=Changes(owner=HEIR)),
    _on_full_name("delete_table", TABLE, Action.DELETE_TABLE, tables.delete_table),
    _tag(TABLE, Action.TAG_TABLE),
    *_grants_of(TABLE),
    _gate(TABLE, Action.SELECT_TABLE),
    _gate(TABLE, Action.MODIFY_TABLE),
    _gate(TABLE, Action.MANAGE_MONITOR),
    *(_webhook(on) for on in (METASTORE, CATALOG, SCHEMA, MODEL)),
]
