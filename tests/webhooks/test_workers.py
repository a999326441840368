"""Real workers, a real broker and a real receiver: nothing is lost when a worker or the broker is."""

import os
import signal
import threading

import pytest
from django.utils import timezone

from registry.models import Delivery
from registry.services.aliases import set_alias
from registry.services.delivery_sweep import wake_due_deliveries
from registry.services.model_versions import NewVersion, begin_version
from tests.operations.conftest import flush_broker, start_worker, wait_until
from tests.webhooks.conftest import MODEL

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def worker(transactional_db, tmp_path, monkeypatch, settings):
    """Starts workers of the deliveries' queue; all are gone afterwards."""
    flush_broker()
    monkeypatch.setenv("MODELKEEP_WEBHOOK_NETWORKS", "127.0.0.0/8")
    started = []

    def start():
        started.append(start_worker(tmp_path, f"deliveries{len(started)}", queues="deliveries"))
        return started[-1]

    yield start
    for one in started:
        one.stop()


def happen(people):
    begin_version(actor=people.owner, name=MODEL, new=NewVersion())
    set_alias(actor=people.owner, name=MODEL, alias="Champion", version=1)
    return Delivery.objects.get()


def test_a_worker_killed_between_send_and_record_is_made_up_for(worker, people, tree, listen, receiver):
    hold = threading.Event()
    receiver.answer = lambda _: (hold.wait(60) and (200, {}, b"")) or (200, {}, b"")
    listen()
    first = worker()
    row = happen(people)
    came = receiver.wait_for_one()
    # The receiver has it, and the worker waits for the answer.
    os.killpg(first.process.pid, signal.SIGKILL)
    first.process.wait(20)
    hold.set()
    row.refresh_from_db()
    assert (row.state, row.attempts, row.log.count()) == ("PENDING", 1, 0)
    assert wake_due_deliveries(now=timezone.now()) == 0, "its claim still holds"
    worker()
    Delivery.objects.update(due_at=timezone.now())  # The claim is over.
    assert wake_due_deliveries() == 1
    again = receiver.wait_for_one()
    wait_until(lambda: Delivery.objects.get().state == "SUCCEEDED", "the second attempt to be recorded")
    assert again.headers["X-MLflow-Delivery-Id"] == came.headers["X-MLflow-Delivery-Id"] == str(row.pk)
    assert again.body == came.body
    assert [bool(one.error) for one in Delivery.objects.get().log.all()] == [True, False]


def test_a_broker_that_lost_its_messages_is_made_up_for(worker, people, tree, listen, receiver):
    listen()
    row = happen(people)
    flush_broker()
    worker()
    Delivery.objects.update(sent_at=None)
    assert wake_due_deliveries() == 1
    assert receiver.wait_for_one().headers["X-MLflow-Delivery-Id"] == str(row.pk)
    wait_until(lambda: Delivery.objects.get().state == "SUCCEEDED", "the delivery to be recorded")
