"""Privileges and actions as people read them."""

from registry.privileges import GRANTABLE, Action, Privilege, SecurableType

PRIVILEGES = {
    Privilege.USE_CATALOG: "Go into the catalog. Needed for everything in it.",
    Privilege.USE_SCHEMA: "Go into a schema. Needed for everything in it.",
    Privilege.BROWSE: "See that things are there and what they are, without using them.",
    Privilege.EXECUTE: "See and load models, download their files, copy from them.",
    Privilege.SELECT: "See tables and read their rows.",
    Privilege.MODIFY: "Change rows of tables.",
    Privilege.CREATE_CATALOG: "Make catalogs.",
    Privilege.CREATE_SCHEMA: "Make schemas.",
    Privilege.CREATE_MODEL: "Make models.",
    Privilege.CREATE_MODEL_VERSION: "Register versions of models.",
    Privilege.CREATE_TABLE: "Enter tables.",
    Privilege.APPLY_TAG: "Set and remove tags.",
    Privilege.ALL_PRIVILEGES: "Every privilege that applies here, now and later, but MANAGE.",
    Privilege.MANAGE: "What an owner may: describe, rename, move aliases, grant, delete. Not: read data.",
}
"""What each lets one do, in the order in which they are shown."""

_READ = {Privilege.USE_CATALOG, Privilege.USE_SCHEMA, Privilege.EXECUTE, Privilege.SELECT}
_WRITE = _READ | {
    Privilege.CREATE_CATALOG,
    Privilege.CREATE_SCHEMA,
    Privilege.CREATE_MODEL,
    Privilege.CREATE_MODEL_VERSION,
    Privilege.CREATE_TABLE,
    Privilege.MODIFY,
    Privilege.APPLY_TAG,
}
_EVERYTHING = {Privilege.ALL_PRIVILEGES, Privilege.MANAGE}

ACTIONS = {
    Action.CREATE_CATALOG: "make catalogs",
    Action.ADMINISTER_METASTORE: "add, change and disable users, service principals and groups",
    Action.READ_CATALOG: "see the catalog and list its schemas",
    Action.UPDATE_CATALOG: "describe or rename the catalog",
    Action.TAG_CATALOG: "set and remove tags of the catalog",
    Action.DELETE_CATALOG: "delete the catalog",
    Action.CREATE_SCHEMA: "make schemas in it",
    Action.READ_SCHEMA: "see the schema, list its models and tables",
    Action.UPDATE_SCHEMA: "describe or rename the schema",
    Action.TAG_SCHEMA: "set and remove tags of the schema",
    Action.DELETE_SCHEMA: "delete the schema",
    Action.CREATE_MODEL: "make models in it",
    Action.CREATE_TABLE: "enter tables into it",
    Action.READ_MODEL: "see the model, its aliases and tags",
    Action.READ_VERSION: "see its versions",
    Action.LOAD_VERSION: "load, download and copy its versions",
    Action.CREATE_VERSION: "register versions",
    Action.SET_ALIAS: "set or move aliases",
    Action.DELETE_ALIAS: "remove aliases",
    Action.UPDATE_MODEL: "describe the model",
    Action.UPDATE_VERSION: "describe versions",
    Action.TAG_MODEL: "set and remove tags of the model",
    Action.TAG_VERSION: "set and remove tags of versions",
    Action.RENAME_MODEL: "rename the model",
    Action.DELETE_VERSION: "delete versions",
    Action.DELETE_MODEL: "delete the model with all versions",
    Action.READ_TABLE: "see the table and its columns",
    Action.SELECT_TABLE: "read its rows",
    Action.MODIFY_TABLE: "change its rows",
    Action.MANAGE_MONITOR: "monitor it",
    Action.UPDATE_TABLE: "describe or rename the table",
    Action.TAG_TABLE: "set and remove tags of the table",
    Action.DELETE_TABLE: "take the table out of the catalog",
    Action.READ_GRANTS: "read everybody's grants on it",
    Action.GRANT: "grant and revoke",
    Action.TRANSFER: "hand over ownership",
    Action.MANAGE_WEBHOOKS: "have webhooks told of it",
}
"""What each is, after "may" or "can", in the order in which they are shown."""

NOUNS = {
    SecurableType.METASTORE: "metastore",
    SecurableType.CATALOG: "catalog",
    SecurableType.SCHEMA: "schema",
    SecurableType.REGISTERED_MODEL: "model",
    SecurableType.TABLE: "table",
}


def grantable_on(type_: SecurableType) -> list[Privilege]:
    """What can be granted there, in the order in which it is shown."""
    return [privilege for privilege in PRIVILEGES if privilege in GRANTABLE[type_]]


def presets_on(type_: SecurableType) -> list[tuple[str, list[Privilege]]]:
    """Sets of privileges that belong together, with their names."""
    named = [("Read", _READ), ("Write", _WRITE), ("Own everything", _EVERYTHING)]
    chosen = [(name, [one for one in grantable_on(type_) if one in wanted]) for name, wanted in named]
    return [(name, privileges) for name, privileges in chosen if privileges]


def named_privilege(missing: str, type_: SecurableType) -> str:
    """The least privilege that is named among what is missing, or MANAGE where only ownership is."""
    named = [word for word in missing.split() if word in GRANTABLE[type_]]
    return named[0] if named else Privilege.MANAGE
