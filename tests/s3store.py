"""An S3-compatible object store for tests: moto's server in threads of this process, spoken to over HTTP."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from unittest.mock import patch

BUCKET = "modelkeep-tests"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
TINY_PARTS = 1
"""Parts in tests are small; AWS wants 5 MiB."""


@dataclass(frozen=True)
class ObjectStore:
    """A running store with one bucket."""

    url: str
    bucket: str = BUCKET

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to use it."""
        return {**CREDENTIALS, "AWS_ENDPOINT_URL": self.url}

    def use(self, settings) -> None:
        """Point this process at it; everything goes through us unless a test switches links on."""
        settings.S3_ENDPOINT_URL, settings.S3_PUBLIC_ENDPOINT_URL, settings.S3_LINKS = self.url, "", False


@contextmanager
def running_store() -> Iterator[ObjectStore]:
    """Start one, with an empty bucket, and the credentials for it in this process's environment."""
    from moto.server import ThreadedMotoServer

    from registry.storage.s3.client import _client

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    store = ObjectStore(f"http://{host}:{port}")
    with patch.dict(os.environ, CREDENTIALS), patch("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", TINY_PARTS):
        _client(store.url).create_bucket(Bucket=BUCKET)
        yield store
    server.stop()
