"""The paths of OAuth, each with and without a trailing slash; secrets also below an account: there is one."""

from django.urls import re_path

from registry.api.oauth.secrets import Secret, Secrets
from registry.api.oauth.token import metadata, token
from registry.api.wire import not_found

_SECRETS = r"^api/2\.0/accounts/(?:[^/]+/)?servicePrincipals/(?P<principal_id>[^/]+)/credentials/secrets"

urlpatterns = [
    re_path(r"^oidc/\.well-known/oauth-authorization-server/?$", metadata),
    re_path(r"^oidc/v1/token/?$", token),
    re_path(r"^oidc(?:/|$)", not_found),
    re_path(_SECRETS + r"/?$", Secrets.as_view()),
    re_path(_SECRETS + r"/(?P<secret_id>[^/]+)/?$", Secret.as_view()),
]
