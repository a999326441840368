"""What the Files API's calls take and answer, for the OpenAPI document. Tests hold real answers against it."""

from registry.api.openapi.dialects import Call, Dialect
from registry.api.openapi.shapes import (
    ANYTHING,
    BYTES,
    FLAG,
    MILLIS,
    MOMENT,
    TEXT,
    WHOLE,
    Schema,
    choice,
    fields,
    listed,
    noted,
)

_OCTETS = "application/octet-stream"
_CONDITIONS: dict[str, Schema] = {
    "Range": noted(TEXT, "The bytes to send.", examples=["bytes=0-1023"]),
    "If-Range": TEXT,
    "If-Match": TEXT,
    "If-None-Match": TEXT,
    "If-Modified-Since": TEXT,
    "If-Unmodified-Since": TEXT,
}
_PART_OF_FILE = {206: "The range that was asked for.", 304: "Not changed since the request's conditions."}
_ENTRY = fields({"path": TEXT, "name": TEXT, "is_directory": FLAG, "last_modified": MILLIS}, file_size=WHOLE)
_LINK = fields({"url": TEXT, "headers": listed(ANYTHING)})
_PART_LINK = fields({"url": TEXT, "headers": listed(ANYTHING), "part_number": WHOLE})
_PATH: dict[str, Schema] = {"path": noted(TEXT, "The file.", examples=["/Models/prod/ml/iris/1/MLmodel"])}
_UNTIL: dict[str, Schema] = {"expire_time": MOMENT}
_SESSION: dict[str, Schema] = {**_PATH, "session_token": TEXT}

_FILES = "/api/2.0/fs/files/{path}"
_FOLDERS = "/api/2.0/fs/directories/{path}"

DIALECT = Dialect(
    slug="files",
    title="Files",
    text="Files of model versions by path, with ranges, uploads in parts, and signed links.",
    parts={
        "path": noted(TEXT, "The path; its slashes stand as they are.", examples=["Models/prod/ml/iris/1/MLmodel"]),
        "signed": noted(TEXT, "The link's own token."),
    },
    paths={
        _FILES: {
            "GET": Call(
                "read_file",
                BYTES,
                headers=_CONDITIONS,
                answer_type=_OCTETS,
                answers=_PART_OF_FILE,
                errors=(412, 416),
                summary="Read a file, or a range of it",
            ),
            "HEAD": Call(
                "stat_file",
                None,
                headers=_CONDITIONS,
                answers={304: _PART_OF_FILE[304]},
                errors=(412,),
                summary="A file's size, tag and time, in headers",
            ),
            "PUT": Call(
                "write_file",
                None,
                query={"overwrite": FLAG},
                body=BYTES,
                body_type=_OCTETS,
                status=204,
                summary="Write a file of a version that is pending",
            ),
            "POST": Call(
                "upload_in_parts",
                fields(multipart_upload=fields({"session_token": TEXT})),
                query={
                    "action": choice("initiate-upload", "complete-upload"),
                    "session_token": noted(TEXT, "To complete the upload."),
                },
                needs=("action",),
                body=fields(parts=listed(fields({"part_number": WHOLE, "etag": TEXT}))),
                summary="Begin or complete an upload in parts",
            ),
            "DELETE": Call("delete_file", None, status=204, summary="Delete a file of a version that is pending"),
        },
        _FOLDERS: {
            "GET": Call(
                "list_directory",
                fields({"contents": listed(_ENTRY), "next_page_token": TEXT}),
                query={"page_size": WHOLE, "page_token": TEXT},
                summary="List a directory",
            ),
            "HEAD": Call("stat_directory", None, summary="Whether a directory is there"),
            "PUT": Call("make_directory", None, status=204, summary="Make a directory"),
            "DELETE": Call("delete_directory", None, status=204, summary="Delete an empty directory"),
        },
        "/api/2.0/fs/create-download-url": {
            "POST": Call(
                "create_download_url", _LINK, body=fields(_PATH, **_UNTIL), summary="A signed link to read a file"
            )
        },
        "/api/2.0/fs/create-upload-url": {
            "POST": Call(
                "create_upload_url", _LINK, body=fields(_PATH, **_UNTIL), summary="A signed link to write a file"
            )
        },
        "/api/2.0/fs/create-upload-part-urls": {
            "POST": Call(
                "create_part_urls",
                fields({"upload_part_urls": listed(_PART_LINK)}),
                body=fields(_SESSION, start_part_number=WHOLE, count=WHOLE, **_UNTIL),
                summary="Signed links to write parts of a file",
            )
        },
        "/api/2.0/fs/create-abort-upload-url": {
            "POST": Call(
                "create_abort_url",
                fields({"abort_upload_url": _LINK}),
                body=fields(_SESSION, **_UNTIL),
                summary="A signed link that aborts an upload in parts",
            )
        },
        "/_blob/{signed}": {
            "GET": Call(
                "read_by_link",
                BYTES,
                headers=_CONDITIONS,
                answer_type=_OCTETS,
                answers=_PART_OF_FILE,
                open=True,
                errors=(403, 404, 412, 416),
                summary="Read a file by a signed link",
                text="The link is the credential. An expired one is refused with 403 and XML, as object stores do.",
            ),
            "HEAD": Call(
                "stat_by_link",
                None,
                open=True,
                answers={304: _PART_OF_FILE[304]},
                errors=(403, 404, 412),
                summary="A file's size, tag and time by a signed link",
            ),
            "PUT": Call(
                "write_by_link",
                None,
                body=BYTES,
                body_type=_OCTETS,
                open=True,
                errors=(403, 404),
                summary="Write a file, or a part of one, by a signed link",
            ),
            "DELETE": Call(
                "abort_by_link",
                None,
                open=True,
                errors=(403, 404),
                summary="Abort an upload in parts by a signed link",
            ),
        },
    },
)
