"""Checksums that clients send along with a body, computed while it passes."""

import base64
import hashlib
import zlib
from collections.abc import Callable, Mapping
from typing import Protocol

from registry.api.s3.errors import S3Error

_HEADER = "x-amz-checksum-"


class Digest(Protocol):
    """A checksum in the making."""

    def update(self, piece: bytes, /) -> None:
        """Take the next bytes."""
        ...

    def digest(self) -> bytes:
        """The checksum so far."""
        ...


class _Crc32:
    def __init__(self) -> None:
        self._value = 0

    def update(self, piece: bytes, /) -> None:
        self._value = zlib.crc32(piece, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(4, "big")


def _md5() -> Digest:
    return hashlib.md5(usedforsecurity=False)


def _sha1() -> Digest:
    return hashlib.sha1(usedforsecurity=False)


_MAKERS: Mapping[str, Callable[[], Digest]] = {
    f"{_HEADER}crc32": _Crc32,
    f"{_HEADER}sha1": _sha1,
    f"{_HEADER}sha256": hashlib.sha256,
    "content-md5": _md5,
}
_NO_SUM = {f"{_HEADER}algorithm", f"{_HEADER}type", f"{_HEADER}mode"}


def announced(headers: Mapping[str, str], trailer: str) -> dict[str, str | None]:
    """The checksums that a request announces: name and value in base64, None when it comes behind the body.

    Raises:
        S3Error: an algorithm that is not computed here. Bytes are never taken in with a checksum unchecked.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    found: dict[str, str | None] = {
        name: value
        for name, value in lowered.items()
        if name == "content-md5" or (name.startswith(_HEADER) and name not in _NO_SUM)
    }
    found |= dict.fromkeys((name.strip().lower() for name in trailer.split(",") if name.strip()), None)
    for name in found:
        if name not in _MAKERS:
            raise S3Error(
                "NotImplemented",
                f"The checksum '{name}' is not computed here: choose CRC32, SHA1 or SHA256 in the client.",
            )
    return found


class Checksums:
    """Computes what is announced, and compares when the body is whole."""

    def __init__(self, expected: Mapping[str, str | None]) -> None:
        self.expected = dict(expected)
        self._digests = {name: _MAKERS[name]() for name in expected}

    def update(self, piece: bytes) -> None:
        """Take the next bytes."""
        for digest in self._digests.values():
            digest.update(piece)

    def check(self, trailer: Mapping[str, str]) -> None:
        """Compare with the headers and with what came behind the body.

        Raises:
            S3Error: another value, or one that was announced and did not come.
        """
        for name, digest in self._digests.items():
            value = self.expected[name] or trailer.get(name, "")
            if base64.b64encode(digest.digest()).decode() != value.strip():
                raise S3Error("BadDigest", f"The body does not have the '{name}' that was sent. Nothing was kept.")
            self.expected[name] = value
