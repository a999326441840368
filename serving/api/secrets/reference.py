"""What these calls take and answer, for the OpenAPI document. Tests hold real answers against it."""

from registry.api.openapi.dialects import Call, Dialect
from registry.api.openapi.shapes import EMPTY, MILLIS, TEXT, choice, fields, listed, noted
from serving.models import SecretLevel

_SCOPE = {"scope": TEXT}
_SECRET = {**_SCOPE, "key": TEXT}
_WHO = {**_SCOPE, "principal": TEXT}
_ACL = fields({"principal": TEXT, "permission": choice(*SecretLevel.values)})
_P = "/api/2.0/secrets"

DIALECT = Dialect(
    slug="secrets",
    title="Secrets",
    text="Values for served models: they go in and never come out.",
    paths={
        f"{_P}/scopes/create": {
            "POST": Call(
                "create_scope",
                EMPTY,
                body=fields(
                    _SCOPE,
                    initial_manage_principal=noted(TEXT, "users: everybody may manage it."),
                    scope_backend_type=TEXT,
                ),
                errors=(501,),
            )
        },
        f"{_P}/scopes/list": {
            "GET": Call("list_scopes", fields({"scopes": listed(fields({"name": TEXT, "backend_type": TEXT}))}))
        },
        f"{_P}/scopes/delete": {"POST": Call("delete_scope", EMPTY, body=fields(_SCOPE))},
        f"{_P}/put": {
            "POST": Call(
                "put_secret",
                EMPTY,
                body=fields(_SECRET, string_value=TEXT, bytes_value=noted(TEXT, "Bytes in base64.")),
            )
        },
        f"{_P}/delete": {"POST": Call("delete_secret", EMPTY, body=fields(_SECRET))},
        f"{_P}/list": {
            "GET": Call(
                "list_secrets",
                fields({"secrets": listed(fields({"key": TEXT, "last_updated_timestamp": MILLIS}))}),
                query=_SCOPE,
                needs=("scope",),
            )
        },
        f"{_P}/get": {"GET": Call("get_secret", EMPTY, query=_SECRET, needs=("scope", "key"))},
        f"{_P}/acls/put": {
            "POST": Call("put_acl", EMPTY, body=fields({**_WHO, "permission": choice(*SecretLevel.values)}))
        },
        f"{_P}/acls/get": {"GET": Call("get_acl", _ACL, query=_WHO, needs=("scope", "principal"))},
        f"{_P}/acls/list": {
            "GET": Call("list_acls", fields({"items": listed(_ACL)}), query=_SCOPE, needs=("scope",))
        },
        f"{_P}/acls/delete": {"POST": Call("delete_acl", EMPTY, body=fields(_WHO))},
    },
)
