"""A receiver may be hostile, and may be no receiver at all: where requests go, how long and how much is bounded."""

import socket
import threading
import time
from contextlib import contextmanager

import pytest

from registry.errors import InvalidParameter
from registry.services import remote_hosts
from registry.services.delivery_http import KEPT_BYTES, check_receiver, post
from tests.webhooks.receiver import receiving


def send(url, **options):
    return post(url, body=b"{}", headers={}, **options)


@pytest.fixture
def receiver(settings):
    settings.WEBHOOK_NETWORKS = []
    with receiving() as made:
        yield made


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"),
        *("169.254.169.254", "10.0.0.1", "192.168.0.1", "[fe80::1]", "[fd00::1]", "100.64.0.1"),
    ],
)
def test_addresses_inside_this_network_are_never_connected_to(settings, receiver, host):
    port = receiver.url.rpartition(":")[2].partition("/")[0]
    answer = send(f"http://{host}:{port}/hook", seconds=5)
    assert not answer.ok
    assert answer.final
    assert "MODELKEEP_WEBHOOK_NETWORKS" in answer.error
    assert not receiver.requests


@pytest.mark.parametrize("networks", [["127.0.0.0/8"], ["10.0.0.0/8", "127.0.0.1/32"]])
def test_an_operator_can_allow_a_network(settings, receiver, networks):
    settings.WEBHOOK_NETWORKS = networks
    assert send(receiver.url).ok
    assert check_receiver(receiver.url)


def test_a_name_with_one_address_inside_is_refused(monkeypatch, receiver):
    found = [(2, 1, 6, "", ("8.8.8.8", 0)), (2, 1, 6, "", ("127.0.0.1", 0))]
    monkeypatch.setattr(remote_hosts.socket, "getaddrinfo", lambda *a, **k: found)
    assert send(receiver.url.replace("127.0.0.1", "hooks.example.com")).final
    assert not receiver.requests


def test_a_name_is_looked_up_once_and_what_was_checked_is_connected_to(monkeypatch, settings, receiver):
    settings.WEBHOOK_NETWORKS = ["127.0.0.1/32"]
    asked, real = [], remote_hosts.socket.getaddrinfo

    def lookup(host, *arguments, **options):
        if host != "hooks.example.com":
            return real(host, *arguments, **options)
        asked.append(host)
        return [(2, 1, 6, "", ("127.0.0.1" if len(asked) == 1 else "10.255.255.1", 0))]

    monkeypatch.setattr(remote_hosts.socket, "getaddrinfo", lookup)
    assert send(receiver.url.replace("127.0.0.1", "hooks.example.com")).ok
    assert asked == ["hooks.example.com"]
    assert receiver.requests[0].headers["Host"].startswith("hooks.example.com:")


def test_the_next_address_is_tried_when_one_takes_no_connection(monkeypatch, settings, receiver):
    settings.WEBHOOK_NETWORKS = ["127.0.0.0/8", "::1/128"]
    port = int(receiver.url.rpartition(":")[2].partition("/")[0])
    real = remote_hosts.socket.getaddrinfo
    found = [(10, 1, 6, "", ("::1", 0, 0, 0)), (2, 1, 6, "", ("127.0.0.1", 0))]
    monkeypatch.setattr(
        remote_hosts.socket, "getaddrinfo", lambda host, *a, **k: found if host == "both" else real(host, *a, **k)
    )
    assert send(f"http://both:{port}/hook").ok


def test_no_redirect_is_followed(settings, receiver):
    settings.WEBHOOK_NETWORKS = ["127.0.0.1/32"]
    receiver.answer = lambda _: (307, {"Location": receiver.url + "/elsewhere"}, b"")
    answer = send(receiver.url)
    assert (answer.ok, answer.status_code) == (False, 307)
    assert "redirect" in answer.error
    assert len(receiver.requests) == 1


def test_no_proxy_of_the_environment_is_asked(settings, receiver, monkeypatch):
    settings.WEBHOOK_NETWORKS = ["127.0.0.1/32"]
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert send(receiver.url).ok


def test_of_a_long_answer_the_beginning_is_read(settings, receiver):
    settings.WEBHOOK_NETWORKS = ["127.0.0.1/32"]
    receiver.answer = lambda _: (200, {}, b"\x00\xff" * 5_000_000)
    answer = send(receiver.url)
    assert answer.ok
    assert len(answer.text) <= KEPT_BYTES
    assert "\x00" not in answer.text


@contextmanager
def dripping(*pieces):
    """A server that sends one byte after the other, each in time for any limit on a single read."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve():
        connection, _ = listener.accept()
        with connection:
            for piece in pieces:
                connection.sendall(piece)
            while not over.wait(0.05):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        over.set()
        thread.join()
        listener.close()


@pytest.mark.parametrize("sent", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b""])
def test_the_whole_exchange_has_a_limit_of_time(settings, sent):
    settings.WEBHOOK_NETWORKS = ["127.0.0.1/32"]
    with dripping(*([sent] if sent else [])) as url:
        began = time.monotonic()
        answer = send(url, seconds=1)
        assert time.monotonic() - began < 20
    assert not answer.ok


def test_a_slow_body_does_not_change_what_the_status_said(settings):
    settings.WEBHOOK_NETWORKS = ["127.0.0.1/32"]
    with dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n") as url:
        answer = send(url, seconds=1)
    assert (answer.ok, answer.status_code) == (True, 200)


def test_a_receiver_that_is_not_there(settings):
    settings.WEBHOOK_NETWORKS = ["127.0.0.1/32"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    answer = send(f"http://127.0.0.1:{port}/")
    assert (answer.ok, answer.final, answer.status_code) == (False, False, None)
    assert "No connection" in answer.error


@pytest.mark.parametrize(
    "url",
    [
        *("", "hooks", "ftp://h/x", "file:///etc/passwd", "https://", "https://u:p@h/x", "https://u@h/x"),
        *("https://h/#x", "https://h:0/", "http://127.0.0.1/", "http://[::1]/", "http://169.254.169.254/latest"),
        "https://h/" + "x" * 2000,
    ],
)
def test_addresses_that_no_webhook_can_have(settings, url):
    settings.WEBHOOK_NETWORKS = []
    with pytest.raises(InvalidParameter) as told:
        check_receiver(url)
    assert "'url'" in told.value.message or "inside this network" in told.value.message


def test_a_query_and_both_protocols_are_fine():
    assert check_receiver(" https://hooks.example.com/x?token=1 ") == "https://hooks.example.com/x?token=1"
    assert check_receiver("http://hooks.example.com/x/") == "http://hooks.example.com/x/"
