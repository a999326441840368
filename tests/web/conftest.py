"""Signed-in browsers without a browser."""

import pytest
from django.test import Client

from tests.web.factories import make_schema

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _static_files_on_demand(settings):
    """Every new client builds the middleware anew: do not read every package's static files each time."""
    settings.WHITENOISE_AUTOREFRESH = True


class Browser(Client):
    """A test client that says where its forms come from, as browsers do."""

    def __init__(self, **defaults):
        super().__init__(HTTP_SEC_FETCH_SITE="same-origin", **defaults)


@pytest.fixture
def browser(db):
    """Nobody is signed in."""
    return Browser()


@pytest.fixture
def sign_in(people):
    """Opens a browser in which one of the fixed people is signed in."""

    def signed_in(who: str) -> Browser:
        browser = Browser()
        browser.force_login(people.principals[who])
        return browser

    return signed_in


@pytest.fixture
def flights(people):
    """The schema prod.flights of the owner."""
    return make_schema(people.metastore_admin, "prod.flights", comment="What customers depend on")
