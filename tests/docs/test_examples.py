"""The example that receives an alert's request for a training, sent what a destination is really sent."""

import json
import sys
import time
from http.client import HTTPConnection
from http.server import HTTPServer
from threading import Thread

import pytest

from examples.retrain_on_alert import Receiver
from registry.services.delivery_http import signature

SECRET = "agreed"
NOTICE = json.dumps({"event": "workflow.requested", "text": "Train again.", "data": {"table": "prod.ml.delays"}})


@pytest.fixture
def receiver(tmp_path, monkeypatch):
    """Its address, and the file to which each training that it starts adds a line."""
    trainings = tmp_path / "trainings"
    write = "import os, sys; open(sys.argv[1], 'a').write(os.environ['RETRAIN_BECAUSE'] + '\\n')"
    started = []
    monkeypatch.setattr(Receiver, "secret", SECRET)
    monkeypatch.setattr(Receiver, "training", (sys.executable, "-c", write, str(trainings)))
    monkeypatch.setattr(Receiver, "seen", set())
    monkeypatch.setattr(Receiver, "log_message", lambda *_: None)
    popen = sys.modules[Receiver.__module__].subprocess.Popen
    monkeypatch.setattr("examples.retrain_on_alert.subprocess.Popen", lambda *a, **k: started.append(popen(*a, **k)))
    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        Thread(target=server.serve_forever, daemon=True).start()

        def send(*, delivery="d-1", secret=SECRET, age=0, body=NOTICE):
            sent = str(int(time.time()) - age)
            signed = signature(secret, delivery_id=delivery, timestamp=sent, body=body)
            names = ("X-Modelkeep-Delivery-Id", "X-Modelkeep-Timestamp", "X-Modelkeep-Signature")
            connection = HTTPConnection("127.0.0.1", server.server_port, timeout=10)
            connection.request(
                "POST", "/", body=body, headers=dict(zip(names, (delivery, sent, signed), strict=True))
            )
            status = connection.getresponse().status
            connection.close()
            return status

        def trained():
            assert all(process.wait(30) == 0 for process in started)
            return trainings.read_text().splitlines() if started else []

        yield send, trained
        server.shutdown()


def test_a_request_starts_one_training(receiver):
    send, trained = receiver
    assert [send(), send(), send(delivery="d-2")] == [202, 202, 202]
    assert trained() == [NOTICE, NOTICE], "the same delivery starts nothing twice"


def test_others_start_nothing(receiver):
    send, trained = receiver
    assert [send(secret="guessed"), send(age=3600)] == [401, 401]
    assert send(body=json.dumps({"event": "alert.triggered", "text": "Look."})) == 202
    assert trained() == []
