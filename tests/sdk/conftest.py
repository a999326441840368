"""Callers of the workspace APIs, and a service principal with a secret."""

import json
from dataclasses import dataclass

import pytest
from django.test import Client

from registry.models import Principal
from registry.services.principals import create_service_principal
from registry.services.service_principal_secrets import NewSecret, create_secret
from registry.services.tokens import create_token


class Api:
    """JSON in, JSON out; remembers the status of the last answer."""

    def __init__(self, token: str = "") -> None:
        self.client = Client(**({"HTTP_AUTHORIZATION": f"Bearer {token}"} if token else {}))
        self.status = 0

    def __call__(self, method: str, path: str, body: object = None, **query: object) -> dict:
        data = b"" if body is None else json.dumps(body).encode()
        response = self.client.generic(
            method, path, data, content_type="application/json", query_params=query or None
        )
        self.status = response.status_code
        if not response.content:
            return {}
        assert response["Content-Type"].startswith("application/json"), response.content[:200]
        return json.loads(response.content)


@pytest.fixture(autouse=True)
def _static_files_on_demand(settings):
    """Every new client builds the middleware anew: do not read every package's static files each time."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture
def api(people):
    """Opens the API as one of the fixed people."""

    def calls_as(who: str) -> Api:
        return Api(create_token(actor=getattr(people, who)).value)

    return calls_as


@dataclass
class Robot:
    """A service principal and its first secret."""

    principal: Principal
    secret: NewSecret

    @property
    def client_id(self) -> str:
        return self.principal.name


@pytest.fixture
def robot(people) -> Robot:
    admin = people.metastore_admin
    principal = create_service_principal(actor=admin, display_name="robot")
    return Robot(principal, create_secret(actor=admin, principal_id=principal.pk))
