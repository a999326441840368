"""The paths of this dialect, each with and without a trailing slash; SCIM also below an account: there is one."""

from django.urls import re_path

from registry.api.identity import tokens
from registry.api.identity.groups import Group, Groups
from registry.api.identity.service_principals import ServicePrincipal, ServicePrincipals
from registry.api.identity.service_provider import ResourceTypes, ServiceProviderConfig
from registry.api.identity.users import Me, User, Users
from registry.api.identity.workspace_conf import WorkspaceConf

_SCIM = r"(?:preview|accounts/[^/]+)/scim/v2/"
_ID = r"(?P<principal_id>[^/]+)"

urlpatterns = [
    re_path(r"^api/2\.0/" + path + r"/?$", view.as_view())
    for path, view in [
        (f"{_SCIM}Me", Me),
        (f"{_SCIM}Users", Users),
        (f"{_SCIM}Users/{_ID}", User),
        (f"{_SCIM}Groups", Groups),
        (f"{_SCIM}Groups/{_ID}", Group),
        (f"{_SCIM}ServicePrincipals", ServicePrincipals),
        (f"{_SCIM}ServicePrincipals/{_ID}", ServicePrincipal),
        (f"{_SCIM}ServiceProviderConfig", ServiceProviderConfig),
        (f"{_SCIM}ResourceTypes", ResourceTypes),
        ("token/create", tokens.Create),
        ("token/list", tokens.List),
        ("token/delete", tokens.Delete),
        (r"token/(?P<token_id>[^/]+)", tokens.Update),
        ("token-management/tokens", tokens.Manage),
        (r"token-management/tokens/(?P<token_id>[^/]+)", tokens.ManageOne),
        ("token-management/on-behalf-of/tokens", tokens.OnBehalf),
        ("workspace-conf", WorkspaceConf),
    ]
]
