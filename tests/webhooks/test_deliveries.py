"""Sent, signed, tried again, given up, skipped, replayed: each with the time that the test says it is."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from registry.errors import InvalidState, NotFound
from registry.models import Delivery, DeliveryAttempt, Grant, Webhook
from registry.services import deliveries
from registry.services.aliases import set_alias
from registry.services.delivery_http import Answer
from registry.services.delivery_runner import claim_delivery, claim_lasts, deliver, record_attempt, retry_pause
from registry.services.delivery_sweep import forget_old_deliveries, wake_due_deliveries
from registry.services.model_versions import NewVersion, begin_version
from registry.services.webhooks import WebhookChanges, update_webhook
from tests.webhooks.conftest import MODEL, pending

pytestmark = pytest.mark.django_db


def full_pause(low, high):
    return high


@pytest.fixture
def happen(people, tree):
    """Something happens that a webhook is told of; answers the delivery."""
    begin_version(actor=people.owner, name=MODEL, new=NewVersion())
    begin_version(actor=people.owner, name=MODEL, new=NewVersion())
    turn = []

    def move():
        turn.append(1)
        set_alias(actor=people.owner, name=MODEL, alias="Champion", version=1 + len(turn) % 2)
        return Delivery.objects.order_by("-created_at").first()

    return move


def test_a_signed_request_that_mlflows_receivers_accept(listen, happen, receiver):
    from mlflow.webhooks.delivery import _generate_hmac_signature

    listen()
    row = happen()
    assert deliver(delivery_id=row.pk).ok
    (request,) = receiver.requests
    body = request.body.decode()
    assert request.headers["X-MLflow-Delivery-Id"] == str(row.pk)
    stamp = request.headers["X-MLflow-Timestamp"]
    assert abs(int(stamp) - timezone.now().timestamp()) < 60
    assert request.headers["X-MLflow-Signature"] == _generate_hmac_signature("s3cret", str(row.pk), stamp, body)
    assert json.loads(body)["data"] == {"name": MODEL, "alias": "Champion", "version": "2"}
    row.refresh_from_db()
    assert (row.state, row.attempts, row.due_at, row.error) == ("SUCCEEDED", 1, None, "")
    attempt = row.log.get()
    assert (attempt.number, attempt.status_code, attempt.answer, attempt.error) == (1, 200, "thanks", "")
    assert deliver(delivery_id=row.pk) is None, "a second message finds nothing to do"
    assert len(receiver.requests) == 1


def test_the_secret_is_sealed_and_unsigned_without(listen, happen, receiver):
    webhook = listen()
    assert "s3cret" not in webhook.sealed_secret
    webhook = listen(secret="")
    happen()
    deliver(delivery_id=Delivery.objects.get(webhook=webhook).pk)
    assert "X-MLflow-Signature" not in receiver.requests[0].headers


def test_tried_again_with_the_same_id_and_bytes_until_it_is_given_up(settings, listen, happen, receiver):
    settings.WEBHOOK_MAX_ATTEMPTS, settings.WEBHOOK_RETRY_SECONDS = 4, 10
    receiver.answer = lambda _: (500, {}, b"broken")
    listen()
    row, now = happen(), timezone.now()
    pauses = []
    while row.state == "PENDING":
        assert deliver(delivery_id=row.pk, now=now - timedelta(hours=1), jitter=full_pause) is None, "not due yet"
        assert not deliver(delivery_id=row.pk, now=now, jitter=full_pause).ok
        row.refresh_from_db()
        if row.due_at:
            pauses.append((row.due_at - now).total_seconds())
            now = row.due_at
    assert pauses == [10, 30, 90]
    assert (row.state, row.attempts, row.error) == ("FAILED", 4, "The receiver answered HTTP 500.")
    assert len({(r.headers["X-MLflow-Delivery-Id"], r.body) for r in receiver.requests}) == 1
    assert [attempt.status_code for attempt in row.log.all()] == [500] * 4
    # Each attempt is signed anew: receivers refuse old timestamps.
    assert len({r.headers["X-MLflow-Signature"] for r in receiver.requests}) == 4


def test_pauses_grow_are_spread_and_bounded(settings):
    settings.WEBHOOK_RETRY_SECONDS, settings.WEBHOOK_MAX_RETRY_SECONDS = 10, 1000
    assert [retry_pause(n, jitter=full_pause).total_seconds() for n in (1, 2, 3, 9, 200)] == [10, 30, 90, 1000, 1000]
    assert retry_pause(3, jitter=lambda low, high: low).total_seconds() == 45
    assert retry_pause(1, retry_after=400, jitter=full_pause).total_seconds() == 400
    assert retry_pause(1, retry_after=10**7, jitter=full_pause).total_seconds() == 1000


def test_a_receiver_may_ask_for_time_or_say_never(listen, happen, receiver):
    listen()
    row, now = happen(), timezone.now()
    receiver.answer = lambda _: (503, {"Retry-After": "500"}, b"")
    deliver(delivery_id=row.pk, now=now)
    row.refresh_from_db()
    assert row.due_at == now + timedelta(seconds=500)
    receiver.answer = lambda _: (410, {}, b"")
    deliver(delivery_id=row.pk, now=row.due_at)
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("FAILED", 2)


def test_a_worker_that_dies_between_sending_and_recording(listen, happen, receiver):
    """The row is due again when its claim ends, and what the late one has to say counts no more."""
    listen()
    row, now = happen(), timezone.now()
    lost = claim_delivery(delivery_id=row.pk, now=now)
    assert claim_delivery(delivery_id=row.pk, now=now) is None, "one worker at a time"
    later = now + claim_lasts()
    assert deliver(delivery_id=row.pk, now=later).ok
    assert not record_attempt(lost, Answer(5, error="late"), now=later)
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("SUCCEEDED", 2)
    assert [(one.number, bool(one.error)) for one in row.log.all()] == [(1, True), (2, False)]
    assert "ended before it could note" in row.log.first().error


def test_workers_that_always_die_end_it(settings, listen, happen):
    settings.WEBHOOK_MAX_ATTEMPTS = 2
    listen()
    row, now = happen(), timezone.now()
    for _ in range(3):
        claim_delivery(delivery_id=row.pk, now=now)
        now += claim_lasts()
    row.refresh_from_db()
    assert (row.state, row.attempts, row.log.count()) == ("FAILED", 2, 2)


def test_an_owner_who_may_not_see_the_model_any_more_is_told_nothing(people, listen, happen, receiver):
    webhook = listen()
    Webhook.objects.filter(pk=webhook.pk).update(owner=people.principals["reader"])
    assert deliver(delivery_id=happen().pk).ok
    row = happen()
    Grant.objects.filter(principal=people.principals["reader"], privilege="EXECUTE").delete()
    assert deliver(delivery_id=row.pk) is None
    row.refresh_from_db()
    assert row.state == "SKIPPED"
    assert "may not see" in row.error
    assert (row.body, row.securable_name, row.attempts) == ("", "", 0), "nothing of it is kept for its owner to read"
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("how", ["disabled owner", "disabled webhook"])
def test_what_waits_is_skipped_when_nobody_may_be_told(people, listen, happen, receiver, how):
    webhook, row = listen(), None
    row = happen()
    if how == "disabled owner":
        people.principals["owner"].is_active = False
        people.principals["owner"].save()
    else:
        update_webhook(actor=people.owner, webhook_id=webhook.pk, changes=WebhookChanges(status="DISABLED"))
    deliver(delivery_id=row.pk)
    row.refresh_from_db()
    assert row.state == "SKIPPED"
    assert not receiver.requests


def test_a_slow_receiver_does_not_take_every_worker(listen, happen, nobody_is_woken):
    listen()
    rows = [happen() for _ in range(6)]
    now = timezone.now()
    claims = [claim_delivery(delivery_id=row.pk, now=now) for row in rows]
    assert [claim is not None for claim in claims] == [True] * 4 + [False] * 2
    nobody_is_woken.clear()
    record_attempt(claims[0], Answer(1, 200), now=now)
    assert claim_delivery(delivery_id=rows[4].pk, now=now) is not None
    assert claim_delivery(delivery_id=rows[5].pk, now=now) is None


def test_who_ends_an_attempt_wakes_the_next(listen, happen, receiver, nobody_is_woken):
    listen()
    first, second = happen(), happen()
    nobody_is_woken.clear()
    deliver(delivery_id=first.pk)
    assert nobody_is_woken == [str(second.pk)]


def test_the_sweep_sends_what_is_due_once(listen, happen, receiver, nobody_is_woken):
    listen()
    row, now = happen(), timezone.now()
    assert wake_due_deliveries(now=now) == 1
    assert wake_due_deliveries(now=now) == 0, "a message is under way"
    assert wake_due_deliveries(now=now + timedelta(seconds=61)) == 1, "it was lost"
    receiver.answer = lambda _: (500, {}, b"")
    deliver(delivery_id=row.pk, now=now)
    row.refresh_from_db()
    assert wake_due_deliveries(now=row.due_at - timedelta(seconds=1)) == 0
    assert wake_due_deliveries(now=row.due_at) == 1


def test_the_log_is_kept_for_some_time(settings, listen, happen, receiver):
    settings.WEBHOOK_LOG_DAYS = 30
    listen()
    old, waiting = happen(), happen()
    deliver(delivery_id=old.pk)
    soon = timezone.now() + timedelta(days=29)
    assert forget_old_deliveries(now=soon) == 0
    assert forget_old_deliveries(now=soon + timedelta(days=2)) == 1
    assert list(Delivery.objects.all()) == [waiting]
    assert not DeliveryAttempt.objects.exists()


def test_replay_is_a_delivery_of_its_own(people, listen, happen, receiver):
    listen()
    row = happen()
    with pytest.raises(InvalidState, match="on its way"):
        deliveries.replay_delivery(actor=people.owner, delivery_id=row.pk)
    deliver(delivery_id=row.pk)
    again = deliveries.replay_delivery(actor=people.owner, delivery_id=row.pk)
    assert deliver(delivery_id=again.pk).ok
    first, second = receiver.requests
    assert first.body == second.body
    assert second.headers["X-MLflow-Delivery-Id"] == str(again.pk) != str(row.pk)
    assert second.headers["X-Modelkeep-Replay-Of"] == str(row.pk)
    for stranger in (people.outsider, people.reader):
        with pytest.raises(NotFound):
            deliveries.replay_delivery(actor=stranger, delivery_id=row.pk)


def test_a_test_sends_an_example_at_once_and_is_logged(people, listen, receiver, tree):
    webhook = listen()
    answer = deliveries.try_webhook(actor=people.owner, webhook_id=webhook.pk, event="model_version_tag.set")
    assert (answer.ok, answer.status_code, answer.text) == (True, 200, "thanks")
    sent = json.loads(receiver.requests[0].body)
    assert (sent["entity"], sent["action"]) == ("model_version_tag", "set")
    assert sent["data"]["name"] == "example_model"
    row = Delivery.objects.get()
    assert (row.origin, row.state, row.log.count()) == ("TEST", "SUCCEEDED", 1)
    receiver.answer = lambda _: (500, {}, b"no")
    assert not deliveries.try_webhook(actor=people.owner, webhook_id=webhook.pk).ok
    assert Delivery.objects.order_by("-created_at").first().state == "FAILED"
    assert pending() == []


def test_the_log_of_others_and_unsent_content_stay_hidden(people, listen, happen, receiver):
    webhook = listen()
    row = happen()
    with pytest.raises(NotFound):
        deliveries.list_deliveries(actor=people.reader, webhook_id=webhook.pk)
    (listed,) = deliveries.list_deliveries(actor=people.owner, webhook_id=webhook.pk).items
    assert not deliveries.shows_content(listed)
    deliver(delivery_id=row.pk)
    assert deliveries.shows_content(deliveries.get_delivery(actor=people.owner, delivery_id=row.pk))


def test_an_owner_without_rights_left_may_look_and_delete_but_not_change(people, listen, tree, receiver):
    from registry.services.webhooks import delete_webhook

    webhook = listen()
    tree.securable.owner = people.principals["steward"]
    tree.securable.save()
    changes = WebhookChanges(url="https://h.example")
    with pytest.raises(NotFound):
        update_webhook(actor=people.owner, webhook_id=webhook.pk, changes=changes)
    with pytest.raises(NotFound):
        deliveries.try_webhook(actor=people.owner, webhook_id=webhook.pk)
    assert not receiver.requests
    delete_webhook(actor=people.owner, webhook_id=webhook.pk)
    assert not Webhook.objects.exists()
