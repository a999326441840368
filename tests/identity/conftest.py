"""Callers of the identity API."""

import pytest
from django.test import Client

from registry.services.tokens import create_token


@pytest.fixture(autouse=True)
def _static_files_on_demand(settings):
    """Every new client builds the middleware anew: do not read every package's static files each time."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture
def caller(people):
    """Opens a client that sends the token of one of the fixed people."""

    def calls_as(who: str) -> Client:
        token = create_token(actor=getattr(people, who)).value
        return Client(HTTP_AUTHORIZATION=f"Bearer {token}")

    return calls_as
