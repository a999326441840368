"""Another server may be hostile: what it can make us reach, hold or believe is bounded."""

import gzip
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from registry.errors import InvalidParameter, LimitExceeded, TooLarge, Unauthenticated, Unavailable
from registry.services import remote_hosts
from registry.services.import_files import ProxiedTree, WorkspaceTree, find_tree
from registry.services.import_sources import Source, SourceVersion
from registry.services.remote_hosts import Reach, RemoteHost, SourceError, check_url, is_public, resolve


@contextmanager
def serving(answer):
    """A server whose every GET is answered by `answer(path)`: (status, headers, body)."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.path, dict(self.headers)))
            status, headers, body = answer(self.path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def host_of(answer, **options):
    with serving(answer) as (url, seen):
        host = RemoteHost(url, allow_private=True, **options)
        try:
            yield host, seen
        finally:
            host.close()


def says(value, status=200, **headers):
    return lambda path: (status, headers, json.dumps(value).encode())


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "192.0.2.1", "::", "::1", "fe80::1", "fc00::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::"),
    ],
)
def test_addresses_of_no_public_server(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111"])
def test_addresses_of_public_servers(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "url", ["file:///x", "ftp://h", "https://", "//h", "https://u:p@h", "https://h?x=1", "https://h#x", "https://h:0"]
)
def test_addresses_that_are_refused(url):
    with pytest.raises(InvalidParameter):
        check_url(url)


def test_a_name_is_looked_up_once_and_what_was_checked_is_connected_to(monkeypatch):
    """A name that tells another address the second time leads nowhere else."""
    with serving(says({"ok": 1})) as (url, _):
        port = int(url.rpartition(":")[2])
        answers = iter([["127.0.0.1"], ["10.255.255.1"]])
        asked, real = [], remote_hosts.socket.getaddrinfo

        def lookup(host, *arguments, **options):
            if host != "models.example.com":
                return real(host, *arguments, **options)
            asked.append(host)
            return [(2, 1, 6, "", (address, 0)) for address in next(answers)]

        monkeypatch.setattr(remote_hosts.socket, "getaddrinfo", lookup)
        host = RemoteHost(f"http://models.example.com:{port}", allow_private=True)
        try:
            assert host.get_json("/x", {}) == {"ok": 1}
            assert host.get_json("/x", {}) == {"ok": 1}
        finally:
            host.close()
    assert asked == ["models.example.com"]


def test_a_name_with_one_private_address_is_refused(monkeypatch):
    found = [(2, 1, 6, "", ("8.8.8.8", 0)), (2, 1, 6, "", ("127.0.0.1", 0))]
    monkeypatch.setattr(remote_hosts.socket, "getaddrinfo", lambda *a, **k: found)
    with pytest.raises(InvalidParameter, match="inside this network"):
        resolve("models.example.com", reach=Reach())


def test_no_redirect_is_followed():
    with host_of(lambda path: (302, {"Location": "http://169.254.169.254/latest/meta-data"}, b"")) as (host, seen):
        with pytest.raises(SourceError, match="redirect"):
            host.get_json("/x", {})
        assert len(seen) == 1


def test_the_token_goes_to_the_server_and_nowhere_else():
    with host_of(says({}), token="secret") as (host, seen):
        host.get_json("/x", {"a": "b"})
        assert seen[0][0] == "/x?a=b"
        assert seen[0][1]["Authorization"] == "Bearer secret"
        with pytest.raises(SourceError, match="not https"), host.open_signed(f"{host.url}/y", {}):
            pass
        assert len(seen) == 1
    with host_of(says({}), token="secret", username="me") as (host, seen):
        host.get_json("/x", {})
        assert seen[0][1]["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (says({}, 401), Unauthenticated),
        (says({}, 403), SourceError),
        (says({}, 404), SourceError),
        (says({}, 500), SourceError),
        (says([]), SourceError),
        (lambda path: (200, {}, b"<html>"), SourceError),
        (lambda path: (200, {"Content-Encoding": "gzip"}, gzip.compress(b"{}")), SourceError),
        (lambda path: (200, {}, b"[" * 200_000), SourceError),
    ],
)
def test_answers_of_no_use(answer, error):
    with host_of(answer) as (host, _), pytest.raises(error):
        host.get_json("/x", {})


def test_a_busy_server_is_asked_again(monkeypatch):
    waited, ours, sleep = [], threading.get_ident(), time.sleep

    # Other tests may have left threads that sleep as well.
    def pause(seconds):
        return waited.append(seconds) if threading.get_ident() == ours else sleep(seconds)

    monkeypatch.setattr(remote_hosts.time, "sleep", pause)
    with host_of(says({}, 429)) as (host, seen):
        with pytest.raises(Unavailable):
            host.get_json("/x", {})
        assert (len(seen), len(waited)) == (3, 2)


def test_an_answer_without_end_is_cut(monkeypatch):
    monkeypatch.setattr(remote_hosts, "MAX_JSON_BYTES", 1000)
    with host_of(says(["x" * 5000])) as (host, _), pytest.raises(SourceError, match="more than"):
        host.get_json("/x", {})


def test_pages_without_end_are_noticed():
    endless = says({"registered_models": [{"name": "a"}], "next_page_token": "t"})
    with host_of(endless) as (host, _), pytest.raises(SourceError, match="without end"):
        list(Source(host).models())


@pytest.mark.parametrize("path", ["..", ".", "a\\b", "", "x\x00y"])
def test_listed_paths_that_lead_out_are_refused(path):
    listing = says({"files": [{"path": path, "is_dir": False, "file_size": 1}]})
    with host_of(listing) as (host, _), pytest.raises(InvalidParameter):
        ProxiedTree(host, "/0/r/artifacts").files()


def test_folders_without_end_are_noticed():
    listing = says({"files": [{"path": "deeper", "is_dir": True}]})
    with host_of(listing) as (host, _), pytest.raises(InvalidParameter, match="longer"):
        ProxiedTree(host, "/0/r/artifacts").files()


def test_too_large_and_too_many_are_refused(settings):
    settings.MAX_FILE_BYTES, settings.MAX_FILES_PER_VERSION = 10, 3
    large = says({"files": [{"path": "a", "file_size": "11"}]})
    with host_of(large) as (host, _), pytest.raises(TooLarge, match="at most 10"):
        ProxiedTree(host, "/0").files()
    many = [{"path": f"f{number}", "file_size": 1} for number in range(9)]
    with host_of(says({"files": many})) as (host, _), pytest.raises(LimitExceeded, match="3 files"):
        ProxiedTree(host, "/0").files()


def test_values_that_cannot_be_stored_are_made_storable():
    version = {"name": "m", "version": "1", "description": "a\x00b", "tags": [{"key": "k", "value": "\ud800"}, 7]}
    junk = [{"name": "m", "version": 2**40}, {"name": "other", "version": 2}, {"name": "m", "version": "x"}, None]
    with host_of(says({"model_versions": [version, *junk]})) as (host, _):
        [found] = Source(host).versions("m")
    assert (found.number, found.description, found.tags) == (1, "ab", {"k": "?"})


def workspace(path):
    """A workspace registry: the files of versions lie in a cloud store."""
    if "get-download-uri" in path:
        return 200, {}, b'{"artifact_uri": "dbfs:/databricks/mlflow-registry/1/models/m"}'
    if "list-artifacts" in path:
        folder = "path=data" in path
        files = [{"path": "data/w.bin", "is_dir": False, "file_size": 3}]
        top = [{"path": "MLmodel", "is_dir": False, "file_size": 2}, {"path": "data", "is_dir": True}]
        return 200, {}, json.dumps({"files": files if folder else top}).encode()
    return 200, {}, b'{"signed_uri": "http://169.254.169.254/latest", "headers": []}'


def test_a_workspace_registry_lists_and_signs():
    with host_of(workspace) as (host, _):
        tree = find_tree(Source(host), SourceVersion(model="m", number=1))
        assert isinstance(tree, WorkspaceTree)
        assert [(file.path, file.size) for file in tree.files()] == [("MLmodel", 2), ("data/w.bin", 3)]
        with pytest.raises(SourceError, match="not https"), tree.open("MLmodel"):
            pass


@pytest.mark.parametrize("uri", ["file:///etc", "/etc", "s3://b/m", "mlflow-artifacts://evil.example.com/0/m", ""])
def test_no_location_is_followed_from_here(uri):
    with host_of(says({"artifact_uri": uri})) as (host, seen), pytest.raises(SourceError):
        find_tree(Source(host), SourceVersion(model="m", number=1))
    assert all(path.startswith("/api/2.0/mlflow/") for path, _ in seen)
