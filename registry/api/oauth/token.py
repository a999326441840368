"""The token endpoint, and the document that leads to it. Both are open: the client secret is the credential."""

import base64
import binascii
import json
from collections.abc import Mapping

from django.http import HttpRequest, JsonResponse
from django.utils.datastructures import MultiValueDict
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters

from registry.api.discovery import oauth_document
from registry.api.request_context import context_of
from registry.api.wire import check_text, error_response, not_found
from registry.errors import InvalidParameter, Unauthenticated
from registry.services.access_tokens import WAIT, TooManyFailures, issue_access_token

_SCOPE = "all-apis"
_SCOPES = {_SCOPE, "offline_access"}


class OAuthError(Exception):
    """A refusal in the words of RFC 6749, section 5.2."""

    def __init__(self, code: str, description: str, *, status: int = 400) -> None:
        super().__init__(description)
        self.code, self.description, self.status = code, description, status


def metadata(request: HttpRequest) -> JsonResponse:
    """GET /oidc/.well-known/oauth-authorization-server."""
    if request.method not in {"GET", "HEAD"}:
        return not_found(request)
    return JsonResponse(oauth_document(scheme=request.scheme or "http", host=request.get_host()))


@csrf_exempt  # Another site's form would have to know the secret.
@sensitive_post_parameters("client_secret")
def token(request: HttpRequest) -> JsonResponse:
    """POST /oidc/v1/token: client id and secret for an access token."""
    try:
        response = JsonResponse(_exchange(request))
    except OAuthError as error:
        response = _refusal(error)
    except Unauthenticated as error:
        response = _refusal(OAuthError("invalid_client", error.message, status=401))
    except TooManyFailures as error:
        response = _refusal(OAuthError("invalid_client", error.message, status=429))
        response["Retry-After"] = str(int(WAIT.total_seconds()))
    except Exception as error:  # noqa: BLE001  (every error leaves in OAuth's shape)
        response = _failure(error)
    response["Cache-Control"], response["Pragma"] = "no-store", "no-cache"
    return response


def _refusal(error: OAuthError) -> JsonResponse:
    response = JsonResponse({"error": error.code, "error_description": error.description}, status=error.status)
    if error.status == 401:
        response["WWW-Authenticate"] = 'Basic realm="modelkeep"'
    return response


def _failure(error: Exception) -> JsonResponse:
    response = error_response(error)
    told = {503: "temporarily_unavailable", 400: "invalid_request"}.get(response.status_code, "server_error")
    body = {"error": told, "error_description": json.loads(response.content)["message"]}
    response.content = json.dumps(body).encode()
    return response


def _exchange(request: HttpRequest) -> dict[str, object]:
    if request.method != "POST":
        raise OAuthError("invalid_request", "Send a POST.", status=405)
    form = _form(request)
    grant = form.get("grant_type", "")
    if grant != "client_credentials":
        raise OAuthError("unsupported_grant_type", f"'grant_type' is '{grant}': use client_credentials.")
    unknown = set(form.get("scope", "").split()) - _SCOPES
    if unknown:
        raise OAuthError("invalid_scope", f"There is no scope '{min(unknown)}': use {_SCOPE}.")
    for narrowing in ("assume_group", "authorization_details"):
        if form.get(narrowing):
            # Left aside, they would give a token that may do more than was asked for.
            raise OAuthError("invalid_request", f"'{narrowing}' is not supported: leave it away.")
    client_id, client_secret = _credential(request, form)
    given = issue_access_token(client_id=client_id, client_secret=client_secret, context=context_of(request))
    return {
        "access_token": given.value,
        "token_type": "Bearer",
        "expires_in": given.expires_in,
        "scope": _SCOPE,
    }


def _form(request: HttpRequest) -> Mapping[str, str]:
    """The fields of a form, each once; those in the query do not count, for addresses are logged."""
    posted: MultiValueDict[str, str] = request.POST
    if any(len(values) > 1 for _, values in posted.lists()):
        raise OAuthError("invalid_request", "Send each field once.")
    form = {key: str(value) for key, value in posted.items()}
    try:
        check_text(form)
    except InvalidParameter as error:
        raise OAuthError("invalid_request", error.message) from error
    return form


def _credential(request: HttpRequest, form: Mapping[str, str]) -> tuple[str, str]:
    """Client id and secret, from the Authorization header or else from the form."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            text = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError, ValueError) as error:
            raise OAuthError("invalid_client", "The Basic credential cannot be read.", status=401) from error
        client_id, _, client_secret = text.partition(":")
    else:
        client_id, client_secret = form.get("client_id", ""), form.get("client_secret", "")
    if not client_id or not client_secret or "\x00" in client_id + client_secret:
        raise OAuthError(
            "invalid_client", "Send client id and client secret by HTTP Basic or in the form.", status=401
        )
    return client_id, client_secret
