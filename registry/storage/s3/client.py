"""Clients of the object store, and its failures in the words of services. boto3 is imported at the first use."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from django.conf import settings

from registry.errors import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

logger = logging.getLogger(__name__)

MISSING = {"404", "NoSuchKey", "NoSuchUpload", "NotFound"}
_CONNECT_SECONDS = 5
_READ_SECONDS = 60
_ATTEMPTS = 3
_CONNECTIONS = 64


class StoreError(Unavailable):
    """What the object store answers. Where nobody expects just this, callers are told that it does not serve us."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(
            "The object store does not serve us at the moment, nothing was changed. Repeat the request in a moment; "
            "your administrator finds the reason in the server's log."
        )
        self.reason = reason


class ObjectMissing(StoreError):
    """No object of that name, or no upload."""


class ObjectChanged(StoreError):
    """The object is not the one any more that was looked at before."""


class Refused(StoreError):
    """The object store does not accept what was sent; `reason` is its own word for why."""


_REFUSALS = {"EntityTooSmall", "EntityTooLarge", "InvalidPart", "InvalidPartOrder", "KeyTooLongError"}
_CHANGED = {"412", "PreconditionFailed"}


def client() -> "S3Client":
    """The client for our own requests. Credentials and region are the process's own (AWS_… variables, or a role)."""
    return _client(settings.S3_ENDPOINT_URL)


def signing_client() -> "S3Client":
    """The client that signs links, for the address at which other machines reach the object store."""
    return _client(settings.S3_PUBLIC_ENDPOINT_URL or settings.S3_ENDPOINT_URL)


@cache
def _client(endpoint: str) -> "S3Client":
    import boto3
    from botocore.config import Config

    config = Config(
        signature_version="s3v4",
        # Others than AWS rarely answer at bucket.host.
        s3={"addressing_style": "path" if endpoint else "auto"},
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        max_pool_connections=_CONNECTIONS,
        # Stores other than AWS reject the newer checksums; what must arrive whole is sent with its MD5 (`Bucket`).
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    # A client of its own session: the module's default one is not safe to make in several threads at once.
    session = boto3.session.Session()
    return session.client(
        "s3",
        endpoint_url=endpoint or None,
        config=config,
        # Stores without regions accept this one; without any, nothing can be signed.
        region_name=session.region_name or "us-east-1",
    )


@contextmanager
def translated_errors(action: str) -> Iterator[None]:
    """Turn what the object store answers into our errors. What an operator must know is logged, `action` with it.

    Raises:
        ObjectMissing, ObjectChanged, Refused: for the caller to translate.
        StoreError: the store is away, is overloaded, or denies what it must allow.
    """
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in MISSING:
            raise ObjectMissing(code) from error
        if code in _CHANGED:
            raise ObjectChanged(code) from error
        if code in _REFUSALS:
            raise Refused(code) from error
        _tell_operator(action, error)
        raise StoreError from error
    except (BotoCoreError, HTTPClientError, HTTPError, OSError) as error:
        _tell_operator(action, error)
        raise StoreError from error


def _tell_operator(action: str, error: Exception) -> None:
    """One line: where it happened in our code would tell nothing more."""
    logger.error("object store: cannot %s: %s", action, error)
