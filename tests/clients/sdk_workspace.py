"""The workspace as a platform team's script sees it. Runs in a process of its own with nothing but databricks-sdk.

Usage: python sdk_workspace.py CATALOG. Prints a line a step: `ok NAME`, or `failed NAME` behind the traceback.
"""

import contextlib
import os
import sys
import traceback

from databricks.sdk import AccountClient, WorkspaceClient
from databricks.sdk.errors import (
    DatabricksError,
    InvalidParameterValue,
    NotFound,
    PermissionDenied,
    ResourceAlreadyExists,
    ResourceConflict,
    Unauthenticated,
)
from databricks.sdk.service import catalog as uc
from databricks.sdk.service import iam
from databricks.sdk.service.tags import TagPolicy, Value

CATALOG = sys.argv[1]
HOST = os.environ["DATABRICKS_HOST"]
ADMIN_TOKEN = os.environ.pop("DATABRICKS_TOKEN")
PERSON = f"person.of.{CATALOG}@example.com"
MODEL = f"{CATALOG}.ml.ranker"
w = WorkspaceClient(host=HOST, token=ADMIN_TOKEN)
state: dict[str, str] = {}
steps = []


def step(function):
    steps.append(function)
    return function


def refused(kind, call, *words):
    told = None
    try:
        call()
    except kind as error:
        told = str(error)
    assert told is not None, "was not refused"
    for word in words:
        assert word in told, told


def as_robot():
    return WorkspaceClient(host=HOST, client_id=state["robot_app"], client_secret=state["robot_secret"])


@step
def discovery_fills_in_the_account():
    assert w.config.account_id
    assert w.config.workspace_id


@step
def the_caller_is_known():
    me = w.current_user.me()
    assert me.user_name == me.emails[0].value
    assert me.active
    assert w.get_workspace_id() == int(w.config.workspace_id)


@step
def a_token_that_is_wrong_is_unauthenticated():
    refused(Unauthenticated, WorkspaceClient(host=HOST, token="mkwrong").current_user.me)


@step
def users_are_managed():
    made = w.users.create(
        user_name=PERSON, display_name="Per Son", name=iam.Name(given_name="Per", family_name="Son")
    )
    state["person"] = made.id
    assert w.users.get(made.id).user_name == PERSON
    assert [user.id for user in w.users.list(filter=f'userName eq "{PERSON}"')] == [made.id]
    assert made.id in {user.id for user in w.users.list(count=1)}
    wanted = f'userName sw "person.of.{CATALOG}"'
    slim = list(w.users_v2.list(filter=wanted, attributes="userName", sort_by="userName"))
    assert [(user.user_name, user.display_name) for user in slim] == [(PERSON, None)]
    replace = iam.Patch(op=iam.PatchOp.REPLACE, path="displayName", value="Pär")
    w.users.patch(
        made.id, operations=[replace], schemas=[iam.PatchSchema.URN_IETF_PARAMS_SCIM_API_MESSAGES_2_0_PATCH_OP]
    )
    assert w.users.get(made.id).display_name == "Pär"
    w.users.update(made.id, user_name=PERSON, display_name="Per", active=True)
    refused(ResourceConflict, lambda: w.users.create(user_name=PERSON))
    refused(NotFound, lambda: w.users.get("0"), "does not exist")


@step
def a_service_principal_gets_tokens_and_secrets():
    robot = w.service_principals.create(display_name=f"robot of {CATALOG}")
    state["robot"], state["robot_app"] = robot.id, robot.application_id
    assert w.service_principals_v2.get(robot.id).display_name == f"robot of {CATALOG}"
    made = w.service_principal_secrets_proxy.create(robot.id, lifetime="3600s")
    state["robot_secret"], state["robot_secret_id"] = made.secret, made.id
    listed = list(w.service_principal_secrets_proxy.list(robot.id))
    assert [row.id for row in listed] == [made.id]
    obo = w.token_management.create_obo_token(
        application_id=robot.application_id, lifetime_seconds=600, comment="obo"
    )
    assert WorkspaceClient(host=HOST, token=obo.token_value).current_user.me().user_name == robot.application_id
    assert w.token_management.get(obo.token_info.token_id).token_info.comment == "obo"
    w.token_management.delete(obo.token_info.token_id)
    refused(Unauthenticated, WorkspaceClient(host=HOST, token=obo.token_value).current_user.me)


@step
def the_service_principal_signs_in_by_oauth():
    robot = as_robot()
    assert robot.config.auth_type == "oauth-m2m"
    assert robot.current_user.me().user_name == state["robot_app"]
    wrong = WorkspaceClient(host=HOST, client_id=state["robot_app"], client_secret="wrong")
    refused(ValueError, wrong.current_user.me, "invalid_client")


@step
def groups_are_managed():
    member = iam.ComplexValue(value=state["robot"])
    group = w.groups.create(display_name=f"crew {CATALOG}", members=[member])
    state["group"] = group.id
    assert [one.value for one in w.groups.get(group.id).members] == [state["robot"]]
    w.groups.patch(
        group.id,
        operations=[
            iam.Patch(op=iam.PatchOp.ADD, path="members", value=[{"value": state["person"]}]),
            iam.Patch(op=iam.PatchOp.REMOVE, path=f'members[value eq "{state["robot"]}"]'),
        ],
    )
    assert [one.value for one in w.groups_v2.get(group.id).members] == [state["person"]]
    assert [row.id for row in w.groups.list(filter=f'displayName eq "crew {CATALOG}"')] == [group.id]
    assert [row.value for row in w.users.get(state["person"]).groups] == [group.id]


@step
def tokens_are_managed():
    new = w.tokens.create(comment="sdk", lifetime_seconds=600)
    assert new.token_info.token_id in {row.token_id for row in w.tokens.list()}
    mine = WorkspaceClient(host=HOST, token=new.token_value)
    assert mine.current_user.me().id == w.current_user.me().id
    assert new.token_info.token_id in {row.token_id for row in w.token_management.list()}
    w.tokens.delete(new.token_info.token_id)
    refused(Unauthenticated, mine.current_user.me)
    refused(NotFound, lambda: w.tokens.delete(new.token_info.token_id))
    refused(InvalidParameterValue, lambda: w.tokens.create(lifetime_seconds=-1), "lifetime_seconds")


@step
def the_workspace_has_settings():
    assert w.workspace_conf.get_status("enableTokensConfig")["enableTokensConfig"] == "true"
    w.workspace_conf.set_status({"maxTokenLifetimeDays": "90"})
    refused(InvalidParameterValue, lambda: w.tokens.create(lifetime_seconds=91 * 24 * 3600))
    w.workspace_conf.set_status({"maxTokenLifetimeDays": ""})
    refused(InvalidParameterValue, lambda: w.workspace_conf.get_status("shoeSize"))


@step
def there_is_one_metastore():
    summary, current = w.metastores.summary(), w.metastores.current()
    assert summary.metastore_id == current.metastore_id
    assert [row.metastore_id for row in w.metastores.list()] == [summary.metastore_id]
    assert w.metastores.get(summary.metastore_id).name == summary.name


@step
def catalogs_and_schemas_are_managed():
    made = w.catalogs.create(CATALOG, comment="sdk", properties={"k": "v"})
    assert (made.comment, made.catalog_type) == ("sdk", uc.CatalogType.MANAGED_CATALOG)
    assert CATALOG in {row.name for row in w.catalogs.list(include_browse=True)}
    changed = w.catalogs.update(CATALOG, comment="new", isolation_mode=uc.CatalogIsolationMode.OPEN)
    assert (changed.comment, changed.isolation_mode) == ("new", uc.CatalogIsolationMode.OPEN)
    schema = w.schemas.create("ml", CATALOG, comment="models")
    assert schema.schema_id
    assert [row.full_name for row in w.schemas.list(CATALOG)] == [f"{CATALOG}.ml"]
    assert w.schemas.get(f"{CATALOG}.ml").comment == "models"
    assert w.schemas.update(f"{CATALOG}.ml", comment="m").comment == "m"
    refused(ResourceAlreadyExists, lambda: w.catalogs.create(CATALOG), "already exists")
    refused(NotFound, lambda: w.schemas.get(f"{CATALOG}.nothing"))
    refused(InvalidParameterValue, lambda: w.catalogs.create("a.b"), "name")


@step
def tables_are_managed():
    column = uc.ColumnInfo(name="id", type_name=uc.ColumnTypeName.LONG, type_text="bigint", position=0)
    made = w.tables.create(
        "clicks",
        CATALOG,
        "ml",
        uc.TableType.EXTERNAL,
        uc.DataSourceFormat.DELTA,
        f"s3://bucket/{CATALOG}/clicks",
        columns=[column],
    )
    assert made.table_id
    name = f"{CATALOG}.ml.clicks"
    assert w.tables.get(name).columns[0].type_name == uc.ColumnTypeName.LONG
    assert w.tables.exists(name).table_exists
    assert not w.tables.exists(f"{CATALOG}.ml.nothing").table_exists
    (row,) = w.tables.list(CATALOG, "ml", omit_columns=True)
    assert row.full_name == name
    assert not row.columns
    (summary,) = w.tables.list_summaries(CATALOG, schema_name_pattern="m%", table_name_pattern="cli_ks")
    assert (summary.full_name, summary.table_type) == (name, uc.TableType.EXTERNAL)
    w.tables.update(name, owner=w.current_user.me().user_name)


@step
def models_are_managed():
    made = w.registered_models.create(catalog_name=CATALOG, schema_name="ml", name="ranker", comment="ranks")
    assert made.full_name == MODEL
    assert w.registered_models.get(MODEL, include_aliases=True).comment == "ranks"
    assert MODEL in {row.full_name for row in w.registered_models.list()}
    assert [row.name for row in w.registered_models.list(catalog_name=CATALOG, schema_name="ml")] == ["ranker"]
    assert w.registered_models.update(MODEL, comment="r").comment == "r"
    assert list(w.model_versions.list(MODEL)) == []
    made = w.api_client.do(
        "POST",
        "/api/2.1/unity-catalog/models/versions",
        body={"catalog_name": CATALOG, "schema_name": "ml", "model_name": "ranker", "source": "/tmp/x"},
    )
    (version,) = w.model_versions.list(MODEL)
    assert (version.version, version.status) == (made["version"], uc.ModelVersionInfoStatus.PENDING_REGISTRATION)
    assert w.model_versions.update(MODEL, 1, comment="first").comment == "first"
    assert w.model_versions.get(MODEL, 1).comment == "first"
    alias = w.registered_models.set_alias(MODEL, "champion", 1)
    assert (alias.alias_name, alias.version_num) == ("champion", 1)
    assert w.model_versions.get_by_alias(MODEL, "champion").version == 1
    assert [one.alias_name for one in w.model_versions.get(MODEL, 1, include_aliases=True).aliases] == ["champion"]
    w.registered_models.delete_alias(MODEL, "champion")
    refused(NotFound, lambda: w.model_versions.get_by_alias(MODEL, "champion"))
    refused(NotFound, lambda: w.model_versions.get(MODEL, 7))


def membership(op, principal_id):
    value = [{"value": principal_id}]
    w.groups.patch(state["group"], operations=[iam.Patch(op=op, path="members", value=value)])


@step
def grants_open_and_close():
    for kind in ("FUNCTION", "registered_model", "MODEL", str(uc.SecurableType.FUNCTION)):
        assert w.grants.get(kind, MODEL).privilege_assignments in (None, [])
    robot, crew = as_robot(), f"crew {CATALOG}"
    membership(iam.PatchOp.ADD, state["robot"])
    refused(NotFound, lambda: robot.registered_models.get(MODEL), "does not exist")
    use = [uc.Privilege.USE_CATALOG, uc.Privilege.USE_SCHEMA, uc.Privilege.EXECUTE]
    change = uc.PermissionsChange(principal=crew, add=use)
    done = w.grants.update(uc.SecurableType.CATALOG.value, CATALOG, changes=[change])
    assert [row.principal for row in done.privilege_assignments] == [crew]
    assert robot.registered_models.get(MODEL).name == "ranker"
    refused(PermissionDenied, lambda: robot.registered_models.delete(MODEL), "ownership")
    (direct,) = w.grants.list("CATALOG", CATALOG)
    assert set(direct.privileges) == set(use)
    (effective,) = w.grants.list_effective("FUNCTION", MODEL, principal=state["robot_app"])
    inherited = {one.privilege: one.inherited_from_name for one in effective.privileges}
    assert inherited[uc.Privilege.EXECUTE] == CATALOG
    (got,) = w.grants.get_effective("FUNCTION", MODEL, principal=state["robot_app"]).privilege_assignments
    assert {one.privilege for one in got.privileges} == set(inherited)
    membership(iam.PatchOp.REMOVE, state["robot"])
    refused(NotFound, lambda: robot.registered_models.get(MODEL))
    membership(iam.PatchOp.ADD, state["robot"])
    assert robot.registered_models.get(MODEL).name == "ranker"
    w.grants.update("CATALOG", CATALOG, changes=[uc.PermissionsChange(principal=crew, remove=use)])
    refused(NotFound, lambda: robot.registered_models.get(MODEL))
    assert list(w.grants.list("CATALOG", CATALOG)) == []
    refused(InvalidParameterValue, lambda: w.grants.get("VOLUME", MODEL), "securable type")


@step
def entities_are_tagged():
    tags = w.entity_tag_assignments
    for kind, name in (
        ("catalogs", CATALOG),
        ("schemas", f"{CATALOG}.ml"),
        ("tables", f"{CATALOG}.ml.clicks"),
        ("models", MODEL),
    ):
        made = tags.create(uc.EntityTagAssignment(entity_type=kind, entity_name=name, tag_key="team", tag_value="a"))
        assert made.update_time
        assert tags.get(kind, name, "team").tag_value == "a"
        new = uc.EntityTagAssignment(entity_type=kind, entity_name=name, tag_key="team", tag_value="b")
        assert tags.update(kind, name, "team", new, "tag_value").tag_value == "b"
        assert [(row.tag_key, row.tag_value) for row in tags.list(kind, name)] == [("team", "b")]
        refused(ResourceAlreadyExists, lambda new=new: tags.create(new))
        tags.delete(kind, name, "team")
        refused(NotFound, lambda kind=kind, name=name: tags.get(kind, name, "team"))


@step
def tags_are_governed():
    key = f"stage_{CATALOG}"
    policy = w.tag_policies.create_tag_policy(TagPolicy(tag_key=key, values=[Value(name="gold")]))
    state["policy_id"] = policy.id
    assert [value.name for value in w.tag_policies.get_tag_policy(key).values] == ["gold"]
    assert key in {row.tag_key for row in w.tag_policies.list_tag_policies()}
    tags = w.entity_tag_assignments
    tag = uc.EntityTagAssignment(entity_type="catalogs", entity_name=CATALOG, tag_key=key, tag_value="tin")
    refused(InvalidParameterValue, lambda: tags.create(tag), "gold")
    tag.tag_value = "gold"
    crew = f"crew {CATALOG}"
    give = [uc.Privilege.APPLY_TAG, uc.Privilege.USE_CATALOG]
    w.grants.update("CATALOG", CATALOG, changes=[uc.PermissionsChange(principal=crew, add=give)])
    robot = as_robot()
    refused(PermissionDenied, lambda: robot.entity_tag_assignments.create(tag), "tagPolicy.assigner")
    rules, name = (
        w.account_access_control_proxy,
        f"accounts/{w.config.account_id}/tagPolicies/{policy.id}/ruleSets/default",
    )
    etag = rules.get_rule_set(name, "").etag
    rule = iam.GrantRule(role="roles/tagPolicy.assigner", principals=[f"groups/{crew}"])
    rules.update_rule_set(name, iam.RuleSetUpdateRequest(name=name, etag=etag, grant_rules=[rule]))
    assert robot.entity_tag_assignments.create(tag).tag_value == "gold"
    changed = w.tag_policies.update_tag_policy(key, TagPolicy(tag_key=key, description="d"), "description")
    assert (changed.description, len(changed.values)) == ("d", 1)
    w.tag_policies.delete_tag_policy(key)
    refused(NotFound, lambda: w.tag_policies.get_tag_policy(key))


@step
def experiments_have_permissions():
    made = w.experiments.create_experiment(f"/Shared/{CATALOG}")
    entry = iam.AccessControlRequest(group_name=f"crew {CATALOG}", permission_level=iam.PermissionLevel.CAN_READ)
    w.permissions.update("experiments", made.experiment_id, access_control_list=[entry])
    held = w.permissions.get("experiments", made.experiment_id).access_control_list
    assert f"crew {CATALOG}" in {row.group_name for row in held}
    assert w.permissions.get_permission_levels("experiments", made.experiment_id).permission_levels


@step
def the_account_is_the_workspace():
    account = AccountClient(host=HOST, account_id=w.config.account_id, token=ADMIN_TOKEN)
    assert account.users.get(state["person"]).user_name == PERSON
    assert account.groups_v2.get(state["group"]).display_name == f"crew {CATALOG}"
    assert [row.id for row in account.service_principal_secrets.list(state["robot"])] == [state["robot_secret_id"]]


@step
def an_unknown_api_is_not_found():
    refused(NotFound, lambda: w.clusters.get("x"), "No API")
    refused(DatabricksError, lambda: as_robot().clusters.get("x"))


@step
def what_is_taken_from_a_service_principal_is_refused_at_once():
    second = w.service_principal_secrets_proxy.create(state["robot"])
    other = WorkspaceClient(host=HOST, client_id=state["robot_app"], client_secret=second.secret)
    first = as_robot()
    assert first.current_user.me().id == other.current_user.me().id == state["robot"]
    w.service_principal_secrets_proxy.delete(state["robot"], state["robot_secret_id"])
    refused(Unauthenticated, first.current_user.me)
    refused(ValueError, as_robot().current_user.me, "invalid_client")
    assert other.current_user.me().id == state["robot"]
    w.service_principals.patch(
        state["robot"], operations=[iam.Patch(op=iam.PatchOp.REPLACE, path="active", value=False)]
    )
    refused(Unauthenticated, other.current_user.me)
    w.service_principals.update(state["robot"], active=True, display_name="robot")
    assert other.current_user.me().id == state["robot"]
    w.service_principals.delete(state["robot"])
    refused(Unauthenticated, other.current_user.me)


@step
def everything_goes():
    w.model_versions.delete(MODEL, 1)
    w.registered_models.delete(MODEL)
    w.tables.delete(f"{CATALOG}.ml.clicks")
    refused(ResourceConflict, lambda: w.catalogs.delete(CATALOG), "not empty")
    w.schemas.delete(f"{CATALOG}.ml")
    w.catalogs.delete(CATALOG, force=True)
    refused(NotFound, lambda: w.catalogs.get(CATALOG))
    w.groups.delete(state["group"])
    w.users.delete(state["person"])
    refused(NotFound, lambda: w.users.get(state["person"]))
    assert w.users.create(user_name=PERSON).id != state["person"]


def main() -> int:
    failed = 0
    for function in steps:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                function()
        except BaseException:  # every step is told of, whatever it raises
            traceback.print_exc()
            failed += 1
            print("failed", function.__name__, flush=True)
        else:
            print("ok", function.__name__, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
