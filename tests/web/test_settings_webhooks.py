"""Webhooks and destinations under Settings: rights, states, secrets, the log."""

from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registry.models import Delivery, NotificationDestination, Webhook
from registry.services import delivery_queue
from registry.services.addressees import keep_addressees
from registry.services.webhooks import NewWebhook, create_webhook
from registry.web import webhooks
from tests.web.factories import make_model
from tests.webhooks.receiver import receiving

EVENTS = ["model_version.created", "model_version_alias.created"]
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def nobody_is_woken(monkeypatch):
    monkeypatch.setattr(delivery_queue.current_app, "send_task", lambda *_, **__: None)


@pytest.fixture
def receiver(settings):
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8"]
    with receiving() as made:
        yield made


@pytest.fixture
def hook(people, receiver, flights):
    """A webhook of the administrator on every model."""
    new = NewWebhook(name="ci", url=f"{receiver.url}?key=topsecret", events=EVENTS, secret="s3cret")
    return create_webhook(actor=people.metastore_admin, new=new)


def test_an_administrator_makes_one_on_everything_with_a_secret_that_is_never_seen_again(sign_in, receiver):
    browser = sign_in("metastore_admin")
    form = browser.get("/settings/webhooks/new").content.decode()
    secret = form.partition('name="secret"')[0].rpartition("<input")[2] + form.partition('name="secret"')[2][:200]
    value = secret.partition('value="')[2].partition('"')[0]
    assert len(value) == 64
    asked = {"name": "ci", "url": receiver.url, "events": EVENTS, "secret": value}
    answer = browser.post("/settings/webhooks/new", asked)
    made = Webhook.objects.get()
    assert answer["Location"] == f"/settings/webhooks/{made.pk}"
    page = browser.get(f"/settings/webhooks/{made.pk}").content.decode()
    assert value not in page
    assert "sealed" in page
    assert value not in browser.get(f"/settings/webhooks/{made.pk}/edit").content.decode()


def test_others_make_them_on_what_they_own_and_are_told_so(sign_in, people, flights, receiver):
    make_model(people.metastore_admin, "prod.flights.delay")
    browser = sign_in("reader")
    asked = {"name": "ci", "url": receiver.url, "events": EVENTS}
    everywhere = browser.post("/settings/webhooks/new", asked)
    assert everywhere.status_code == 400
    assert "Name a catalog, schema or model" in everywhere.content.decode()
    hidden = browser.post("/settings/webhooks/new", {**asked, "scope_name": "prod.flights.delay"})
    assert hidden.status_code == 404
    assert "prod.flights" not in browser.get("/settings/webhooks/places?q=fl").content.decode()
    offered = sign_in("metastore_admin").get("/settings/webhooks/places?q=flights.de").content.decode()
    assert "prod.flights.delay" in offered


def test_refusals_stand_at_their_fields(sign_in, people, flights):
    browser = sign_in("metastore_admin")
    answer = browser.post(
        "/settings/webhooks/new", {"name": "ci", "url": "http://169.254.169.254/", "events": EVENTS}
    )
    text = answer.content.decode()
    assert answer.status_code == 400
    assert 'id="id_url_error"' in text


def test_a_stranger_finds_none_of_it(sign_in, hook):
    browser = sign_in("outsider")
    assert "No webhooks yet" in browser.get("/settings/webhooks").content.decode()
    for path in ("", "/edit", "/test", "/delete"):
        assert browser.get(f"/settings/webhooks/{hook.pk}{path}").status_code == 404
    assert browser.post(f"/settings/webhooks/{hook.pk}/status", {"status": "DISABLED"}).status_code == 404


def test_the_list_shows_hosts_without_their_secrets(sign_in, hook, receiver):
    text = sign_in("metastore_admin").get("/settings/webhooks").content.decode()
    assert "http://127.0.0.1" in text
    assert "topsecret" not in text


def test_the_list_goes_by_name_or_age_page_by_page(sign_in, hook, receiver, monkeypatch):
    made = [Webhook.objects.get(pk=hook.pk) for _ in range(2)]
    for webhook, name in zip(made, ("alpha", "zulu"), strict=True):
        webhook.pk, webhook.name, webhook.created_at = None, name, webhook.created_at + timedelta(seconds=1)
        webhook.save(force_insert=True)
    monkeypatch.setattr(webhooks, "PAGE_SIZE", 2)
    browser = sign_in("metastore_admin")

    def names(order):
        query, found = {"order": order}, []
        while True:
            context = browser.get("/settings/webhooks", query).context
            found += [row.name for row in context["page"].items]
            if not context["page"].next_page_token:
                return found
            query["page"] = context["page"].next_page_token

    assert names("name") == sorted(names("-name")) == ["alpha", hook.name, "zulu"]
    assert names("-name") == ["zulu", hook.name, "alpha"]
    assert names("created")[0] == hook.name == names("")[-1]
    shown = browser.get("/settings/webhooks?order=name&q=a").content.decode()
    assert 'aria-sort="ascending"' in shown
    assert '<input type="hidden" name="order" value="name">' in shown
    assert browser.get("/settings/webhooks?order=url").status_code == 400


def test_a_test_tells_what_the_receiver_said_and_the_log_keeps_it(sign_in, hook, receiver):
    receiver.answer = lambda _: (418, {}, b"<script>I am a teapot</script>")
    browser = sign_in("metastore_admin")
    text = browser.post(f"/settings/webhooks/{hook.pk}/test", {"event": EVENTS[0]}).content.decode()
    assert "418" in text
    assert "&lt;script&gt;I am a teapot" in text
    log = browser.get(f"/settings/webhooks/{hook.pk}?state=FAILED").content.decode()
    assert EVENTS[0] in log
    delivery = Delivery.objects.get()
    shown = browser.get(f"/settings/deliveries/{delivery.pk}").content.decode()
    assert "&quot;entity&quot;" in shown
    assert "418" in shown
    assert sign_in("outsider").get(f"/settings/deliveries/{delivery.pk}").status_code == 404


def test_a_delivery_is_replayed_as_another_one(sign_in, hook, receiver):
    browser = sign_in("metastore_admin")
    browser.post(f"/settings/webhooks/{hook.pk}/test", {"event": EVENTS[0]})
    first = Delivery.objects.get()
    answer = browser.post(f"/settings/deliveries/{first.pk}/replay", headers=HTMX)
    assert answer.status_code == 204
    assert Delivery.objects.get(replay_of=first).state == "PENDING"
    assert sign_in("outsider").post(f"/settings/deliveries/{first.pk}/replay").status_code == 404


def test_it_is_disabled_with_a_way_back(sign_in, hook):
    browser = sign_in("metastore_admin")
    answer = browser.post(f"/settings/webhooks/{hook.pk}/status", {"status": "DISABLED"}, headers=HTMX)
    assert '"undo"' in answer["HX-Trigger"]
    assert "Disabled" in browser.get(f"/settings/webhooks/{hook.pk}").content.decode()
    browser.post(f"/settings/webhooks/{hook.pk}/status", {"status": "ACTIVE"})
    hook.refresh_from_db()
    assert hook.status == "ACTIVE"


def test_an_edit_keeps_the_secret_unless_told_otherwise(sign_in, hook, receiver):
    browser = sign_in("metastore_admin")
    asked = {"name": "ci2", "url": receiver.url, "events": EVENTS[:1], "secret": ""}
    browser.post(f"/settings/webhooks/{hook.pk}/edit", asked)
    hook.refresh_from_db()
    assert (hook.name, hook.events, hook.has_secret) == ("ci2", EVENTS[:1], True)
    browser.post(f"/settings/webhooks/{hook.pk}/edit", {**asked, "unsigned": "on"})
    hook.refresh_from_db()
    assert not hook.has_secret
    browser.post(f"/settings/webhooks/{hook.pk}/delete")
    assert not Webhook.objects.exists()


def count_queries(browser, path) -> int:
    browser.get(path)
    with CaptureQueriesContext(connection) as found:
        assert browser.get(path).status_code == 200
    return len(found)


def test_lists_cost_the_same_at_one_row_and_at_many(sign_in, people, hook, receiver):
    browser = sign_in("metastore_admin")
    make_model(people.metastore_admin, "prod.flights.delay")
    log = f"/settings/webhooks/{hook.pk}"
    browser.post(f"{log}/test", {"event": EVENTS[0]})
    before = [count_queries(browser, path) for path in ("/settings/webhooks", log)]
    for number in range(20):
        new = NewWebhook(name=f"n{number}", url=receiver.url, events=EVENTS)
        create_webhook(actor=people.metastore_admin, new=new)
    first = Delivery.objects.get()
    for _ in range(20):
        browser.post(f"/settings/deliveries/{first.pk}/replay")
    assert [count_queries(browser, path) for path in ("/settings/webhooks", log)] == before


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("EMAIL", {"addresses": "a@example.com, b@example.com"}),
        ("WEBHOOK", {"url": "RECEIVER", "username": "u", "password": "hunter22"}),
        ("SLACK", {"url": "RECEIVER"}),
    ],
)
def test_destinations_are_made_tested_changed_and_deleted(sign_in, receiver, settings, kind, asked):
    settings.EMAIL_HOST = "mail.example.com"
    browser = sign_in("metastore_admin")
    given = {name: receiver.url if value == "RECEIVER" else value for name, value in asked.items()}
    answer = browser.post(f"/settings/destinations/new?kind={kind}", {"display_name": "on <call>", **given})
    made = NotificationDestination.objects.get()
    page = answer["Location"]
    assert page == f"/settings/destinations/{made.pk}"
    text = browser.get(page).content.decode()
    assert "on &lt;call&gt;" in text
    assert "hunter22" not in text
    assert receiver.url not in text
    assert "It arrived" in browser.post(f"{page}/test").content.decode()
    assert (len(mail.outbox) == 1) == (kind == "EMAIL")
    renamed = {"display_name": "team", **({"addresses": "c@example.com"} if kind == "EMAIL" else {})}
    browser.post(f"{page}/edit", renamed)
    made.refresh_from_db()
    assert made.display_name == "team"
    assert browser.get("/settings/destinations").content.decode().count("team") >= 1
    browser.post(f"{page}/delete")
    assert not NotificationDestination.objects.exists()


def test_destinations_are_for_administrators(sign_in, receiver):
    browser = sign_in("reader")
    for path in ("", "/new"):
        assert browser.get(f"/settings/destinations{path}").status_code == 403
    asked = {"display_name": "x", "addresses": "a@example.com"}
    assert browser.post("/settings/destinations/new?kind=EMAIL", asked).status_code == 403
    assert sign_in("metastore_admin").get("/settings/destinations/new?kind=NOPE").status_code == 400


def test_addresses_that_people_named_are_listed_apart(sign_in, people):
    (made,) = keep_addressees(actor=people.owner, emails=["oncall@example.com"])
    browser = sign_in("metastore_admin")
    pages = {query: browser.get(f"/settings/destinations{query}").content.decode() for query in ("", "?addresses")}
    assert {query: str(made) in page for query, page in pages.items()} == {"": False, "?addresses": True}
