"""What OAuth's calls take and answer, and discovery, for the OpenAPI document. Tests hold real answers against it."""

from registry.api.openapi.dialects import Call, Dialect
from registry.api.openapi.shapes import (
    EMPTY,
    MOMENT,
    PAGE,
    TEXT,
    WHOLE,
    Named,
    Schema,
    choice,
    fields,
    listed,
    noted,
    page_of,
)

OAUTH_ERROR = Named("OAuthError", fields({"error": noted(TEXT, "RFC 6749, section 5.2."), "error_description": TEXT}))
_SECRET_FIELDS: dict[str, Schema] = {
    "id": TEXT,
    "secret_hash": TEXT,
    "status": choice("ACTIVE", "EXPIRED"),
    "create_time": MOMENT,
    "update_time": MOMENT,
    "expire_time": MOMENT,
}
SECRET = Named("Secret", fields(_SECRET_FIELDS))
_METADATA = fields(
    {
        "issuer": TEXT,
        "authorization_endpoint": TEXT,
        "token_endpoint": TEXT,
        "grant_types_supported": listed(TEXT),
        "response_types_supported": listed(TEXT),
        "scopes_supported": listed(TEXT),
        "token_endpoint_auth_methods_supported": listed(TEXT),
    }
)
_DISCOVERY = fields({"oidc_endpoint": TEXT, "workspace_id": TEXT, "account_id": TEXT, "cloud": TEXT})
_TOKEN = fields({"access_token": TEXT, "token_type": choice("Bearer"), "expires_in": WHOLE, "scope": TEXT})

_SECRETS = "/api/2.0/accounts/servicePrincipals/{principal_id}/credentials/secrets"

DIALECT = Dialect(
    slug="oauth",
    title="OAuth and discovery",
    text="Access tokens for service principals by client credentials, their secrets, and where clients find them.",
    parts={
        "principal_id": noted(TEXT, "The service principal's id in SCIM.", examples=["1"]),
        "secret_id": {"type": "string", "format": "uuid"},
        "account": noted(TEXT, "Any: one installation is one account.", examples=["any"]),
    },
    spellings=(("/api/2.0/accounts/servicePrincipals/", "/api/2.0/accounts/{account}/servicePrincipals/"),),
    paths={
        "/.well-known/databricks-config": {
            "GET": Call(
                "discovery",
                _DISCOVERY,
                open=True,
                summary="Where OAuth lives, and which workspace this is",
                passed_on=True,
            )
        },
        "/oidc/.well-known/oauth-authorization-server": {
            "GET": Call(
                "metadata",
                _METADATA,
                open=True,
                summary="The metadata of the authorization server (RFC 8414)",
            )
        },
        "/oidc/v1/token": {
            "POST": Call(
                "token",
                _TOKEN,
                body=fields(
                    {"grant_type": choice("client_credentials")}, scope=TEXT, client_id=TEXT, client_secret=TEXT
                ),
                body_type="application/x-www-form-urlencoded",
                error=OAUTH_ERROR,
                errors=(401, 429),
                open=True,
                summary="Exchange client id and secret for an access token",
                text="Send client id and secret by HTTP Basic or in the form.",
            )
        },
        _SECRETS: {
            "GET": Call(
                "list_secrets",
                page_of("secrets", SECRET),
                query={"page_size": PAGE["max_results"], "page_token": PAGE["page_token"]},
            ),
            "POST": Call(
                "create_secret",
                fields({**_SECRET_FIELDS, "secret": noted(TEXT, "The secret. It is shown this once.")}),
                body=fields(lifetime=noted(TEXT, "Seconds.", examples=["3600s"]), scopes=listed(TEXT)),
            ),
        },
        f"{_SECRETS}/{{secret_id}}": {"DELETE": Call("delete_secret", EMPTY)},
    },
)
