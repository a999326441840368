"""A large model file up and down through the real server: throughput against the plain disk, and the server's memory.

    .venv/bin/python benchmarks/large_files.py [--gib 2] [--repeat 3] [--folder DIR]

Starts a server of its own in a temporary folder (four times the size of the file must be free there) and drives it
in the three ways that clients use: the stock SDK, which sends files of this size in parts; one PUT of the whole file;
one PUT over a signed link. The disk's own figure is taken before each transfer, in the same folder: read the file,
hash it, write it, flush it. A transfer does the same, with a socket in between.
"""

import argparse
import hashlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
from databricks.sdk import WorkspaceClient

ROOT = Path(__file__).resolve().parent.parent
MIB = 1024 * 1024
MODEL = "workspace.default.large_files"
FOLDER = "/Models/workspace/default/large_files"


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--gib", type=float, default=2)
    options.add_argument("--repeat", type=int, default=3)
    options.add_argument("--folder", type=Path, default=None)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="large-files-", dir=given.folder) as name:
        folder = Path(name)
        source = folder / "source.bin"
        digest = make_file(source, int(given.gib * 1024))
        with server(folder) as (environment, pid):
            Benchmark(folder, source, digest, environment, web_processes(pid)).run(given.repeat)


class Benchmark:
    def __init__(self, folder: Path, source: Path, digest: str, environment: dict[str, str], pids: list[int]) -> None:
        self.folder, self.source, self.digest, self.pids = folder, source, digest, pids
        self.size = source.stat().st_size / MIB
        host, token = environment["DATABRICKS_HOST"], environment["DATABRICKS_TOKEN"]
        self.sdk = WorkspaceClient(host=host, token=token)
        headers = {"Authorization": f"Bearer {token}"}
        self.http = httpx.Client(base_url=host, headers=headers, timeout=600)
        self.anonymous = httpx.Client(timeout=600)

    def run(self, repeat: int) -> None:
        self.post("/api/2.0/mlflow/unity-catalog/registered-models/create", {"name": MODEL})
        self.warm_up()
        idle = memory(self.pids)
        print(
            f"{self.size:.0f} MiB, {os.cpu_count()} cores; web idle {idle / MIB:.0f} MiB, {len(self.pids)} processes"
        )
        ways: list[tuple[str, Callable[[str], None], Callable[[str, Path], None]]] = [
            ("stock SDK, in parts", self.sdk_up, self.sdk_down),
            ("one PUT / GET", self.put_up, self.get_down),
            ("signed link", self.link_up, self.link_down),
        ]
        for title, up, down in ways:
            for direction, rates in self.measure(up, down, repeat).items():
                speed, disk, peak = (statistics.median(column) for column in zip(*rates, strict=True))
                print(
                    f"{title:20} {direction:4} {speed:6.0f} MiB/s  disk {disk:5.0f} MiB/s  ratio {speed / disk:.2f}  "
                    f"web memory +{(peak - idle) / MIB:.0f} MiB"
                )

    def measure(
        self, up: Callable[[str], None], down: Callable[[str, Path], None], repeat: int
    ) -> dict[str, list[tuple[float, float, float]]]:
        rates: dict[str, list[tuple[float, float, float]]] = {"up": [], "down": []}
        for _ in range(repeat):
            version = self.begin()
            path = f"{FOLDER}/{version}/weights.bin"
            rates["up"].append(self.timed(partial(up, path)))
            self.finish(version)
            target = self.folder / "target.bin"
            rates["down"].append(self.timed(partial(self.check, down, path, target)))
            target.unlink()
            self.delete(version)
        return rates

    def timed(self, transfer: Callable[[], None]) -> tuple[float, float, float]:
        disk = self.size / self.plain_disk()
        with watching(self.pids) as peak:
            start = time.perf_counter()
            transfer()
            seconds = time.perf_counter() - start
        return self.size / seconds, disk, peak[0]

    def plain_disk(self) -> float:
        """Seconds to read, hash, write and flush the file."""
        target = self.folder / "plain.bin"
        start = time.perf_counter()
        with self.source.open("rb") as source:
            digest = write_hashed(iter(lambda: source.read(MIB), b""), target)
        seconds = time.perf_counter() - start
        assert digest == self.digest
        target.unlink()
        return seconds

    def check(self, down: Callable[[str, Path], None], path: str, target: Path) -> None:
        down(path, target)
        assert target.stat().st_size == self.source.stat().st_size

    # --- Three ways up and down ---

    def sdk_up(self, path: str) -> None:
        with self.source.open("rb") as source:
            self.sdk.files.upload(path, source, overwrite=True)

    def sdk_down(self, path: str, target: Path) -> None:
        contents = self.sdk.files.download(path).contents
        assert contents is not None
        with contents:
            assert write_hashed(iter(lambda: contents.read(MIB), b""), target) == self.digest

    def put_up(self, path: str) -> None:
        self.put(self.http, f"/api/2.0/fs/files{path}?overwrite=true")

    def get_down(self, path: str, target: Path) -> None:
        self.get(self.http, f"/api/2.0/fs/files{path}", target)

    def link_up(self, path: str) -> None:
        self.put(self.anonymous, self.post("/api/2.0/fs/create-upload-url", {"path": path})["url"])

    def link_down(self, path: str, target: Path) -> None:
        self.get(self.anonymous, self.post("/api/2.0/fs/create-download-url", {"path": path})["url"], target)

    def put(self, client: httpx.Client, url: str) -> None:
        with self.source.open("rb") as source:
            headers = {"Content-Length": str(self.source.stat().st_size)}
            client.put(url, content=iter(lambda: source.read(MIB), b""), headers=headers).raise_for_status()

    def get(self, client: httpx.Client, url: str, target: Path) -> None:
        with client.stream("GET", url) as response:
            response.raise_for_status()
            assert write_hashed(response.iter_raw(MIB), target) == self.digest

    # --- The version around the file ---

    def post(self, path: str, body: dict[str, str]) -> dict[str, str]:
        answer: dict[str, str] = self.http.post(path, json=body).raise_for_status().json()
        return answer

    def begin(self) -> str:
        body = {"name": MODEL, "source": "benchmark"}
        answer = self.http.post("/api/2.0/mlflow/unity-catalog/model-versions/create", json=body).json()
        return str(answer["model_version"]["version"])

    def finish(self, version: str) -> None:
        signature = '{inputs: \'[{"type": "double"}]\', outputs: \'[{"type": "double"}]\'}'
        mlmodel = f"flavors: {{python_function: {{loader_module: none}}}}\nsignature: {signature}\n"
        path = f"/api/2.0/fs/files{FOLDER}/{version}/MLmodel?overwrite=true"
        self.http.put(path, content=mlmodel).raise_for_status()
        self.post("/api/2.0/mlflow/unity-catalog/model-versions/finalize", {"name": MODEL, "version": version})

    def delete(self, version: str) -> None:
        """Delete the version and the bytes that the sweep would only take after its grace period."""
        body = {"name": MODEL, "version": version}
        path = "/api/2.0/mlflow/unity-catalog/model-versions/delete"
        self.http.request("DELETE", path, json=body).raise_for_status()
        (blob,) = (self.folder / "data" / "artifacts" / "blobs").rglob(self.digest)
        blob.unlink()

    def warm_up(self) -> None:
        """Let the server import, connect and fill its pools before its memory counts as idle."""
        version = self.begin()
        for number in range(30):
            path = f"/api/2.0/fs/files{FOLDER}/{version}/small-{number}?overwrite=true"
            self.http.put(path, content=b"x" * 1000).raise_for_status()


def make_file(path: Path, size_mib: int) -> str:
    """Bytes that no file system compresses away; answers their SHA-256."""
    block = os.urandom(16 * MIB - 8)
    blocks = (number.to_bytes(8, "big") + block for number in range(size_mib // 16))
    return write_hashed(blocks, path)


def write_hashed(pieces: Iterator[bytes], target: Path) -> str:
    digest = hashlib.sha256()
    with target.open("wb", buffering=0) as file:
        for piece in pieces:
            digest.update(piece)
            file.write(piece)
        os.fsync(file.fileno())
    return digest.hexdigest()


@contextmanager
def server(folder: Path) -> Iterator[tuple[dict[str, str], int]]:
    """A server in a folder of its own, stopped at the end."""
    data = str(folder / "data")
    command = [sys.executable, str(ROOT / "manage.py")]
    with (folder / "up.log").open("wb") as log:
        port = str(free_port())
        process = subprocess.Popen([*command, "up", "--data-dir", data, "--port", port], stdout=log, stderr=log)
    try:
        await_ready(process, f"http://127.0.0.1:{port}", folder / "up.log")
        lines = subprocess.check_output([*command, "client-env", "--data-dir", data], text=True).split()
        yield dict(line.split("=", 1) for line in lines), process.pid
    finally:
        process.terminate()
        process.wait(60)
        shutil.rmtree(data, ignore_errors=True)


def await_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    for _ in range(1200):
        if process.poll() is not None:
            sys.exit(f"The server did not start:\n{log.read_text()}")
        try:
            if httpx.get(f"{url}/.well-known/databricks-config").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    sys.exit("The server did not become ready.")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def web_processes(pid: int) -> list[int]:
    """The web server below the launcher, with its workers."""
    found, waiting = [], [(pid, False)]
    while waiting:
        parent, is_web = waiting.pop()
        for task in Path(f"/proc/{parent}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                below = is_web or b"granian" in Path(f"/proc/{child}/cmdline").read_bytes()
                found += [child] if below else []
                waiting.append((child, below))
    assert found, "no web process below the launcher"
    return found


def memory(pids: list[int]) -> float:
    """Resident bytes of some processes together, shared pages counted once a process."""
    total = 0
    for pid in pids:
        status = Path(f"/proc/{pid}/status").read_text()
        total += int(status.split("VmRSS:")[1].split()[0]) * 1024
    return total


@contextmanager
def watching(pids: list[int]) -> Iterator[list[float]]:
    """Look at the memory twenty times a second; the list's one item is the most that was seen."""
    peak, done = [memory(pids)], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            peak[0] = max(peak[0], memory(pids))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


if __name__ == "__main__":
    main()
