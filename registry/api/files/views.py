"""Files and folders by path, for callers with a credential."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse

from registry.api.bodies import body_of
from registry.api.downloads import describe_file, send_file
from registry.api.files.doors import door, parameters
from registry.api.wire import check_text, flag_of, number_of, text_of
from registry.errors import InvalidParameter
from registry.services import files, multipart_uploads
from registry.services.actors import Actor
from registry.storage.parts import Part

_JSON = "application/json"


def _done() -> HttpResponse:
    return HttpResponse(status=204, content_type=_JSON)


def _get_file(request: HttpRequest, actor: Actor, **parts: str) -> HttpResponseBase:
    return send_file(request, files.open_file(actor=actor, path=parts["path"]))


def _head_file(request: HttpRequest, actor: Actor, **parts: str) -> HttpResponseBase:
    return describe_file(request, files.stat_file(actor=actor, path=parts["path"]))


def _put_file(request: HttpRequest, actor: Actor, **parts: str) -> HttpResponseBase:
    check_text(parts["path"])
    source, expected = body_of(request)
    overwrite = flag_of(request.GET, "overwrite")
    files.write_file(actor=actor, path=parts["path"], source=source, expected=expected, overwrite=overwrite)
    return _done()


def _delete_file(request: HttpRequest, actor: Actor, **parts: str) -> HttpResponseBase:  # noqa: ARG001
    files.delete_file(actor=actor, path=parts["path"])
    return _done()


def _post_file(request: HttpRequest, actor: Actor, **parts: str) -> HttpResponseBase:
    given = parameters(request)
    match text_of(given, "action"):
        case "initiate-upload":
            upload = multipart_uploads.begin_upload(actor=actor, path=parts["path"])
            return JsonResponse({"multipart_upload": {"session_token": str(upload.pk)}})
        case "complete-upload":
            multipart_uploads.complete_upload(
                actor=actor,
                path=parts["path"],
                session_token=text_of(given, "session_token", required=True),
                parts=_parts(given.get("parts")),
            )
            return JsonResponse({})
        case action:
            raise InvalidParameter(
                f"'action' is {action!r}: it must be initiate-upload or complete-upload.", field="action"
            )


def _parts(given: Any) -> list[Part]:
    if not isinstance(given, list) or not all(isinstance(part, dict) for part in given):
        raise InvalidParameter("'parts' must be a list of objects with part_number and etag.", field="parts")
    return [Part(number_of(part, "part_number", default=0), text_of(part, "etag").strip('"')) for part in given]


def _get_directory(request: HttpRequest, actor: Actor, **parts: str) -> HttpResponseBase:
    check_text(request.GET.dict())
    size = number_of(request.GET, "page_size", default=files.PAGE_SIZE)
    listing = files.list_directory(
        actor=actor, path=parts["path"], page_token=text_of(request.GET, "page_token"), page_size=size
    )
    contents = [_line(listed) for listed in listing.contents]
    return JsonResponse({"contents": contents, "next_page_token": listing.next_page_token})


def _line(listed: files.Listed) -> dict[str, Any]:
    line: dict[str, Any] = {
        "path": listed.path,
        "name": listed.name,
        "is_directory": listed.is_directory,
        "last_modified": int(listed.modified_at.timestamp() * 1000),
    }
    # Clients choose the way they download by it, so a folder has none.
    return line if listed.is_directory else {**line, "file_size": listed.size}


def _head_directory(request: HttpRequest, actor: Actor, **parts: str) -> HttpResponseBase:  # noqa: ARG001
    files.list_directory(actor=actor, path=parts["path"], page_size=1)
    return HttpResponse(content_type=_JSON)


def _put_directory(request: HttpRequest, actor: Actor, **parts: str) -> HttpResponseBase:  # noqa: ARG001
    files.make_directory(actor=actor, path=parts["path"])
    return _done()


def _delete_directory(request: HttpRequest, actor: Actor, **parts: str) -> HttpResponseBase:  # noqa: ARG001
    files.delete_directory(actor=actor, path=parts["path"])
    return _done()


file_view = door(GET=_get_file, HEAD=_head_file, PUT=_put_file, POST=_post_file, DELETE=_delete_file)
directory_view = door(GET=_get_directory, HEAD=_head_directory, PUT=_put_directory, DELETE=_delete_directory)
