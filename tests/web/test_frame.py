"""The frame of the screens: dialogs, the palette, the tree's filter and memory."""

import pytest
from django import forms

from registry.errors import Conflict, InvalidParameter
from registry.privileges import Privilege, SecurableType
from registry.services.aliases import set_alias
from registry.services.grants import Change, update_grants
from registry.web.dialogs import Form, refusals_on
from tests.web.factories import make_model

pytestmark = pytest.mark.django_db
HTMX = {"HTTP_HX_REQUEST": "true", "HTTP_HX_CURRENT_URL": "http://testserver/explore/data"}


class Named(Form):
    name = forms.CharField()


def test_a_refusal_lands_on_the_field_that_the_service_names():
    form = Named({"name": "x"})
    assert form.is_valid()
    with refusals_on(form):
        raise InvalidParameter("'name' is taken.", field="name")
    assert form.errors["name"] == ["'name' is taken."]
    assert form.status == 400


def test_a_refusal_without_a_field_stands_above_the_form():
    form = Named({"name": "x"})
    assert form.is_valid()
    with refusals_on(form):
        raise Conflict("It is in use.")
    assert form.non_field_errors() == ["It is in use."]
    assert form.status == 409


def test_a_dialog_is_a_page_at_its_own_address(sign_in, people):
    browser = sign_in("owner")
    assert b"<html" in browser.get("/keys").content
    over = browser.get("/keys", **HTMX).content
    assert b"<html" not in over
    assert b'id="dialog-title"' in over


def test_the_palette_finds_what_one_may_see_and_nothing_else(sign_in, people, flights):
    make_model(people.metastore_admin, "prod.flights.delay", versions=2)
    set_alias(actor=people.metastore_admin, name="prod.flights.delay", alias="Champion", version=2)
    admin, outsider = sign_in("metastore_admin"), sign_in("outsider")
    for text in ("del", "prod delay", "prod.flights.delay", "delay 2", "delay@champ", "models:/prod.flights.delay/2"):
        assert "delay" in _titles(admin, text)[0], text
        assert _titles(outsider, text) == [], text
    update_grants(
        actor=people.metastore_admin,
        type_=SecurableType.REGISTERED_MODEL,
        full_name="prod.flights.delay",
        changes=[Change("outsider@example.com", add=(Privilege.BROWSE,))],
    )
    assert _titles(outsider, "delay") == ["delay"]
    assert _titles(admin, "prod fli") == ["flights"]
    assert _titles(admin, "pro") == ["prod"]
    assert _titles(outsider, "prod") == []
    assert _titles(outsider, "delay 1")[0] == "delay version 1"


@pytest.mark.parametrize("text", ["%", "_", "'", "..", "@", "a@", "x" * 5000, "delay 99999999999999999999", "\\"])
def test_the_palette_takes_any_text(sign_in, people, text):
    assert sign_in("owner").get("/search", {"q": text}).status_code == 200


def test_the_palette_costs_the_same_for_one_row_and_many(sign_in, people, flights, django_assert_max_num_queries):
    browser = sign_in("metastore_admin")
    make_model(people.metastore_admin, "prod.flights.delay0", versions=1)
    with django_assert_max_num_queries(30) as few:
        browser.get("/search", {"q": "delay 1"})
    for number in range(1, 9):
        make_model(people.metastore_admin, f"prod.flights.delay{number}", versions=2)
    with django_assert_max_num_queries(len(few)):
        browser.get("/search", {"q": "delay 1"})


def test_the_tree_is_filtered_by_what_is_typed_and_shows_what_is_only_browsed(sign_in, people, flights):
    make_model(people.metastore_admin, "prod.flights.delay")
    update_grants(
        actor=people.metastore_admin,
        type_=SecurableType.CATALOG,
        full_name="prod",
        changes=[Change("reader@example.com", add=(Privilege.BROWSE,))],
    )
    rows = sign_in("reader").get("/explore/tree", {"q": "dela"}).content.decode()
    assert "prod.flights.delay" in rows
    assert "you may look at it, not use it" in rows
    assert "you may look" not in sign_in("metastore_admin").get("/explore/tree", {"q": "dela"}).content.decode()


def _titles(browser, text):
    answer = browser.get("/search", {"q": text})
    found = [entries for title, entries in answer.context["groups"] if title == "Found"]
    return [entry.title for entry in found[0]] if found else []
