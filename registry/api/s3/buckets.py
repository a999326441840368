"""The one bucket: its region, and the keys of the version that the credentials are for."""

import base64
import binascii
from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from registry.api.s3.door import Call, View, door, number_in, xml_answer
from registry.api.s3.errors import S3Error
from registry.api.s3.xml import UnreadableXML, rows_of
from registry.services import s3_door
from registry.services.manifest_keys import Key

REGION = "us-east-1"
"""Clients ask for a bucket's region and sign for it; this is the one that means nothing in particular."""


def _head(call: Call, bucket: str) -> HttpResponseBase:  # noqa: ARG001
    return HttpResponse(content_type="application/xml", headers={"x-amz-bucket-region": REGION})


def _location(call: Call, bucket: str) -> HttpResponseBase:  # noqa: ARG001
    return xml_answer("LocationConstraint", [])


def _list(call: Call, bucket: str) -> HttpResponseBase:
    """ListObjects, in its first and second version."""
    query, second = call.query, call.query.get("list-type") == "2"
    delimiter, encoding = query.get("delimiter", ""), query.get("encoding-type", "")
    if delimiter not in {"", "/"}:
        raise S3Error("NotImplemented", "'delimiter' must be a slash.")
    if encoding not in {"", "url"}:
        raise S3Error("InvalidArgument", "'encoding-type' must be url.")
    limit = min(number_in(query, "max-keys", default=s3_door.PAGE_SIZE), s3_door.PAGE_SIZE)
    page = s3_door.list_objects(
        actor=call.actor,
        lease=call.lease,
        prefix=query.get("prefix", ""),
        folded=bool(delimiter),
        after=_after(query) if second else query.get("marker", ""),
        limit=limit,
    )

    def written(key: str) -> str:
        return quote(key, safe="/-_.~") if encoding else key

    fields = [("Name", bucket), ("Prefix", written(query.get("prefix", ""))), ("MaxKeys", limit)]
    fields += [("Delimiter", delimiter)] if delimiter else []
    fields += [("EncodingType", encoding)] if encoding else []
    fields += [("IsTruncated", "true" if page.last else "false")]
    if second:
        fields += [("KeyCount", len(page.keys))]
        fields += [("ContinuationToken", token)] if (token := query.get("continuation-token")) else []
        fields += [("StartAfter", written(start))] if (start := query.get("start-after")) else []
        fields += [("NextContinuationToken", _token(page.last))] if page.last else []
    else:
        fields += [("Marker", written(query.get("marker", "")))]
        fields += [("NextMarker", written(page.last))] if page.last else []
    fields += [_line(key, written(key.name)) for key in page.keys]
    return xml_answer("ListBucketResult", fields)


def _after(query: dict[str, str]) -> str:
    token = query.get("continuation-token", "")
    if not token:
        return query.get("start-after", "")
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise S3Error("InvalidArgument", "'continuation-token' is not one that this server gave out.") from error


def _token(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _line(key: Key, written: str) -> tuple[str, list[tuple[str, str | int]]]:
    if key.is_prefix:
        return "CommonPrefixes", [("Prefix", written)]
    moment = key.modified_at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return "Contents", [
        ("Key", written),
        ("LastModified", moment),
        ("ETag", f'"{key.sha256}"'),
        ("Size", key.size),
        ("StorageClass", "STANDARD"),
    ]


def _delete_many(call: Call, bucket: str) -> HttpResponseBase:  # noqa: ARG001
    try:
        keys = [row["Key"] for row in rows_of(call.payload().whole(), root="Delete", row="Object")]
    except (UnreadableXML, KeyError) as error:
        raise S3Error("MalformedXML", "Name every object with its Key in Delete.") from error
    if not 1 <= len(keys) <= s3_door.PAGE_SIZE:
        raise S3Error("MalformedXML", f"Name 1 to {s3_door.PAGE_SIZE} objects in Delete.")
    s3_door.delete_objects(actor=call.actor, lease=call.lease, keys=keys)
    return xml_answer("DeleteResult", [("Deleted", [("Key", key)]) for key in keys])


def _buckets(call: Call) -> HttpResponseBase:
    name = [("Name", settings.S3_DOOR_BUCKET)]
    return xml_answer(
        "ListAllMyBucketsResult", [("Owner", [("ID", call.actor.name)]), ("Buckets", [("Bucket", name)])]
    )


def _route(request: HttpRequest, query: dict[str, str]) -> View | None:
    match request.method:
        case "HEAD":
            return _head
        case "GET" if "location" in query:
            return _location
        case "GET" if "uploads" not in query:
            return _list
        case "POST" if "delete" in query:
            return _delete_many
    return None


def _root_route(request: HttpRequest, query: dict[str, str]) -> View | None:  # noqa: ARG001
    return _buckets if request.method == "GET" else None


bucket_view = door(_route)
root_view = door(_root_route)
