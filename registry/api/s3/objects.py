"""Objects: one file of a version each, whole or in parts."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from registry.api.downloads import describe_file, send_file
from registry.api.s3.door import Call, View, door, number_in, xml_answer
from registry.api.s3.errors import S3Error
from registry.api.s3.payload import checksum_header
from registry.api.s3.xml import UnreadableXML, rows_of
from registry.services import s3_door
from registry.services.file_locations import FileFacts
from registry.storage.parts import Part


def _get(call: Call, bucket: str, key: str) -> HttpResponseBase:  # noqa: ARG001
    opened = s3_door.open_object(actor=call.actor, lease=call.lease, key=key)
    return _finished(call, send_file(call.request, opened), opened.facts)


def _head(call: Call, bucket: str, key: str) -> HttpResponseBase:  # noqa: ARG001
    facts = s3_door.stat_object(actor=call.actor, lease=call.lease, key=key)
    return _finished(call, describe_file(call.request, facts), facts)


def _finished(call: Call, response: HttpResponseBase, facts: FileFacts) -> HttpResponseBase:
    """The answer in this protocol's words: its errors, and the checksum of a whole file for who asks for it."""
    if response.status_code == 412:
        raise S3Error("PreconditionFailed", "The file is not the one that the conditions name.")
    if response.status_code == 416:
        raise S3Error("InvalidRange", f"The file has {facts.size} bytes: the range lies outside.")
    if response.status_code == 200 and call.request.headers.get("X-Amz-Checksum-Mode", "").upper() == "ENABLED":
        response["x-amz-checksum-sha256"] = checksum_header(facts.etag)
        response["x-amz-checksum-type"] = "FULL_OBJECT"
    return response


def _put(call: Call, bucket: str, key: str) -> HttpResponseBase:  # noqa: ARG001
    _refuse_unmeant(call)
    payload = call.payload()
    facts = s3_door.write_object(actor=call.actor, lease=call.lease, key=key, source=payload, expected=payload.size)
    return _kept(facts.etag, payload.checksums)


def _refuse_unmeant(call: Call) -> None:
    """Headers that change what a write means: to ignore one would be to lie about what was done."""
    for name in ("x-amz-copy-source", "if-match", "if-none-match", "x-amz-write-offset-bytes"):
        if name in call.request.headers:
            raise S3Error("NotImplemented", f"'{name}' is not served on writes: send the bytes, without conditions.")


def _kept(etag: str, checksums: dict[str, str]) -> HttpResponse:
    response = HttpResponse(content_type="application/xml", headers=checksums)
    response["ETag"] = f'"{etag}"'
    return response


def _delete(call: Call, bucket: str, key: str) -> HttpResponseBase:  # noqa: ARG001
    s3_door.delete_objects(actor=call.actor, lease=call.lease, keys=[key])
    return HttpResponse(status=204)


# --- In parts ---------------------------------------------------------------------------------------------------


def _begin(call: Call, bucket: str, key: str) -> HttpResponseBase:
    upload_id = s3_door.begin_object(actor=call.actor, lease=call.lease, key=key)
    return xml_answer("InitiateMultipartUploadResult", [("Bucket", bucket), ("Key", key), ("UploadId", upload_id)])


def _put_part(call: Call, bucket: str, key: str) -> HttpResponseBase:  # noqa: ARG001
    _refuse_unmeant(call)
    payload = call.payload()
    etag = s3_door.write_part(
        actor=call.actor,
        lease=call.lease,
        key=key,
        upload_id=call.query["uploadId"],
        number=number_in(call.query, "partNumber", default=0),
        source=payload,
        expected=payload.size,
    )
    return _kept(etag, payload.checksums)


def _complete(call: Call, bucket: str, key: str) -> HttpResponseBase:
    sums = [name for name in call.request.headers if name.lower().startswith("x-amz-checksum-")]
    if any(not name.lower().endswith("-type") for name in sums):
        raise S3Error("NotImplemented", "A checksum over all parts is not computed here: send one with each part.")
    facts = s3_door.complete_object(
        actor=call.actor, lease=call.lease, key=key, upload_id=call.query["uploadId"], parts=_parts(call)
    )
    return xml_answer(
        "CompleteMultipartUploadResult", [("Bucket", bucket), ("Key", key), ("ETag", f'"{facts.etag}"')]
    )


def _parts(call: Call) -> list[Part]:
    try:
        rows = rows_of(call.payload().whole(), root="CompleteMultipartUpload", row="Part")
        return [Part(number=int(row["PartNumber"]), etag=row["ETag"].strip().strip('"')) for row in rows]
    except (UnreadableXML, KeyError, ValueError) as error:
        raise S3Error(
            "MalformedXML", "Name every part with its PartNumber and ETag in CompleteMultipartUpload."
        ) from error


def _abort(call: Call, bucket: str, key: str) -> HttpResponseBase:  # noqa: ARG001
    s3_door.abort_object(actor=call.actor, lease=call.lease, key=key, upload_id=call.query["uploadId"])
    return HttpResponse(status=204)


def _list_parts(call: Call, bucket: str, key: str) -> HttpResponseBase:  # noqa: ARG001
    raise S3Error("NotImplemented", "Parts are not listed here: begin the upload anew.")


_WHOLE: dict[str, View] = {"GET": _get, "HEAD": _head, "PUT": _put, "DELETE": _delete}
_IN_PARTS: dict[str, View] = {"GET": _list_parts, "PUT": _put_part, "POST": _complete, "DELETE": _abort}


def _route(request: HttpRequest, query: dict[str, str]) -> View | None:
    method = request.method or ""
    if "uploadId" in query:
        return _IN_PARTS.get(method)
    if "uploads" in query and method == "POST":
        return _begin
    return _WHOLE.get(method)


object_view = door(_route)
