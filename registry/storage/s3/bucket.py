"""One prefix of a bucket, and the few requests that the stores make of it."""

import base64
import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Literal

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.http import content_disposition_header

from registry.storage.s3.client import ObjectMissing, StoreError, client, signing_client, translated_errors
from registry.storage.s3.reads import ObjectRange

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SCHEME = "s3://"
COPY_BYTES = 256 * 1024**2
"""What one copy request moves: a larger object is copied as pieces of this size, some at a time."""
_COPIES_AT_ONCE = 8
_DELETE_BATCH = 1000
MAX_PART_NUMBER = 10_000
MAX_KEY_BYTES = 1024


@dataclass(frozen=True)
class ObjectFacts:
    """What is known of an object; `name` is its key below the prefix, `modified` in seconds since 1970."""

    name: str
    size: int
    modified: float
    etag: str


@dataclass(frozen=True)
class OpenParts:
    """A multipart upload that was begun and neither completed nor aborted."""

    name: str
    upload: str
    begun: float


@dataclass(frozen=True)
class StoredPart:
    """A part as the object store lists it; its etag is spelled without quotes."""

    number: int
    etag: str
    size: int
    modified: float


def is_s3(root: str) -> bool:
    """Whether a root names an object store."""
    return root.startswith(SCHEME)


class Bucket:
    """`s3://bucket/prefix`. Every method raises Unavailable while the store is away or denies it."""

    def __init__(self, root: str) -> None:
        bucket, _, prefix = root.removeprefix(SCHEME).partition("/")
        if not is_s3(root) or not bucket:
            raise ImproperlyConfigured(f"{root!r} is no place in an object store: write s3://bucket/prefix.")
        self.bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self._prefix}"

    @property
    def _client(self) -> "S3Client":
        return client()

    def key(self, name: str) -> str:
        """The full key of a name below the prefix."""
        return f"{self._prefix}{name}"

    def place(self, name: str) -> Any:
        """Bucket and key as every request names them."""
        return {"Bucket": self.bucket, "Key": self.key(name)}

    def make(self) -> None:
        """Make the bucket itself, in the region of the client; one that is there is fine."""
        with suppress(ObjectMissing), translated_errors(f"look for {self}"):
            self._client.head_bucket(Bucket=self.bucket)
            return
        region = self._client.meta.region_name
        # The oldest region must not be named.
        where: Any = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        with translated_errors(f"make {self}"):
            self._client.create_bucket(Bucket=self.bucket, **where)

    # --- Single objects -------------------------------------------------------------------------------------------

    def put(self, name: str, body: bytes) -> None:
        """Write an object whole, durable when this returns."""
        with translated_errors(f"write to {self}"):
            self._client.put_object(**self.place(name), Body=body, ContentMD5=checksum(body))

    def facts(self, name: str) -> ObjectFacts:
        """What is known of an object. Raises ObjectMissing."""
        with translated_errors(f"look into {self}"):
            found = self._client.head_object(**self.place(name))
        return ObjectFacts(name, found["ContentLength"], found["LastModified"].timestamp(), found["ETag"].strip('"'))

    def open(self, name: str, *, start: int, length: int) -> ObjectRange:
        """A stretch of an object in bounded pieces; the request is made now. Raises ObjectMissing."""
        return ObjectRange(partial(self._get, name), start=start, length=length)

    def _get(self, name: str, start: int, length: int, etag: str | None) -> Any:
        condition: Any = {} if etag is None else {"IfMatch": etag}
        with translated_errors(f"read from {self}"):
            last = start + length - 1
            return self._client.get_object(**self.place(name), Range=f"bytes={start}-{last}", **condition)

    def copy(self, origin: "Bucket", source: ObjectFacts, target: str) -> None:
        """Copy from a place in the same store; no byte passes through here. Raises ObjectMissing, ObjectChanged."""
        if source.size > COPY_BYTES:
            self._copy_in_pieces(origin, source, target)
            return
        with translated_errors(f"copy to {self}"):
            self._client.copy_object(
                **self.place(target), CopySource=origin.place(source.name), CopySourceIfMatch=source.etag
            )

    def _copy_in_pieces(self, origin: "Bucket", source: ObjectFacts, target: str) -> None:
        upload = self.begin_parts(target)
        starts = range(0, source.size, COPY_BYTES)
        try:
            with ThreadPoolExecutor(_COPIES_AT_ONCE) as pool:
                copy = partial(self._copy_piece, origin, source, target, upload)
                etags = list(pool.map(copy, range(1, len(starts) + 1), starts))
            self.complete_parts(target, upload, list(enumerate(etags, start=1)))
        except BaseException:
            self.abort_quietly(target, upload)
            raise

    def _copy_piece(
        self, origin: "Bucket", source: ObjectFacts, target: str, upload: str, number: int, start: int
    ) -> str:
        with translated_errors(f"copy to {self}"):
            answer = self._client.upload_part_copy(
                **self.place(target),
                UploadId=upload,
                PartNumber=number,
                CopySource=origin.place(source.name),
                CopySourceRange=f"bytes={start}-{min(start + COPY_BYTES, source.size) - 1}",
                CopySourceIfMatch=source.etag,
            )
        return answer["CopyPartResult"]["ETag"]

    def delete(self, name: str) -> None:
        """Remove an object; one that is not there is fine."""
        with suppress(ObjectMissing), translated_errors(f"remove from {self}"):
            self._client.delete_object(**self.place(name))

    def delete_quietly(self, name: str) -> None:
        """Remove what the sweep would find anyway: a store that is away now is no reason to fail."""
        with suppress(StoreError):
            self.delete(name)

    # --- Listing --------------------------------------------------------------------------------------------------

    def objects(self, prefix: str) -> Iterator[ObjectFacts]:
        """Every object whose name begins so, by name, page by page."""
        for page in self._pages(prefix):
            for entry in page.get("Contents", []):
                yield self._listed(entry)

    def children(self, folder: str) -> Iterator[ObjectFacts | str]:
        """What lies right below a folder ("" or ending in a slash): objects, and the names of folders."""
        for page in self._pages(folder, Delimiter="/"):
            for common in page.get("CommonPrefixes", []):
                yield common["Prefix"].removeprefix(self.key(folder)).removesuffix("/")
            for entry in page.get("Contents", []):
                yield self._listed(entry)

    def has_below(self, folder: str) -> bool:
        """Whether any object's name begins with a folder's."""
        with translated_errors(f"list {self}"):
            found = self._client.list_objects_v2(Bucket=self.bucket, Prefix=self.key(folder), MaxKeys=1)
        return bool(found.get("Contents"))

    def _pages(self, prefix: str, **options: Any) -> Iterator[Any]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.key(prefix), **options
        )
        yield from _translated(iter(pages), f"list {self}")

    def _listed(self, entry: Any) -> ObjectFacts:
        name = entry["Key"].removeprefix(self._prefix)
        return ObjectFacts(name, entry["Size"], entry["LastModified"].timestamp(), entry["ETag"].strip('"'))

    # --- Multipart uploads ----------------------------------------------------------------------------------------

    def begin_parts(self, name: str) -> str:
        """Begin an upload in parts; answers the store's own name for it."""
        with translated_errors(f"write to {self}"):
            return self._client.create_multipart_upload(**self.place(name))["UploadId"]

    def put_part(self, name: str, upload: str, number: int, body: bytes | IO[bytes], *, md5: str) -> str:
        """Write one part; answers its etag. Raises ObjectMissing (the upload ended), Refused."""
        with translated_errors(f"write to {self}"):
            part = self._client.upload_part(
                **self.place(name), UploadId=upload, PartNumber=number, Body=body, ContentMD5=md5
            )
        return part["ETag"].strip('"')

    def complete_parts(self, name: str, upload: str, parts: Iterable[tuple[int, str]]) -> None:
        """Make the parts one object. Raises ObjectMissing (the upload ended), Refused."""
        named: list[Any] = [{"PartNumber": number, "ETag": f'"{etag.strip(chr(34))}"'} for number, etag in parts]
        with translated_errors(f"write to {self}"):
            self._client.complete_multipart_upload(
                **self.place(name), UploadId=upload, MultipartUpload={"Parts": named}
            )

    def abort_parts(self, name: str, upload: str) -> None:
        """Forget an upload and its parts; one that ended is fine."""
        with suppress(ObjectMissing), translated_errors(f"remove from {self}"):
            self._client.abort_multipart_upload(**self.place(name), UploadId=upload)

    def abort_quietly(self, name: str, upload: str) -> None:
        """As `abort_parts`, when the sweep would find it anyway."""
        with suppress(StoreError):
            self.abort_parts(name, upload)

    def open_uploads(self, prefix: str) -> Iterator[OpenParts]:
        """Uploads to names that begin so, which were begun and did not end."""
        pages = self._client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self.bucket, Prefix=self.key(prefix)
        )
        for page in _translated(iter(pages), f"list the uploads of {self}"):
            for entry in page.get("Uploads", []):
                name = entry["Key"].removeprefix(self._prefix)
                yield OpenParts(name, entry["UploadId"], entry["Initiated"].timestamp())

    def parts(self, name: str, upload: str) -> list[StoredPart]:
        """The parts that an upload has, by number. Raises ObjectMissing (the upload ended)."""
        pages = self._client.get_paginator("list_parts").paginate(**self.place(name), UploadId=upload)
        return [
            StoredPart(part["PartNumber"], part["ETag"].strip('"'), part["Size"], part["LastModified"].timestamp())
            for page in _translated(iter(pages), f"list the uploads of {self}")
            for part in page.get("Parts", [])
        ]

    # --- Links ----------------------------------------------------------------------------------------------------

    def link(self, method: Literal["get_object", "put_object", "upload_part"], name: str, **bound: Any) -> str:
        """A URL that makes one request, for `seconds`; all else in `bound` is part of it."""
        seconds = bound.pop("seconds")
        with translated_errors(f"sign links to {self}"):
            return signing_client().generate_presigned_url(
                method, Params={**self.place(name), **bound}, ExpiresIn=seconds
            )

    def download_link(self, name: str, *, filename: str, seconds: int) -> str | None:
        """A URL that reads an object as a download of that file name; None when clients are not sent to the store."""
        if not signs_links():
            return None
        return self.link(
            "get_object",
            name,
            seconds=seconds,
            ResponseContentDisposition=content_disposition_header(as_attachment=True, filename=filename),
            ResponseContentType="application/octet-stream",
            ResponseCacheControl="private, no-store",
        )


def signs_links() -> bool:
    """Whether clients are sent to the object store itself."""
    return bool(settings.S3_LINKS)


def checksum(body: bytes | bytearray) -> str:
    """What the store checks a body with when it arrives."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def _translated(pages: Iterator[Any], action: str) -> Iterator[Any]:
    while True:
        with translated_errors(action):
            page = next(pages, None)
        if page is None:
            return
        yield page
