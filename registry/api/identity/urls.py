"""The paths of this dialect, each with and without a trailing slash."""

from django.urls import re_path

from registry.api.identity import tokens
from registry.api.identity.groups import Group, Groups
from registry.api.identity.service_principals import ServicePrincipal, ServicePrincipals
from registry.api.identity.users import Me, User, Users

_ID = r"(?P<principal_id>[^/]+)"

urlpatterns = [
    re_path(r"^api/2\.0/" + path + r"/?$", view.as_view())
    for path, view in [
        ("preview/scim/v2/Me", Me),
        ("preview/scim/v2/Users", Users),
        (f"preview/scim/v2/Users/{_ID}", User),
        ("preview/scim/v2/Groups", Groups),
        (f"preview/scim/v2/Groups/{_ID}", Group),
        ("preview/scim/v2/ServicePrincipals", ServicePrincipals),
        (f"preview/scim/v2/ServicePrincipals/{_ID}", ServicePrincipal),
        ("token/create", tokens.Create),
        ("token/list", tokens.List),
        ("token/delete", tokens.Delete),
        ("token-management/tokens", tokens.Manage),
    ]
]
