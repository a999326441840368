"""The API reference for people."""

import pytest
from django.test import Client
from django.urls import reverse

from registry.api.openapi.document import operations

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(people, settings) -> Client:
    settings.WHITENOISE_AUTOREFRESH = True
    browser = Client(HTTP_SEC_FETCH_SITE="same-origin")
    browser.force_login(people.principals["outsider"])
    return browser


def test_it_asks_to_sign_in(settings):
    settings.WHITENOISE_AUTOREFRESH = True
    answer = Client().get("/api/docs")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in?next=")


def test_every_operation_is_on_the_list_and_has_a_page(browser, django_assert_max_num_queries):
    listed = browser.get("/api/docs").content.decode()
    for one in operations():
        address = reverse("api-operation", args=[one.id])
        assert f'href="{address}"' in listed
        with django_assert_max_num_queries(6):
            page = browser.get(address, HTTP_HOST="models.example.com")
        text = page.content.decode()
        assert page.status_code == 200, one.id
        assert one.path in text, one.id
        assert "http://models.example.com/" in text, one.id
        assert "<script>" not in text
        assert " style=" not in text


def test_a_search_finds_by_every_word(browser):
    text = browser.get("/api/docs", {"q": "delete alias unity"}).content.decode()
    assert reverse("api-operation", args=["unity_catalog_delete_alias"]) in text
    assert reverse("api-operation", args=["unity_catalog_set_alias"]) not in text
    nothing = browser.get("/api/docs", {"q": "<b>no such thing"}).content.decode()
    assert "No operation matches" in nothing
    assert "<b>no" not in nothing


def test_what_is_required_is_in_the_command(browser):
    text = browser.get(reverse("api-operation", args=["mlflow_uc_get_version"])).content.decode()
    assert "--data-urlencode &#x27;name=prod.ml.iris&#x27;" in text
    assert "$DATABRICKS_TOKEN" in text
    token = browser.get(reverse("api-operation", args=["oauth_token"])).content.decode()
    assert "grant_type=client_credentials" in token


def test_an_unknown_operation_is_a_page(browser):
    answer = browser.get("/api/docs/no_such")
    assert answer.status_code == 404
    assert "text/html" in answer["Content-Type"]
