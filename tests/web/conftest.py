"""Signed-in browsers: without a browser, and real ones."""

import re
import shutil

import pytest
from django.db import connections
from django.test import Client
from playwright.sync_api import sync_playwright

from tests.web.factories import make_schema

PASSWORD = "correct horse battery"
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


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


@pytest.fixture
def open_browser(live_server, monkeypatch):
    """Opens pages of the live site; at the end none of them may have logged an error or broken the security policy.

    A refused form is no error: browsers log its status, which is what it should be.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    # Playwright runs a loop in this thread; what a test asks of the database between its steps does not wait in it.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    complaints = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)

        def heard(message):
            # Without a tracking server its own pages, and the icon a browser asks for on them, are not ours.
            foreign = re.search("/mlflow/|/favicon.ico", message.location["url"])
            refused = re.search("status of 4(00|03|04|09)", message.text)
            # htmx logs so when a request gives way to a newer one; one that found nobody logs htmx:sendError besides.
            replaced = message.text.startswith(("htmx:afterRequest,", "htmx:sendAbort,"))
            if message.type == "error" and not (foreign or refused or replaced):
                complaints.append(message.text)

        def opened(**options):
            permissions = ["clipboard-read", "clipboard-write"]
            context = browser.new_context(base_url=live_server.url, permissions=permissions, **options)
            page = context.new_page()
            page.on("console", heard)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            return page

        yield opened
        browser.close()
        # Connections that were opened beside the loop are known here only.
        connections.close_all()
    assert complaints == []


def enter(page, path="/", name="admin@example.com"):
    """Sign in on the way to a page, as somebody whose password is PASSWORD."""
    page.goto(path)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/sign-in" not in url)


@pytest.fixture
def with_passwords(people):
    """The fixed people can sign in with PASSWORD."""
    for user in people.principals.values():
        user.set_password(PASSWORD)
        user.save()
    return people
