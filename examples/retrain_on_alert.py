"""Starts a training when an alert asks for one: the receiver of an alert's workflow webhook. Python alone is enough.

    python examples/retrain_on_alert.py --secret <password of the destination> -- python train.py

Make a webhook destination under Settings with this process's address and a password, and choose it as the workflow of
an alert. Each request starts the command once, with the alert's message as JSON in RETRAIN_BECAUSE; one that is sent
again, is too old or bears a wrong signature starts nothing.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import subprocess
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OLDEST_SECONDS = 300
LARGEST_BYTES = 1024**2


def is_genuine(headers: Mapping[str, str], body: bytes, secret: str, now: float) -> bool:
    """Whether who knows the secret has sent this a moment ago."""
    delivery, sent = headers.get("X-Modelkeep-Delivery-Id", ""), headers.get("X-Modelkeep-Timestamp", "")
    digest = hmac.new(secret.encode(), f"{delivery}.{sent}.".encode() + body, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(digest).decode()
    is_signed = hmac.compare_digest(headers.get("X-Modelkeep-Signature", "").encode(), expected.encode())
    return is_signed and sent.isdigit() and abs(now - int(sent)) <= OLDEST_SECONDS


class Receiver(BaseHTTPRequestHandler):
    """Answers at once; the command goes on by itself."""

    secret = ""
    training: tuple[str, ...] = ()
    seen: set[str] = set()

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length <= LARGEST_BYTES else b""
        if not is_genuine(self.headers, body, self.secret, time.time()):
            self.answer(401)
            return
        delivery, message = self.headers["X-Modelkeep-Delivery-Id"], json.loads(body)
        if message.get("event") == "workflow.requested" and delivery not in self.seen:
            self.seen.add(delivery)
            print(message["text"], flush=True)
            # The command is the operator's own; what was sent reaches it as data only.
            subprocess.Popen(self.training, env=os.environ | {"RETRAIN_BECAUSE": body.decode()})  # noqa: S603
        self.answer(202)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


def main() -> None:
    """Listen until interrupted."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--port", type=int, default=9000)
    options.add_argument("--secret", required=True)
    options.add_argument("command", nargs="+")
    given = options.parse_args()
    Receiver.secret, Receiver.training = given.secret, tuple(given.command)
    with ThreadingHTTPServer(("", given.port), Receiver) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
