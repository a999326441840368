"""Tags as assignments, and governed tags: allowed values, and who may set them, through every door."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registry.models import AuditEvent
from registry.privileges import Privilege, SecurableType
from registry.services import catalogs, grants, registered_models, schemas, tables
from registry.services.grants import Change
from registry.services.tables import NewTable

TAGS = "/api/2.1/unity-catalog/entity-tag-assignments"
POLICIES = "/api/2.1/tag-policies"
RULES = "/api/2.0/preview/accounts/access-control/rule-sets"


@pytest.fixture
def tree(people):
    """`prod.ml` with a model and a table, all of which the owner may tag by APPLY_TAG on the catalog."""
    admin = people.metastore_admin
    catalogs.create_catalog(actor=admin, name="prod")
    schemas.create_schema(actor=admin, catalog="prod", name="ml")
    registered_models.create_model(actor=admin, name="prod.ml.ranker", tags={"task": "ranking"})
    tables.create_table(actor=admin, catalog="prod", schema="ml", name="clicks", new=NewTable())
    rights = (Privilege.USE_CATALOG, Privilege.USE_SCHEMA, Privilege.APPLY_TAG, Privilege.BROWSE)
    change = Change("owner@example.com", add=rights)
    grants.update_grants(actor=admin, type_=SecurableType.CATALOG, full_name="prod", changes=[change])


ENTITIES = {"catalogs": "prod", "schemas": "prod.ml", "tables": "prod.ml.clicks", "models": "prod.ml.ranker"}


@pytest.mark.parametrize("kind", ENTITIES)
def test_a_tag_from_birth_to_death(api, tree, kind):
    owner, name = api("owner"), ENTITIES[kind]
    body = {"entity_type": kind, "entity_name": name, "tag_key": "team", "tag_value": "growth"}
    made = owner("POST", TAGS, body)
    assert owner.status == 200, made
    assert (made["tag_value"], made["updated_by"]) == ("growth", "owner@example.com")
    assert made["update_time"].endswith("Z")
    assert owner("POST", TAGS, body)["error_code"] == "RESOURCE_ALREADY_EXISTS"
    one = f"{TAGS}/{kind}/{name}/tags/team"
    changed = owner("PATCH", one, {"tag_value": "core"}, update_mask="tag_value")
    assert owner("GET", one) == changed
    assert changed["tag_value"] == "core"
    assert "team" in {tag["tag_key"] for tag in owner("GET", f"{TAGS}/{kind}/{name}/tags/")["tag_assignments"]}
    assert owner("DELETE", one) == {}
    for method, body in (("GET", None), ("PATCH", {"tag_value": "x"}), ("DELETE", None)):
        assert owner(method, one, body)["error_code"] == "RESOURCE_DOES_NOT_EXIST"


def test_a_model_has_the_same_tags_in_every_dialect(api, tree):
    owner = api("owner")
    names = {tag["tag_key"] for tag in owner("GET", f"{TAGS}/functions/prod.ml.ranker/tags")["tag_assignments"]}
    assert names == {"task"}
    mlflow = owner("GET", "/api/2.0/mlflow/unity-catalog/registered-models/get", name="prod.ml.ranker")
    assert mlflow["registered_model"]["tags"] == [{"key": "task", "value": "ranking"}]


def test_lists_of_tags_are_paged(api, tree):
    owner = api("owner")
    for number in range(4):
        owner("POST", TAGS, {"entity_type": "catalogs", "entity_name": "prod", "tag_key": f"k{number}"})
    seen, token = [], ""
    while True:
        page = owner("GET", f"{TAGS}/catalogs/prod/tags", max_results=3, page_token=token)
        seen += [tag["tag_key"] for tag in page["tag_assignments"]]
        token = page["next_page_token"]
        if not token:
            break
    assert seen == ["k0", "k1", "k2", "k3"]


def test_who_may_not_tag(api, tree):
    outsider, reader = api("outsider"), api("reader")
    for method, path, body in (
        ("GET", "/catalogs/prod/tags", None),
        ("POST", "", {"entity_type": "catalogs", "entity_name": "prod", "tag_key": "x"}),
        ("DELETE", "/models/prod.ml.ranker/tags/task", None),
    ):
        outsider(method, TAGS + path, body)
        assert outsider.status == 404
    reader("GET", f"{TAGS}/columns/prod.ml.clicks.id/tags")
    assert reader.status == 400
    admin = api("metastore_admin")
    assert (
        "cannot be tagged"
        in admin(
            "PATCH",
            "/api/2.1/unity-catalog/securable-tags/METASTORE/metastore",
            {"changes": {"add_tags": [{"key": "x", "value": "y"}]}},
        )["message"]
    )


@pytest.fixture
def policy(api) -> dict:
    body = {"tag_key": "stage", "description": "Where it stands.", "values": [{"name": "gold"}, {"name": "silver"}]}
    return api("metastore_admin")("POST", POLICIES, body)


def rule_set(policy: dict) -> str:
    return f"accounts/any/tagPolicies/{policy['id']}/ruleSets/default"


def assign(api_, policy, *principals: str, role: str = "assigner") -> dict:
    name = rule_set(policy)
    etag = api_("GET", RULES, name=name, etag="")["etag"]
    rules = [{"role": f"roles/tagPolicy.{role}", "principals": list(principals)}]
    return api_("PUT", RULES, {"name": name, "rule_set": {"name": name, "etag": etag, "grant_rules": rules}})


def test_a_policy_from_birth_to_death(api, policy):
    admin, reader = api("metastore_admin"), api("reader")
    assert reader("GET", f"{POLICIES}/stage") == policy
    assert reader("GET", POLICIES)["tag_policies"] == [policy]
    assert admin("POST", POLICIES, {"tag_key": "stage"})["error_code"] == "RESOURCE_ALREADY_EXISTS"
    changed = admin(
        "PATCH", f"{POLICIES}/stage", {"tag_key": "stage", "values": [{"name": "gold"}]}, update_mask="values"
    )
    assert (changed["description"], changed["values"]) == ("Where it stands.", [{"name": "gold"}])
    whole = admin("PATCH", f"{POLICIES}/stage", {"description": "x"}, update_mask="*")
    assert (whole["description"], whole["values"]) == ("x", [])
    assert admin("DELETE", f"{POLICIES}/stage") == {}
    assert admin("GET", f"{POLICIES}/stage")["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    actions = AuditEvent.objects.filter(securable_type="TAG_POLICY").values_list("action", flat=True)
    assert {"createTagPolicy", "updateTagPolicy", "deleteTagPolicy"} <= set(actions)


@pytest.mark.parametrize(
    "body",
    [
        {"tag_key": "a.b"},
        {"tag_key": "k", "values": ["gold"]},
        {"tag_key": "k", "values": [{"name": ""}]},
        {"tag_key": "k", "values": [{"name": "a"}, {"name": "a"}]},
        {"tag_key": "k", "values": [{"name": str(number)} for number in range(501)]},
        {"tag_key": "k", "description": "x" * 2000},
        {},
    ],
)
def test_what_a_policy_cannot_be(api, body):
    admin = api("metastore_admin")
    assert admin("POST", POLICIES, body)["error_code"] == "INVALID_PARAMETER_VALUE"


def test_only_administrators_and_managers_manage(api, policy):
    reader, admin = api("reader"), api("metastore_admin")
    reader("POST", POLICIES, {"tag_key": "other"})
    assert reader.status == 403
    for method, path, body in (
        ("PATCH", f"{POLICIES}/stage", {"description": "x"}),
        ("DELETE", f"{POLICIES}/stage", None),
    ):
        assert "tagPolicy.manager" in reader(method, path, body)["message"]
    reader("GET", RULES, name=rule_set(policy), etag="")
    assert reader.status == 403
    assign(admin, policy, "users/reader@example.com", role="manager")
    reader("PATCH", f"{POLICIES}/stage", {"description": "x"})
    assert reader.status == 200
    roles = reader(
        "GET",
        "/api/2.0/preview/accounts/access-control/assignable-roles",
        resource=f"accounts/any/tagPolicies/{policy['id']}",
    )["roles"]
    assert {role["name"] for role in roles} == {"roles/tagPolicy.manager", "roles/tagPolicy.assigner"}


def test_a_governed_tag_is_set_by_its_assigners_with_its_values(api, tree, policy):
    owner, admin = api("owner"), api("metastore_admin")
    body = {"entity_type": "models", "entity_name": "prod.ml.ranker", "tag_key": "stage", "tag_value": "gold"}
    assert "tagPolicy.assigner" in owner("POST", TAGS, body)["message"]
    assert owner.status == 403
    assign(admin, policy, "users/owner@example.com")
    assert "'gold', 'silver'" in owner("POST", TAGS, {**body, "tag_value": "bronze"})["message"]
    assert owner.status == 400
    owner("POST", TAGS, body)
    assert owner.status == 200
    assign(admin, policy)
    assert owner("DELETE", f"{TAGS}/models/prod.ml.ranker/tags/stage")["error_code"] == "PERMISSION_DENIED"


def test_a_role_may_come_through_a_group(api, people, tree, policy):
    admin = people.metastore_admin
    change = Change(
        "stewards", add=(Privilege.USE_CATALOG, Privilege.USE_SCHEMA, Privilege.APPLY_TAG, Privilege.BROWSE)
    )
    grants.update_grants(actor=admin, type_=SecurableType.CATALOG, full_name="prod", changes=[change])
    assign(api("metastore_admin"), policy, "groups/stewards")
    steward = api("steward")
    steward("POST", TAGS, {"entity_type": "catalogs", "entity_name": "prod", "tag_key": "stage", "tag_value": "gold"})
    assert steward.status == 200


MLFLOW = "/api/2.0/mlflow/unity-catalog"
DOORS = {
    "mlflow": (
        "POST",
        f"{MLFLOW}/registered-models/set-tag",
        {"name": "prod.ml.ranker", "key": "stage", "value": "x"},
    ),
    "plain mlflow": (
        "POST",
        "/ajax-api/2.0/mlflow/registered-models/set-tag",
        {"name": "prod.ml.ranker", "key": "stage", "value": "x"},
    ),
    "native": (
        "PATCH",
        "/api/2.1/unity-catalog/securable-tags/FUNCTION/prod.ml.ranker",
        {"changes": {"add_tags": [{"key": "stage", "value": "x"}]}},
    ),
    "a new model": (
        "POST",
        f"{MLFLOW}/registered-models/create",
        {"name": "prod.ml.fresh", "tags": [{"key": "stage", "value": "x"}]},
    ),
}


@pytest.mark.parametrize("door", DOORS)
def test_no_door_goes_around_a_policy(api, people, tree, policy, door):
    admin, owner = api("metastore_admin"), api("owner")
    change = Change("owner@example.com", add=(Privilege.CREATE_MODEL,))
    grants.update_grants(
        actor=people.metastore_admin, type_=SecurableType.SCHEMA, full_name="prod.ml", changes=[change]
    )
    method, path, body = DOORS[door]
    owner(method, path, body)
    assert owner.status == 403
    admin(method, path, body)
    assert admin.status == 400


def test_rules_are_not_overwritten_unseen(api, policy):
    admin, name = api("metastore_admin"), rule_set(policy)
    etag = admin("GET", RULES, name=name, etag="")["etag"]
    done = assign(admin, policy, "users/reader@example.com")
    assert done["grant_rules"] == [{"role": "roles/tagPolicy.assigner", "principals": ["users/reader@example.com"]}]
    stale = {"name": name, "rule_set": {"name": name, "etag": etag, "grant_rules": []}}
    assert admin("PUT", RULES, stale)["error_code"] == "RESOURCE_CONFLICT"


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ([{"role": "roles/owner", "principals": []}], "role"),
        ([{"role": "roles/tagPolicy.assigner", "principals": ["reader@example.com"]}], "principal"),
        ([{"role": "roles/tagPolicy.assigner", "principals": ["users/nobody@example.com"]}], "rincipal"),
        ([{"role": "roles/tagPolicy.assigner", "principals": "users/x"}], "principals"),
        ("x", "grant_rules"),
    ],
)
def test_what_rules_cannot_be(api, policy, rules, field):
    admin, name = api("metastore_admin"), rule_set(policy)
    answer = admin("PUT", RULES, {"name": name, "rule_set": {"name": name, "etag": "1", "grant_rules": rules}})
    assert admin.status == 400
    assert field in answer["message"]
    for odd in ("accounts/a/groups/b/ruleSets/default", "accounts/a/tagPolicies/x/ruleSets/default"):
        admin("GET", RULES, name=odd, etag="")
        assert admin.status in {400, 404}


def test_tagging_costs_one_query_more_where_nothing_is_governed(api, tree):
    owner = api("owner")
    body = {"entity_type": "catalogs", "entity_name": "prod", "tag_key": "a"}
    owner("POST", TAGS, body)
    with CaptureQueriesContext(connection) as queries:
        owner("PATCH", f"{TAGS}/catalogs/prod/tags/a", {"tag_value": "b"})
    assert sum("registry_tagpolicy" in query["sql"] for query in queries) == 1
