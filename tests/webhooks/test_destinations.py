"""Notification destinations: sealed, sent to by the same workers with the same log, by request and by e-mail."""

import base64
import json
import smtplib

import pytest
from django.core import mail

from registry.errors import AccessDenied, AlreadyExists, InvalidParameter, NotFound
from registry.models import AuditEvent, Delivery, DestinationKind
from registry.services import deliveries
from registry.services.addressees import destinations_of, keep_addressees
from registry.services.delivery_runner import deliver
from registry.services.notification_destinations import (
    create_destination,
    delete_destination,
    get_destination,
    list_destinations,
    update_destination,
)
from registry.services.notifications import Notice, notify

pytestmark = pytest.mark.django_db
WEBHOOK, EMAIL, SLACK = DestinationKind.WEBHOOK, DestinationKind.EMAIL, DestinationKind.SLACK


@pytest.fixture
def make(people, receiver):
    def create(kind=WEBHOOK, config=None, name="ops"):
        config = (
            config
            or {
                WEBHOOK: {"url": receiver.url, "username": "robot", "password": "pa55"},
                SLACK: {"url": receiver.url},
                EMAIL: {"addresses": ["a@example.com", "b@example.com"]},
            }[kind]
        )
        return create_destination(actor=people.metastore_admin, display_name=name, kind=kind, config=config)

    return create


NOTICE = Notice("alert.triggered", "Drift\r\nof delay", "Too much.", {"value": 3})


def test_a_notice_reaches_a_webhook_with_its_password(make, receiver):
    destination = make()
    assert "pa55" not in destination.sealed_config
    (row,) = notify(destination_ids=[destination.pk], notice=NOTICE)
    assert deliver(delivery_id=row.pk).ok
    (request,) = receiver.requests
    assert base64.b64decode(request.headers["Authorization"].split()[1]) == b"robot:pa55"
    assert request.headers["X-Modelkeep-Delivery-Id"] == str(row.pk)
    said = json.loads(request.body)
    assert (said["event"], said["data"]) == ("alert.triggered", {"value": 3})


def test_a_notice_reaches_slack_as_text(make, receiver):
    (row,) = notify(destination_ids=[make(SLACK).pk], notice=NOTICE)
    assert deliver(delivery_id=row.pk).ok
    assert set(json.loads(receiver.requests[0].body)) == {"text"}


def test_a_notice_reaches_people_by_email_with_one_message_id(make):
    (row,) = notify(destination_ids=[make(EMAIL).pk], notice=NOTICE)
    assert deliver(delivery_id=row.pk).ok
    (message,) = mail.outbox
    assert message.to == ["a@example.com", "b@example.com"]
    assert message.subject == "Drift of delay"
    assert str(row.pk) in message.extra_headers["Message-ID"]


@pytest.mark.parametrize("error", [smtplib.SMTPServerDisconnected("x"), ConnectionRefusedError(111, "refused")])
def test_a_mail_server_that_fails_is_tried_again(make, monkeypatch, error):
    def refuse(self, *a, **k):
        raise error

    monkeypatch.setattr("django.core.mail.EmailMessage.send", refuse)
    (row,) = notify(destination_ids=[make(EMAIL).pk], notice=NOTICE)
    assert "mail server" in deliver(delivery_id=row.pk).error
    row.refresh_from_db()
    assert row.state == "PENDING"


def test_without_a_mail_server_it_says_so(make, settings):
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", ""
    (row,) = notify(destination_ids=[make(EMAIL).pk], notice=NOTICE)
    assert "MODELKEEP_SMTP_HOST" in deliver(delivery_id=row.pk).error
    row.refresh_from_db()
    assert row.state == "FAILED"


def test_a_test_is_sent_at_once_and_logged(people, make, receiver):
    destination = make()
    assert deliveries.try_destination(actor=people.metastore_admin, destination_id=destination.pk).ok
    assert json.loads(receiver.requests[0].body)["event"] == "test"
    (row,) = deliveries.list_deliveries(actor=people.metastore_admin, destination_id=destination.pk).items
    assert (row.origin, row.state) == ("TEST", "SUCCEEDED")
    again = deliveries.replay_delivery(actor=people.metastore_admin, delivery_id=row.pk)
    assert deliver(delivery_id=again.pk).ok


def test_an_address_has_a_destination_that_nobody_has_to_choose_among(people, make):
    named = make(EMAIL, {"addresses": ["team@example.com"]}, name="ops@example.com")
    kept = keep_addressees(actor=people.owner, emails=["Ops@example.com", "ops@example.com", "team@example.com"])
    assert (len(kept), kept[1]) == (2, named.pk)
    assert list_destinations(actor=people.outsider).items == [named]
    (own,) = list_destinations(actor=people.outsider, for_addresses=True).items
    assert (own.pk, own.display_name, own.addresses) == (kept[0], "ops@example.com", ["ops@example.com"])
    assert destinations_of(["OPS@example.com", "x@example.com"]) == {"ops@example.com": own.pk}
    update_destination(actor=people.metastore_admin, destination_id=own.pk, display_name="on call")
    assert [row.display_name for row in list_destinations(actor=people.outsider).items] == [
        "on call",
        "ops@example.com",
    ]
    with pytest.raises(InvalidParameter, match="no e-mail"):
        keep_addressees(actor=people.owner, emails=["nobody"])


def test_only_administrators_change_and_read_logs_but_everybody_may_choose(people, make):
    destination = make()
    for call in (
        lambda: create_destination(actor=people.owner, display_name="x", kind=SLACK, config={}),
        lambda: update_destination(actor=people.owner, destination_id=destination.pk, display_name="x"),
        lambda: delete_destination(actor=people.owner, destination_id=destination.pk),
        lambda: deliveries.try_destination(actor=people.owner, destination_id=destination.pk),
        lambda: deliveries.list_deliveries(actor=people.owner, destination_id=destination.pk),
    ):
        with pytest.raises(AccessDenied):
            call()
    assert list_destinations(actor=people.outsider).items == [destination]
    (row,) = notify(destination_ids=[destination.pk], notice=NOTICE)
    with pytest.raises(NotFound):
        deliveries.get_delivery(actor=people.owner, delivery_id=row.pk)
    assert get_destination(actor=people.outsider, destination_id=destination.pk) == destination


def test_a_password_does_not_follow_to_another_address(people, make, receiver):
    destination = make()
    changed = update_destination(
        actor=people.metastore_admin, destination_id=destination.pk, config={"url": receiver.url + "/other"}
    )
    assert changed.settings_set == ["url"]
    kept = update_destination(
        actor=people.metastore_admin, destination_id=destination.pk, config={"username": "u", "password": "p"}
    )
    assert kept.settings_set == ["password", "url", "username"]
    gone = update_destination(actor=people.metastore_admin, destination_id=destination.pk, config={"password": ""})
    assert gone.settings_set == ["url", "username"]


@pytest.mark.parametrize(
    ("kind", "config", "field"),
    [
        (WEBHOOK, {"username": "u"}, "url"),
        (WEBHOOK, {"url": 7}, "url"),
        (WEBHOOK, {"url": "http://10.0.0.1/"}, "url"),
        (SLACK, {"url": "https://h/x", "oauth_token": "t"}, "oauth_token"),
        (EMAIL, {"addresses": ["no address"]}, "addresses"),
        (EMAIL, {"addresses": []}, "addresses"),
        (EMAIL, {"addresses": ["a@example.com\nBcc: b@example.com"]}, "addresses"),
    ],
)
def test_settings_that_cannot_be_used(make, kind, config, field):
    with pytest.raises(InvalidParameter) as told:
        make(kind, config)
    assert told.value.field == field


def test_names_differ_and_the_kind_stays(people, make):
    destination = make(name="Ops")
    with pytest.raises(AlreadyExists):
        make(EMAIL, name="ops")
    with pytest.raises(InvalidParameter, match="kind"):
        update_destination(actor=people.metastore_admin, destination_id=destination.pk, kind=EMAIL, config={})


def test_the_trail_keeps_every_change_and_no_secret(people, make):
    destination = make()
    update_destination(actor=people.metastore_admin, destination_id=destination.pk, display_name="other")
    delete_destination(actor=people.metastore_admin, destination_id=destination.pk)
    rows = AuditEvent.objects.filter(service_name="notificationDestinations").order_by("id")
    words = ("create", "update", "delete")
    assert [row.action for row in rows] == [f"{word}NotificationDestination" for word in words]
    assert "pa55" not in "".join(f"{row.params}{row.before}{row.after}" for row in rows)


def test_what_is_gone_is_left_out(make, people):
    destination = make()
    delete_destination(actor=people.metastore_admin, destination_id=destination.pk)
    assert notify(destination_ids=[destination.pk], notice=NOTICE) == []
    assert not Delivery.objects.exists()
