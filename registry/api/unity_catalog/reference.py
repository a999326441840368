"""What this dialect's calls take and answer, for the OpenAPI document. Tests hold real answers against it."""

from registry.api.openapi.dialects import Call, Dialect
from registry.api.openapi.shapes import (
    ANYTHING,
    AWS_CREDENTIALS,
    EMPTY,
    FLAG,
    ID,
    KEY_AND_VALUE,
    MILLIS,
    MOMENT,
    PAGE,
    TAGS_GIVEN,
    TEXT,
    VERSION,
    WHOLE,
    Named,
    Schema,
    choice,
    fields,
    listed,
    noted,
    nullable,
    page_of,
    table_of,
)
from registry.api.unity_catalog.absent_reference import ABSENT_PATHS
from registry.models import VersionStatus
from registry.privileges import Privilege

_HISTORY: dict[str, Schema] = {
    "created_at": nullable(MILLIS),
    "created_by": nullable(TEXT),
    "updated_at": nullable(MILLIS),
    "updated_by": nullable(TEXT),
}
_PLACE: dict[str, Schema] = {"catalog_name": TEXT, "schema_name": TEXT}
_BROWSE_ONLY = noted(FLAG, "Whether the caller may look at it and not use it.")
_INCLUDE_BROWSE: dict[str, Schema] = {"include_browse": noted(FLAG, "Also answer `browse_only` for each object.")}
_PROPERTIES = table_of(TEXT)
_CHANGES: dict[str, Schema] = {
    "new_name": TEXT,
    "owner": noted(TEXT, "User, group or service principal that shall own it."),
    "comment": TEXT,
    "properties": _PROPERTIES,
}

METASTORE = Named(
    "Metastore",
    fields(
        {
            "metastore_id": ID,
            "name": TEXT,
            "owner": TEXT,
            "cloud": TEXT,
            "region": TEXT,
            "global_metastore_id": TEXT,
            "privilege_model_version": TEXT,
            "delta_sharing_scope": TEXT,
            "created_at": nullable(MILLIS),
            "updated_at": nullable(MILLIS),
        }
    ),
)
CATALOG = Named(
    "Catalog",
    fields(
        {
            "name": TEXT,
            "full_name": TEXT,
            "id": ID,
            "catalog_type": choice("MANAGED_CATALOG"),
            "securable_type": choice("CATALOG"),
            "comment": TEXT,
            "properties": _PROPERTIES,
            "owner": TEXT,
            "isolation_mode": choice("OPEN"),
            "metastore_id": ID,
            **_HISTORY,
        },
        browse_only=_BROWSE_ONLY,
    ),
)
SCHEMA = Named(
    "Schema",
    fields(
        {
            "name": TEXT,
            "catalog_name": TEXT,
            "full_name": TEXT,
            "schema_id": ID,
            "securable_type": choice("SCHEMA"),
            "catalog_type": choice("MANAGED_CATALOG"),
            "comment": TEXT,
            "properties": _PROPERTIES,
            "owner": TEXT,
            "metastore_id": nullable(ID),
            **_HISTORY,
        },
        browse_only=_BROWSE_ONLY,
    ),
)
COLUMN = Named(
    "Column",
    fields(
        {"name": TEXT, "type_name": TEXT, "position": WHOLE, "nullable": FLAG},
        type_text=TEXT,
        type_json=TEXT,
        comment=TEXT,
        partition_index=WHOLE,
    ),
)
_TABLE_ALWAYS: dict[str, Schema] = {
    "name": TEXT,
    **_PLACE,
    "full_name": TEXT,
    "table_id": ID,
    "table_type": TEXT,
    "data_source_format": TEXT,
    "securable_type": choice("TABLE"),
    "storage_location": TEXT,
    "comment": TEXT,
    "metastore_id": nullable(ID),
    **_HISTORY,
}
_TABLE_PARTS: dict[str, Schema] = {"columns": listed(COLUMN), "properties": _PROPERTIES, "owner": TEXT}
TABLE = Named("Table", fields({**_TABLE_ALWAYS, **_TABLE_PARTS}, browse_only=_BROWSE_ONLY))
LISTED_TABLE = Named("ListedTable", fields(_TABLE_ALWAYS, **_TABLE_PARTS, browse_only=_BROWSE_ONLY))
ALIAS = Named(
    "RegisteredModelAlias",
    fields({"alias_name": TEXT, "version_num": WHOLE, "model_name": TEXT, "id": TEXT, **_PLACE}),
)
MODEL = Named(
    "RegisteredModel",
    fields(
        {
            "name": TEXT,
            **_PLACE,
            "full_name": TEXT,
            "id": ID,
            "comment": TEXT,
            "owner": TEXT,
            "storage_location": TEXT,
            "tags": listed(KEY_AND_VALUE),
            "deployment_job_id": TEXT,
            "metastore_id": nullable(ID),
            "browse_only": _BROWSE_ONLY,
            **_HISTORY,
        },
        aliases=listed(ALIAS),
    ),
)
MODEL_VERSION = Named(
    "ModelVersion",
    fields(
        {
            "version": WHOLE,
            "id": ID,
            "model_name": TEXT,
            **_PLACE,
            "source": TEXT,
            "run_id": TEXT,
            "run_workspace_id": nullable(WHOLE),
            "status": choice(*VersionStatus.values),
            "status_message": TEXT,
            "comment": TEXT,
            "storage_location": TEXT,
            "tags": listed(KEY_AND_VALUE),
            "model_id": TEXT,
            "model_params": listed(ANYTHING),
            "model_metrics": listed(ANYTHING),
            "metastore_id": nullable(ID),
            "model_version_dependencies": fields({"dependencies": listed(ANYTHING)}),
            **_HISTORY,
        },
        aliases=listed(ALIAS),
    ),
)
_ASSIGNMENT = Named("PrivilegeAssignment", fields({"principal": TEXT, "privileges": listed(choice(*Privilege))}))
_HELD = fields(
    {"privilege": choice(*Privilege)},
    inherited_from_type=noted(TEXT, "Kind of the securable above that it was granted on."),
    inherited_from_name=TEXT,
)
_EFFECTIVE = Named("EffectivePrivilegeAssignment", fields({"principal": TEXT, "privileges": listed(_HELD)}))
_PRIVILEGES = listed(
    noted(TEXT, "A privilege, with underscores or spaces.", examples=["EXECUTE", "USE_SCHEMA", "ALL_PRIVILEGES"])
)
_GRANT_CHANGES = fields(
    changes=listed(fields({"principal": TEXT}, add=_PRIVILEGES, remove=_PRIVILEGES)),
    omit_permissions_in_response=FLAG,
)
_TAG_CHANGES = fields({"changes": fields(add_tags=TAGS_GIVEN, remove=listed(TEXT))})
TAG_ASSIGNMENT = Named(
    "EntityTagAssignment",
    fields(
        {
            "entity_type": TEXT,
            "entity_name": TEXT,
            "tag_key": TEXT,
            "tag_value": TEXT,
            "update_time": MOMENT,
            "updated_by": nullable(TEXT),
        }
    ),
)
TAG_POLICY = Named(
    "TagPolicy",
    fields(
        {
            "id": TEXT,
            "tag_key": TEXT,
            "description": TEXT,
            "values": listed(fields({"name": TEXT})),
            "create_time": MOMENT,
            "update_time": MOMENT,
        }
    ),
)
_ROLE = choice("roles/tagPolicy.manager", "roles/tagPolicy.assigner")
_GRANT_RULES = listed(fields({"role": _ROLE, "principals": listed(noted(TEXT, "users/…, groups/… or …"))}))
RULE_SET = Named("RuleSet", fields({"name": TEXT, "etag": TEXT, "grant_rules": _GRANT_RULES}))
_POLICY_VALUES = noted(listed(fields({"name": TEXT})), "The values that are allowed; none for any.")
_UPDATE_MASK: dict[str, Schema] = {"update_mask": noted(TEXT, "The fields to change, with commas, or *.")}

_PRINCIPAL: dict[str, Schema] = {"principal": noted(TEXT, "Only what this principal holds.")}
_GRANT_PAGE = {**_PRINCIPAL, **PAGE}
_ASSIGNMENTS = page_of("privilege_assignments", _ASSIGNMENT)

_UC = "/api/2.1/unity-catalog"
_MODEL = f"{_UC}/models/{{full_name}}"
_VERSION = f"{_MODEL}/versions/{{version}}"
_ENTITY_TAGS = f"{_UC}/entity-tag-assignments/{{entity_type}}/{{entity_name}}/tags"
_ACCESS = "/api/2.0/preview/accounts/access-control"
_ON = "{securable_type}/{full_name}"

DIALECT = Dialect(
    slug="unity_catalog",
    title="Unity Catalog",
    text="Catalogs, schemas, tables, models, grants and tags, as databricks-sdk and MLflow's `uc:` client call them.",
    spellings=(("/api/2.1/unity-catalog/", "/api/2.0/unity-catalog/"),),
    parts={
        "name": noted(TEXT, "The catalog's name.", examples=["prod"]),
        "full_name": noted(TEXT, "Name with those of its containers.", examples=["prod.ml.iris"]),
        "metastore_id": ID,
        "version": {"type": "string", "description": "The version's number.", "examples": ["1"]},
        "subentity": {"type": "string", "description": "The version's number.", "examples": ["1"]},
        "alias": noted(TEXT, "The alias.", examples=["Champion"]),
        "securable_type": noted(
            TEXT, "METASTORE, CATALOG, SCHEMA, TABLE or FUNCTION (a model).", examples=["FUNCTION"]
        ),
        "entity_type": noted(TEXT, "catalogs, schemas, tables or models.", examples=["models"]),
        "entity_name": noted(TEXT, "Its full name.", examples=["prod.ml.iris"]),
        "tag_key": noted(TEXT, "The tag's key.", examples=["team"]),
    },
    paths={
        f"{_UC}/metastore_summary": {"GET": Call("metastore_summary", METASTORE)},
        f"{_UC}/current-metastore-assignment": {
            "GET": Call(
                "metastore_assignment",
                fields({"workspace_id": WHOLE, "metastore_id": ID, "default_catalog_name": TEXT}),
            )
        },
        f"{_UC}/metastores": {"GET": Call("list_metastores", page_of("metastores", METASTORE))},
        f"{_UC}/metastores/{{metastore_id}}": {"GET": Call("get_metastore", METASTORE)},
        f"{_UC}/catalogs": {
            "GET": Call("list_catalogs", page_of("catalogs", CATALOG), query=PAGE | _INCLUDE_BROWSE),
            "POST": Call(
                "create_catalog", CATALOG, body=fields({"name": TEXT}, comment=TEXT, properties=_PROPERTIES)
            ),
        },
        f"{_UC}/catalogs/{{name}}": {
            "GET": Call("get_catalog", CATALOG, query=_INCLUDE_BROWSE),
            "PATCH": Call("update_catalog", CATALOG, body=fields(**_CHANGES, isolation_mode=choice("OPEN"))),
            "DELETE": Call("delete_catalog", EMPTY, query={"force": noted(FLAG, "With all that it holds.")}),
        },
        f"{_UC}/schemas": {
            "GET": Call(
                "list_schemas",
                page_of("schemas", SCHEMA),
                query={"catalog_name": TEXT, **PAGE, **_INCLUDE_BROWSE},
                needs=("catalog_name",),
            ),
            "POST": Call(
                "create_schema",
                SCHEMA,
                body=fields({"catalog_name": TEXT, "name": TEXT}, comment=TEXT, properties=_PROPERTIES),
            ),
        },
        f"{_UC}/schemas/{{full_name}}": {
            "GET": Call("get_schema", SCHEMA, query=_INCLUDE_BROWSE),
            "PATCH": Call("update_schema", SCHEMA, body=fields(**_CHANGES)),
            "DELETE": Call("delete_schema", EMPTY, query={"force": noted(FLAG, "With all that it holds.")}),
        },
        f"{_UC}/tables": {
            "GET": Call(
                "list_tables",
                page_of("tables", LISTED_TABLE),
                query={
                    **_PLACE,
                    "omit_columns": FLAG,
                    "omit_properties": FLAG,
                    "omit_username": FLAG,
                    **PAGE,
                    **_INCLUDE_BROWSE,
                },
                needs=("catalog_name", "schema_name"),
            ),
            "POST": Call(
                "create_table",
                TABLE,
                body=fields(
                    {**_PLACE, "name": TEXT},
                    table_type=noted(TEXT, "MANAGED, EXTERNAL or VIEW.", default="EXTERNAL"),
                    data_source_format=noted(TEXT, "The format of its files.", default="DELTA"),
                    storage_location=TEXT,
                    columns=listed(fields({"name": TEXT}, type_name=TEXT, comment=TEXT, nullable=FLAG)),
                    comment=TEXT,
                    properties=_PROPERTIES,
                ),
            ),
        },
        f"{_UC}/tables/{{full_name}}": {
            "GET": Call("get_table", TABLE, query=_INCLUDE_BROWSE),
            "PATCH": Call("update_table", EMPTY, body=fields(**_CHANGES)),
            "DELETE": Call("delete_table", EMPTY),
        },
        f"{_UC}/tables/{{full_name}}/exists": {"GET": Call("table_exists", fields({"table_exists": FLAG}))},
        f"{_UC}/table-summaries": {
            "GET": Call(
                "list_table_summaries",
                page_of("tables", fields({"full_name": TEXT, "table_type": TEXT})),
                query={"catalog_name": TEXT, "schema_name_pattern": TEXT, "table_name_pattern": TEXT, **PAGE},
                needs=("catalog_name",),
            )
        },
        f"{_UC}/models": {
            "GET": Call(
                "list_models", page_of("registered_models", MODEL), query={**_PLACE, **PAGE, **_INCLUDE_BROWSE}
            ),
            "POST": Call(
                "create_model",
                MODEL,
                body=fields({**_PLACE, "name": TEXT}, comment=TEXT, tags=TAGS_GIVEN, deployment_job_id=TEXT),
            ),
        },
        f"{_UC}/models/versions": {
            "POST": Call(
                "create_model_version",
                MODEL_VERSION,
                headers={"X-Databricks-Lineage-Identifier": noted(TEXT, "The notebook or job that registers it.")},
                body=fields(
                    {**_PLACE, "model_name": TEXT, "source": TEXT},
                    run_id=TEXT,
                    run_tracking_server_id=TEXT,
                    model_id=TEXT,
                    comment=TEXT,
                    tags=TAGS_GIVEN,
                    model_version_dependencies=fields(dependencies=listed(ANYTHING)),
                    feature_deps=TEXT,
                ),
            )
        },
        _MODEL: {
            "GET": Call("get_model", MODEL, query={"include_aliases": FLAG, **_INCLUDE_BROWSE}),
            "PATCH": Call("update_model", MODEL, body=fields(**_CHANGES, deployment_job_id=TEXT)),
            "DELETE": Call("delete_model", EMPTY),
        },
        f"{_MODEL}/versions": {
            "GET": Call("list_model_versions", page_of("model_versions", MODEL_VERSION), query=PAGE)
        },
        _VERSION: {
            "GET": Call("get_model_version", MODEL_VERSION, query={"include_aliases": FLAG}),
            "PATCH": Call("update_model_version", MODEL_VERSION, body=fields(comment=TEXT)),
            "DELETE": Call("delete_model_version", EMPTY),
        },
        f"{_VERSION}/finalize": {"PATCH": Call("finalize_model_version", MODEL_VERSION)},
        f"{_MODEL}/aliases/{{alias}}": {
            "GET": Call("get_model_version_by_alias", MODEL_VERSION),
            "PUT": Call("set_alias", ALIAS, body=fields({"version_num": VERSION})),
            "DELETE": Call("delete_alias", EMPTY),
        },
        f"{_UC}/temporary-model-version-credentials": {
            "POST": Call(
                "model_version_credentials",
                fields(
                    {
                        "expiration_time": MILLIS,
                        "storage_mode": choice("DEFAULT_STORAGE"),
                        "aws_temp_credentials": AWS_CREDENTIALS,
                    }
                ),
                body=fields(
                    {
                        **_PLACE,
                        "model_name": TEXT,
                        "version": VERSION,
                        "operation": choice("READ_MODEL_VERSION", "READ_WRITE_MODEL_VERSION"),
                    }
                ),
            )
        },
        f"{_UC}/permissions/{_ON}": {
            "GET": Call("get_permissions", _ASSIGNMENTS, query=_GRANT_PAGE),
            "PATCH": Call(
                "update_permissions",
                fields(privilege_assignments=listed(_ASSIGNMENT), next_page_token=TEXT),
                body=_GRANT_CHANGES,
            ),
        },
        f"{_UC}/effective-permissions/{_ON}": {
            "GET": Call("get_effective_permissions", page_of("privilege_assignments", _EFFECTIVE), query=_GRANT_PAGE)
        },
        f"{_UC}/privilege-assignments/{_ON}": {
            "GET": Call("list_privilege_assignments", _ASSIGNMENTS, query=_GRANT_PAGE | {"page_size": WHOLE})
        },
        f"{_UC}/effective-privilege-assignments/{_ON}": {
            "GET": Call(
                "list_effective_privilege_assignments",
                page_of("effective_privilege_assignments", _EFFECTIVE),
                query=_GRANT_PAGE | {"page_size": WHOLE},
            )
        },
        f"{_UC}/entity-tag-assignments": {
            "POST": Call(
                "create_tag_assignment",
                TAG_ASSIGNMENT,
                body=fields(
                    {
                        "entity_type": choice("catalogs", "schemas", "tables", "models", "functions"),
                        "entity_name": TEXT,
                        "tag_key": TEXT,
                    },
                    tag_value=TEXT,
                ),
            )
        },
        _ENTITY_TAGS: {"GET": Call("list_tag_assignments", page_of("tag_assignments", TAG_ASSIGNMENT), query=PAGE)},
        f"{_ENTITY_TAGS}/{{tag_key}}": {
            "GET": Call("get_tag_assignment", TAG_ASSIGNMENT),
            "PATCH": Call("update_tag_assignment", TAG_ASSIGNMENT, query=_UPDATE_MASK, body=fields(tag_value=TEXT)),
            "DELETE": Call("delete_tag_assignment", EMPTY),
        },
        f"{_UC}/securable-tags/{_ON}": {"PATCH": Call("change_tags", EMPTY, body=_TAG_CHANGES)},
        f"{_UC}/subentity-tags/{_ON}/{{subentity}}": {"PATCH": Call("change_version_tags", EMPTY, body=_TAG_CHANGES)},
        "/api/2.1/tag-policies": {
            "GET": Call(
                "list_tag_policies",
                page_of("tag_policies", TAG_POLICY),
                query={"page_size": PAGE["max_results"], "page_token": PAGE["page_token"]},
            ),
            "POST": Call(
                "create_tag_policy",
                TAG_POLICY,
                body=fields({"tag_key": TEXT}, description=TEXT, values=_POLICY_VALUES),
            ),
        },
        "/api/2.1/tag-policies/{tag_key}": {
            "GET": Call("get_tag_policy", TAG_POLICY),
            "PATCH": Call(
                "update_tag_policy",
                TAG_POLICY,
                query=_UPDATE_MASK,
                body=fields(description=TEXT, values=_POLICY_VALUES),
            ),
            "DELETE": Call("delete_tag_policy", EMPTY),
        },
        f"{_ACCESS}/rule-sets": {
            "GET": Call("get_rule_set", RULE_SET, query={"name": TEXT, "etag": TEXT}, needs=("name",)),
            "PUT": Call(
                "replace_rule_set",
                RULE_SET,
                body=fields({"rule_set": fields({"etag": TEXT}, name=TEXT, grant_rules=_GRANT_RULES)}, name=TEXT),
            ),
        },
        f"{_ACCESS}/assignable-roles": {
            "GET": Call(
                "list_assignable_roles",
                fields({"roles": listed(fields({"name": _ROLE}))}),
                query={"resource": TEXT},
                needs=("resource",),
            )
        },
        **ABSENT_PATHS,
    },
)
