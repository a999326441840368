"""Does the object store let us do all that we need? Asked before the product starts, so a lack is told at once."""

import uuid
from collections.abc import Callable
from contextlib import closing, suppress

from botocore.exceptions import ClientError, NoCredentialsError, PartialCredentialsError

from registry.storage.s3.arrivals import INCOMING
from registry.storage.s3.bucket import Bucket
from registry.storage.s3.client import StoreError

_CONTENT = b"Written by Modelkeep to see whether it may. It can be removed."
_BAD_KEYS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "InvalidClientTokenId"}
_DENIED = {"AccessDenied", "403", "Forbidden", "AllAccessDisabled"}


def find_fault(root: str) -> str:
    """Why files cannot be kept at `s3://bucket/prefix`, and what to do; empty when they can.

    Writes, reads, copies, lists and removes one small object, and begins and aborts one upload in parts.
    """
    bucket = Bucket(root)
    name, copy = f"{INCOMING}{uuid.uuid4()}", f"{INCOMING}{uuid.uuid4()}"
    try:
        for right, step in _steps(bucket, name, copy):
            try:
                step()
            except StoreError as error:
                return _explain(bucket, right, error.__cause__ or error)
    finally:
        with suppress(StoreError):
            bucket.delete(name)
            bucket.delete(copy)
    return ""


def ensure_bucket(root: str) -> str:
    """Make the bucket of `s3://bucket/prefix` if it is not there; why it cannot be made, empty when it is there."""
    bucket = Bucket(root)
    try:
        bucket.make()
    except StoreError as error:
        return _explain(bucket, "s3:CreateBucket", error.__cause__ or error)
    return ""


def _steps(bucket: Bucket, name: str, copy: str) -> list[tuple[str, Callable[[], object]]]:
    def read() -> None:
        with closing(bucket.open(name, start=0, length=len(_CONTENT))) as pieces:
            list(pieces)

    def begin_and_abort() -> None:
        upload = bucket.begin_parts(name)
        bucket.parts(name, upload)
        bucket.abort_parts(name, upload)

    return [
        ("s3:ListBucket", lambda: bucket.has_below(INCOMING)),
        ("s3:PutObject", lambda: bucket.put(name, _CONTENT)),
        ("s3:GetObject", read),
        ("s3:PutObject", lambda: bucket.copy(bucket, bucket.facts(name), copy)),
        ("s3:ListBucketMultipartUploads", lambda: list(bucket.open_uploads(name))),
        ("s3:AbortMultipartUpload and s3:ListMultipartUploadParts", begin_and_abort),
        ("s3:DeleteObject", lambda: bucket.delete(copy)),
    ]


def _explain(bucket: Bucket, right: str, error: BaseException) -> str:
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return (
            f"There are no credentials for {bucket}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this "
            "machine a role."
        )
    code = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
    if code == "NoSuchBucket":
        return f"There is no bucket '{bucket.bucket}': create it, or correct ARTIFACT_ROOT."
    if code in _BAD_KEYS:
        return f"The object store does not accept the credentials for {bucket} ({code}): correct the AWS_… variables."
    if code in _DENIED:
        return f"The credentials for {bucket} lack {right}. docs/storage.md shows the policy that is needed."
    if code:
        return f"The object store refuses {right} at {bucket}: {error}"
    return f"The object store of {bucket} cannot be reached: {error}. Check AWS_ENDPOINT_URL and the network."
