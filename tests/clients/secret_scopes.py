"""Secrets through a stock databricks-sdk. Prints a line for each step."""

import sys

from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import DatabricksError, NotFound, ResourceAlreadyExists
from databricks.sdk.service.workspace import AclPermission, ScopeBackendType

scope, group = sys.argv[1:3]
w = WorkspaceClient()


def ok(step):
    print("ok", step, flush=True)


def refused(error, call):
    try:
        call()
    except error as raised:
        return str(raised)
    raise AssertionError("was not refused")


w.secrets.create_scope(scope)
refused(ResourceAlreadyExists, lambda: w.secrets.create_scope(scope))
listed = {one.name: one.backend_type for one in w.secrets.list_scopes()}
assert listed[scope] == ScopeBackendType.DATABRICKS, listed
ok("scopes")

w.secrets.put_secret(scope, "text", string_value="hunter22")
w.secrets.put_secret(scope, "bytes", bytes_value="AP8=")
found = {one.key: one.last_updated_timestamp for one in w.secrets.list_secrets(scope)}
assert set(found) == {"text", "bytes"}, found
assert all(stamp > 1_700_000_000_000 for stamp in found.values()), found
ok("secrets")

assert "never shown" in refused(DatabricksError, lambda: w.secrets.get_secret(scope, "text"))
ok("never shown")

w.secrets.put_acl(scope, group, AclPermission.READ)
assert w.secrets.get_acl(scope, group).permission == AclPermission.READ
levels = {one.principal: one.permission for one in w.secrets.list_acls(scope)}
assert levels == {w.current_user.me().user_name: AclPermission.MANAGE, group: AclPermission.READ}, levels
w.secrets.delete_acl(scope, group)
refused(NotFound, lambda: w.secrets.get_acl(scope, group))
ok("access lists")

w.secrets.delete_secret(scope, "bytes")
refused(NotFound, lambda: w.secrets.delete_secret(scope, "bytes"))
w.secrets.delete_scope(scope)
refused(NotFound, lambda: list(w.secrets.list_secrets(scope)))
ok("deleted")
