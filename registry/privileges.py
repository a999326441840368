"""The decision table: which privileges exist, where they may be granted, and what each action needs.

This module is data. `registry.services.access` is the only code that reads it to decide.
"""

from dataclasses import dataclass
from enum import StrEnum


class SecurableType(StrEnum):
    """What rights can be held on."""

    METASTORE = "METASTORE"
    CATALOG = "CATALOG"
    SCHEMA = "SCHEMA"
    REGISTERED_MODEL = "REGISTERED_MODEL"
    TABLE = "TABLE"


class Privilege(StrEnum):
    """What can be granted. Always answered in this spelling; spaces are accepted for underscores."""

    ALL_PRIVILEGES = "ALL_PRIVILEGES"
    APPLY_TAG = "APPLY_TAG"
    BROWSE = "BROWSE"
    CREATE_CATALOG = "CREATE_CATALOG"
    CREATE_MODEL = "CREATE_MODEL"
    CREATE_MODEL_VERSION = "CREATE_MODEL_VERSION"
    CREATE_SCHEMA = "CREATE_SCHEMA"
    CREATE_TABLE = "CREATE_TABLE"
    EXECUTE = "EXECUTE"
    MANAGE = "MANAGE"
    MODIFY = "MODIFY"
    SELECT = "SELECT"
    USE_CATALOG = "USE_CATALOG"
    USE_SCHEMA = "USE_SCHEMA"


_ON_MODEL = {
    Privilege.ALL_PRIVILEGES,
    Privilege.APPLY_TAG,
    Privilege.BROWSE,
    Privilege.CREATE_MODEL_VERSION,
    Privilege.EXECUTE,
    Privilege.MANAGE,
}
_ON_TABLE = {
    Privilege.ALL_PRIVILEGES,
    Privilege.APPLY_TAG,
    Privilege.BROWSE,
    Privilege.MANAGE,
    Privilege.MODIFY,
    Privilege.SELECT,
}
_ON_SCHEMA = _ON_MODEL | _ON_TABLE | {Privilege.CREATE_MODEL, Privilege.CREATE_TABLE, Privilege.USE_SCHEMA}
_ON_CATALOG = _ON_SCHEMA | {Privilege.CREATE_SCHEMA, Privilege.USE_CATALOG}

GRANTABLE: dict[SecurableType, frozenset[Privilege]] = {
    SecurableType.METASTORE: frozenset({Privilege.CREATE_CATALOG, Privilege.MANAGE, Privilege.ALL_PRIVILEGES}),
    SecurableType.CATALOG: frozenset(_ON_CATALOG),
    SecurableType.SCHEMA: frozenset(_ON_SCHEMA),
    SecurableType.REGISTERED_MODEL: frozenset(_ON_MODEL),
    SecurableType.TABLE: frozenset(_ON_TABLE),
}
"""Where each privilege may be granted. On a container it holds for everything below, present and future."""

COVERED_BY_ALL: frozenset[Privilege] = frozenset(Privilege) - {Privilege.MANAGE, Privilege.ALL_PRIVILEGES}
"""What ALL_PRIVILEGES counts as when a right is checked. MANAGE is always granted by name."""


class Right(StrEnum):
    """A ground on which an action may be allowed, apart from a privilege of its own."""

    OWNER = "OWNER"
    """Owner of the object itself, directly or through a group."""
    OWNS = "OWNS"
    """OWNER, or MANAGE on the object or on anything above it, or metastore admin."""
    ADMINISTERS = "ADMINISTERS"
    """OWNS, or owner of the schema or catalog above."""
    BROWSER = "BROWSER"
    """BROWSE on the object or above: metadata only, parents not needed."""
    USER = "USER"
    """Owner of the container, or the privilege to use it (USE_CATALOG, USE_SCHEMA)."""


class Action(StrEnum):
    """Everything that is checked. The value is the audit log's action name."""

    CREATE_CATALOG = "createCatalog"
    READ_CATALOG = "getCatalog"
    UPDATE_CATALOG = "updateCatalog"
    TAG_CATALOG = "tagCatalog"
    DELETE_CATALOG = "deleteCatalog"
    CREATE_SCHEMA = "createSchema"
    READ_SCHEMA = "getSchema"
    UPDATE_SCHEMA = "updateSchema"
    TAG_SCHEMA = "tagSchema"
    DELETE_SCHEMA = "deleteSchema"
    CREATE_MODEL = "createRegisteredModel"
    READ_MODEL = "getRegisteredModel"
    UPDATE_MODEL = "updateRegisteredModel"
    RENAME_MODEL = "renameRegisteredModel"
    DELETE_MODEL = "deleteRegisteredModel"
    SET_ALIAS = "setRegisteredModelAlias"
    DELETE_ALIAS = "deleteRegisteredModelAlias"
    TAG_MODEL = "tagRegisteredModel"
    CREATE_VERSION = "createModelVersion"
    READ_VERSION = "getModelVersion"
    UPDATE_VERSION = "updateModelVersion"
    DELETE_VERSION = "deleteModelVersion"
    TAG_VERSION = "tagModelVersion"
    LOAD_VERSION = "generateTemporaryModelVersionCredential"
    CREATE_TABLE = "createTable"
    READ_TABLE = "getTable"
    UPDATE_TABLE = "updateTable"
    DELETE_TABLE = "deleteTable"
    TAG_TABLE = "tagTable"
    SELECT_TABLE = "selectFromTable"
    MODIFY_TABLE = "modifyTable"
    MANAGE_MONITOR = "manageMonitor"
    READ_GRANTS = "getPermissions"
    GRANT = "updatePermissions"
    TRANSFER = "transferOwnership"
    ADMINISTER_METASTORE = "administerMetastore"
    MANAGE_WEBHOOKS = "manageWebhooks"


@dataclass(frozen=True)
class Rule:
    """What an action needs on its object.

    `any_of`: one of these must hold on the object (privileges held on it or on a container above count).
    `also_on_schema`: this privilege must hold on the object's schema besides.
    `parents`: USE_CATALOG and USE_SCHEMA on the object's parents are needed; a metastore admin needs none.
    `inside`: the action works inside the object, a container, so its own USE_CATALOG or USE_SCHEMA is needed too.
    """

    any_of: tuple[Right | Privilege, ...]
    parents: bool = True
    inside: bool = False
    also_on_schema: Privilege | None = None


_SEE_MODEL = (Privilege.EXECUTE, Right.ADMINISTERS)
_SEE_TABLE = (Privilege.SELECT, Right.ADMINISTERS)
_SEE_CONTAINER = (Right.USER, Right.ADMINISTERS)

RULES: dict[Action, Rule] = {
    # On the metastore.
    Action.CREATE_CATALOG: Rule((Privilege.CREATE_CATALOG, Right.OWNS), parents=False),
    Action.ADMINISTER_METASTORE: Rule((Right.OWNS,), parents=False),
    # On a catalog.
    Action.READ_CATALOG: Rule(_SEE_CONTAINER, parents=False),
    Action.UPDATE_CATALOG: Rule((Right.OWNS,), parents=False),
    Action.TAG_CATALOG: Rule((Right.OWNS, Privilege.APPLY_TAG), parents=False),
    Action.DELETE_CATALOG: Rule((Right.OWNS,), parents=False),
    Action.CREATE_SCHEMA: Rule((Privilege.CREATE_SCHEMA, Right.OWNER), inside=True),
    # On a schema.
    Action.READ_SCHEMA: Rule(_SEE_CONTAINER),
    Action.UPDATE_SCHEMA: Rule((Right.OWNS,)),
    Action.TAG_SCHEMA: Rule((Right.OWNS, Privilege.APPLY_TAG)),
    Action.DELETE_SCHEMA: Rule((Right.ADMINISTERS,)),
    Action.CREATE_MODEL: Rule((Privilege.CREATE_MODEL, Right.OWNER), inside=True),
    Action.CREATE_TABLE: Rule((Privilege.CREATE_TABLE, Right.OWNER), inside=True),
    # On a registered model and its versions.
    Action.READ_MODEL: Rule(_SEE_MODEL),
    Action.READ_VERSION: Rule(_SEE_MODEL),
    Action.UPDATE_MODEL: Rule((Right.OWNS,)),
    Action.UPDATE_VERSION: Rule((Right.OWNS,)),
    Action.RENAME_MODEL: Rule((Right.OWNS,), also_on_schema=Privilege.CREATE_MODEL),
    Action.DELETE_MODEL: Rule((Right.ADMINISTERS,)),
    Action.DELETE_VERSION: Rule((Right.ADMINISTERS,)),
    Action.SET_ALIAS: Rule((Right.OWNS,)),
    Action.DELETE_ALIAS: Rule((Right.OWNS,)),
    Action.TAG_MODEL: Rule((Right.OWNS, Privilege.APPLY_TAG)),
    Action.TAG_VERSION: Rule((Right.OWNS, Privilege.APPLY_TAG)),
    Action.CREATE_VERSION: Rule((Right.OWNS, Privilege.CREATE_MODEL_VERSION)),
    Action.LOAD_VERSION: Rule((Right.OWNER, Privilege.EXECUTE)),
    # On a table.
    Action.READ_TABLE: Rule(_SEE_TABLE),
    Action.UPDATE_TABLE: Rule((Right.OWNS,)),
    Action.DELETE_TABLE: Rule((Right.ADMINISTERS,)),
    Action.TAG_TABLE: Rule((Right.OWNS, Privilege.APPLY_TAG)),
    Action.SELECT_TABLE: Rule((Right.OWNER, Privilege.SELECT)),
    Action.MODIFY_TABLE: Rule((Right.OWNER, Privilege.MODIFY)),
    # What watches it; to make one takes SELECT_TABLE as well.
    Action.MANAGE_MONITOR: Rule((Right.ADMINISTERS,)),
    # On any securable.
    Action.READ_GRANTS: Rule((Right.ADMINISTERS,)),
    Action.GRANT: Rule((Right.ADMINISTERS,)),
    Action.TRANSFER: Rule((Right.ADMINISTERS,)),
    # On the metastore, a catalog, a schema or a model: webhooks that are told of what happens there and below.
    Action.MANAGE_WEBHOOKS: Rule((Right.OWNS,)),
}

_ON_ANY = (Action.READ_GRANTS, Action.GRANT)
_BELOW_METASTORE = (*_ON_ANY, Action.TRANSFER)

ACTIONS_ON: dict[SecurableType, tuple[Action, ...]] = {
    SecurableType.METASTORE: (Action.CREATE_CATALOG, Action.ADMINISTER_METASTORE, Action.MANAGE_WEBHOOKS, *_ON_ANY),
    SecurableType.CATALOG: (
        Action.READ_CATALOG,
        Action.UPDATE_CATALOG,
        Action.TAG_CATALOG,
        Action.DELETE_CATALOG,
        Action.CREATE_SCHEMA,
        Action.MANAGE_WEBHOOKS,
        *_BELOW_METASTORE,
    ),
    SecurableType.SCHEMA: (
        Action.READ_SCHEMA,
        Action.UPDATE_SCHEMA,
        Action.TAG_SCHEMA,
        Action.DELETE_SCHEMA,
        Action.CREATE_MODEL,
        Action.CREATE_TABLE,
        Action.MANAGE_WEBHOOKS,
        *_BELOW_METASTORE,
    ),
    SecurableType.REGISTERED_MODEL: (
        Action.READ_MODEL,
        Action.READ_VERSION,
        Action.UPDATE_MODEL,
        Action.UPDATE_VERSION,
        Action.RENAME_MODEL,
        Action.DELETE_MODEL,
        Action.DELETE_VERSION,
        Action.SET_ALIAS,
        Action.DELETE_ALIAS,
        Action.TAG_MODEL,
        Action.TAG_VERSION,
        Action.CREATE_VERSION,
        Action.LOAD_VERSION,
        Action.MANAGE_WEBHOOKS,
        *_BELOW_METASTORE,
    ),
    SecurableType.TABLE: (
        Action.READ_TABLE,
        Action.UPDATE_TABLE,
        Action.DELETE_TABLE,
        Action.TAG_TABLE,
        Action.SELECT_TABLE,
        Action.MODIFY_TABLE,
        Action.MANAGE_MONITOR,
        *_BELOW_METASTORE,
    ),
}
"""On which kind of securable each action is decided: on its model for a version, on its parent for a new object."""
