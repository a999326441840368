"""What these calls take and answer, for the OpenAPI document. Tests hold real answers against it."""

from registry.api.identity.scim import CORE, MESSAGES
from registry.api.openapi.dialects import ERROR, Call, Dialect
from registry.api.openapi.shapes import (
    ANYTHING,
    EMPTY,
    FLAG,
    MILLIS,
    MOMENT,
    TEXT,
    WHOLE,
    Named,
    Schema,
    choice,
    fields,
    listed,
    noted,
    nullable,
    table_of,
)

SCIM_ERROR = Named(
    "ScimError",
    fields(
        {
            "schemas": listed(choice(f"{MESSAGES}:Error")),
            "detail": TEXT,
            "status": noted(TEXT, "The HTTP status, as text."),
            "scimType": noted(TEXT, "RFC 7644's word; empty where it has none."),
            "error_code": TEXT,
            "message": TEXT,
        }
    ),
)
_REFERENCE = Named("ScimReference", fields({"display": TEXT, "value": TEXT, "$ref": TEXT, "type": TEXT}))
_SCHEMAS = listed(TEXT)
_ID = noted(TEXT, "The principal's id.", examples=["1"])


def _resource(name: str, rest: dict[str, Schema]) -> Named:
    """A resource. A call may leave attributes out, so that only its id and schemas are always there."""
    return Named(name, fields({"schemas": _SCHEMAS, "id": _ID}, **rest))


USER = _resource(
    "ScimUser",
    {
        "userName": TEXT,
        "displayName": TEXT,
        "externalId": nullable(TEXT),
        "active": FLAG,
        "name": fields(givenName=TEXT, familyName=TEXT),
        "emails": listed(fields(value=TEXT, type=TEXT, primary=FLAG)),
        "groups": listed(_REFERENCE),
        "entitlements": listed(ANYTHING),
        "roles": listed(ANYTHING),
        "meta": fields(resourceType=TEXT, created=MOMENT),
    },
)
GROUP = _resource(
    "ScimGroup",
    {
        "displayName": TEXT,
        "externalId": nullable(TEXT),
        "members": listed(_REFERENCE),
        "groups": listed(_REFERENCE),
        "entitlements": listed(ANYTHING),
        "roles": listed(ANYTHING),
        "meta": fields(resourceType=TEXT),
    },
)
SERVICE_PRINCIPAL = _resource(
    "ScimServicePrincipal",
    {
        "applicationId": TEXT,
        "displayName": TEXT,
        "externalId": nullable(TEXT),
        "active": FLAG,
        "groups": listed(_REFERENCE),
        "entitlements": listed(ANYTHING),
        "roles": listed(ANYTHING),
    },
)
_PROJECTION: dict[str, Schema] = {
    "attributes": noted(TEXT, "Only these attributes, with commas between them."),
    "excludedAttributes": noted(TEXT, "All but these attributes."),
}
_LIST: dict[str, Schema] = {
    "filter": noted(TEXT, "Comparisons joined by and and or.", examples=['displayName co "team"']),
    "startIndex": noted(WHOLE, "The first to answer, counted from 1."),
    "count": WHOLE,
    "sortBy": TEXT,
    "sortOrder": choice("ascending", "descending"),
    **_PROJECTION,
}
_MEMBERS = listed(fields({"value": noted(TEXT, "The member's id.")}))
_PATCH = fields(
    {
        "Operations": listed(
            fields({"op": noted(TEXT, "add, remove or replace.", examples=["replace"])}, path=TEXT, value={})
        )
    },
    schemas=_SCHEMAS,
)
_NEW_USER = fields(
    {"userName": TEXT},
    displayName=TEXT,
    name=fields(givenName=TEXT, familyName=TEXT),
    externalId=TEXT,
    active=FLAG,
)
_NEW_GROUP = fields({"displayName": TEXT}, externalId=TEXT, members=_MEMBERS)
_NEW_SERVICE_PRINCIPAL = fields(displayName=TEXT, applicationId=TEXT, externalId=TEXT, active=FLAG)


def _list_of(resource: Named | Schema) -> dict[str, Schema]:
    return fields(
        {
            "schemas": _SCHEMAS,
            "totalResults": WHOLE,
            "startIndex": WHOLE,
            "itemsPerPage": WHOLE,
            "Resources": listed(resource),
        }
    )


def _crud(path: str, one: str, resource: Named, new: Schema) -> dict[str, dict[str, Call]]:
    shown = _PROJECTION
    return {
        f"{_SCIM}/{path}": {
            "GET": Call(f"list_{one}s", _list_of(resource), query=_LIST, error=SCIM_ERROR),
            "POST": Call(f"create_{one}", resource, query=shown, body=new, status=201, error=SCIM_ERROR),
        },
        f"{_SCIM}/{path}/{{principal_id}}": {
            "GET": Call(f"get_{one}", resource, query=shown, error=SCIM_ERROR),
            "PUT": Call(f"replace_{one}", resource, query=shown, body=new, error=SCIM_ERROR),
            "PATCH": Call(f"patch_{one}", resource, query=shown, body=_PATCH, error=SCIM_ERROR),
            "DELETE": Call(f"delete_{one}", None, status=204, error=SCIM_ERROR),
        },
    }


_TOKEN_FIELDS: dict[str, Schema] = {
    "token_id": TEXT,
    "comment": TEXT,
    "creation_time": MILLIS,
    "expiry_time": noted(WHOLE, "Milliseconds since 1970; -1 for a token without end."),
}
TOKEN = Named("Token", fields(_TOKEN_FIELDS))
MANAGED_TOKEN = Named(
    "ManagedToken",
    fields(
        {
            **_TOKEN_FIELDS,
            "owner_id": WHOLE,
            "created_by_id": nullable(WHOLE),
            "created_by_username": TEXT,
            "last_used_day": nullable(MILLIS),
        }
    ),
)
_VALUE = noted(TEXT, "The token. It is shown this once.")
_DESCRIPTION = fields({"token": fields(comment=TEXT), "update_mask": choice("comment", "*")})
_NEW_TOKEN: dict[str, Schema] = {
    "comment": TEXT,
    "lifetime_seconds": noted(WHOLE, "Nothing for a token without end, where settings allow that."),
}
_SETTINGS = table_of(TEXT)
_PROVIDER = fields(
    {
        "schemas": _SCHEMAS,
        "patch": fields({"supported": FLAG}),
        "bulk": fields({"supported": FLAG, "maxOperations": WHOLE, "maxPayloadSize": WHOLE}),
        "filter": fields({"supported": FLAG, "maxResults": WHOLE}),
        "changePassword": fields({"supported": FLAG}),
        "sort": fields({"supported": FLAG}),
        "etag": fields({"supported": FLAG}),
        "authenticationSchemes": listed(fields({"type": TEXT, "name": TEXT, "description": TEXT})),
    }
)
_RESOURCE_TYPE = fields({"schemas": _SCHEMAS, "id": TEXT, "name": TEXT, "endpoint": TEXT, "schema": TEXT})

_SCIM = "/api/2.0/preview/scim/v2"
_TOKENS = "/api/2.0/token"
_MANAGED = "/api/2.0/token-management"

DIALECT = Dialect(
    slug="identity",
    title="Identity: SCIM and tokens",
    text=f"Users, groups and service principals ({CORE}), personal access tokens, settings of the workspace.",
    parts={
        "principal_id": _ID,
        "token_id": {"type": "string", "format": "uuid"},
        "account": noted(TEXT, "Any: one installation is one account.", examples=["any"]),
    },
    error=ERROR,
    spellings=(("/api/2.0/preview/scim/v2/", "/api/2.0/accounts/{account}/scim/v2/"),),
    paths={
        f"{_SCIM}/Me": {"GET": Call("me", USER, query=_PROJECTION, error=SCIM_ERROR)},
        **_crud("Users", "user", USER, _NEW_USER),
        **_crud("Groups", "group", GROUP, _NEW_GROUP),
        **_crud("ServicePrincipals", "service_principal", SERVICE_PRINCIPAL, _NEW_SERVICE_PRINCIPAL),
        f"{_SCIM}/ServiceProviderConfig": {"GET": Call("service_provider_config", _PROVIDER, error=SCIM_ERROR)},
        f"{_SCIM}/ResourceTypes": {"GET": Call("resource_types", _list_of(_RESOURCE_TYPE), error=SCIM_ERROR)},
        f"{_TOKENS}/create": {
            "POST": Call(
                "create_token", fields({"token_value": _VALUE, "token_info": TOKEN}), body=fields(**_NEW_TOKEN)
            )
        },
        f"{_TOKENS}/list": {"GET": Call("list_tokens", fields({"token_infos": listed(TOKEN)}))},
        f"{_TOKENS}/delete": {"POST": Call("revoke_token", EMPTY, body=fields({"token_id": TEXT}))},
        f"{_TOKENS}/{{token_id}}": {
            "PATCH": Call("describe_token", fields({"token_info": TOKEN}), body=_DESCRIPTION)
        },
        f"{_MANAGED}/tokens": {
            "GET": Call(
                "list_managed_tokens",
                fields({"token_infos": listed(MANAGED_TOKEN)}),
                query={"created_by_id": WHOLE, "created_by_username": TEXT},
            )
        },
        f"{_MANAGED}/tokens/{{token_id}}": {
            "GET": Call("get_managed_token", fields({"token_info": MANAGED_TOKEN})),
            "PATCH": Call("describe_managed_token", MANAGED_TOKEN, body=_DESCRIPTION),
            "DELETE": Call("revoke_managed_token", EMPTY),
        },
        f"{_MANAGED}/on-behalf-of/tokens": {
            "POST": Call(
                "create_token_on_behalf",
                fields({"token_value": _VALUE, "token_info": MANAGED_TOKEN}),
                body=fields({"application_id": TEXT}, **_NEW_TOKEN),
            )
        },
        "/api/2.0/workspace-conf": {
            "GET": Call(
                "get_settings", _SETTINGS, query={"keys": noted(TEXT, "Names with commas.")}, needs=("keys",)
            ),
            "PATCH": Call("update_settings", _SETTINGS, body=table_of({"type": ["string", "boolean", "integer"]})),
        },
    },
)
