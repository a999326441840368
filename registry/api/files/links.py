"""Signed links: handed out to callers with a credential, used by anybody who holds one."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils import timezone

from registry.api.bodies import body_of
from registry.api.downloads import describe_file, send_file
from registry.api.files.doors import door, expire_time, link_url, open_door, parameters
from registry.api.request_context import context_of
from registry.api.wire import number_of, text_of
from registry.services import file_links, multipart_uploads
from registry.services.actors import Actor
from registry.storage.signing import BrokenLink, Claim, Target, verify


def _bundle(request: HttpRequest, link: str) -> dict[str, Any]:
    """A link as clients want it: of ours, or of the store that keeps the file, which is a whole URL already."""
    return {"url": link if "://" in link else link_url(request, link), "headers": []}


def _create_download_url(request: HttpRequest, actor: Actor, **_: str) -> HttpResponseBase:
    given = parameters(request)
    path = text_of(given, "path", required=True)
    signed = file_links.create_download_link(actor=actor, path=path, asked=expire_time(given))
    return JsonResponse(_bundle(request, signed))


def _create_upload_url(request: HttpRequest, actor: Actor, **_: str) -> HttpResponseBase:
    given = parameters(request)
    path = text_of(given, "path", required=True)
    signed = file_links.create_upload_link(actor=actor, path=path, asked=expire_time(given))
    return JsonResponse(_bundle(request, signed))


def _create_part_urls(request: HttpRequest, actor: Actor, **_: str) -> HttpResponseBase:
    given = parameters(request)
    links = multipart_uploads.create_part_links(
        actor=actor,
        path=text_of(given, "path", required=True),
        session_token=text_of(given, "session_token", required=True),
        first=number_of(given, "start_part_number", default=1),
        count=number_of(given, "count", default=1),
        asked=expire_time(given),
    )
    urls = [{**_bundle(request, part.link), "part_number": part.number} for part in links]
    return JsonResponse({"upload_part_urls": urls})


def _create_abort_url(request: HttpRequest, actor: Actor, **_: str) -> HttpResponseBase:
    given = parameters(request)
    signed = multipart_uploads.create_abort_link(
        actor=actor,
        path=text_of(given, "path", required=True),
        session_token=text_of(given, "session_token", required=True),
        asked=expire_time(given),
    )
    return JsonResponse({"abort_upload_url": _bundle(request, signed)})


def _verified(request: HttpRequest, parts: dict[str, str]) -> Claim:
    return verify(parts["signed"], method=request.method or "", now=timezone.now())


def _get_linked(request: HttpRequest, **parts: str) -> HttpResponseBase:
    claim = _verified(request, parts)
    return send_file(request, file_links.open_linked_file(claim=claim, context=context_of(request)))


def _head_linked(request: HttpRequest, **parts: str) -> HttpResponseBase:
    claim = _verified(request, parts)
    return describe_file(request, file_links.stat_linked_file(claim=claim, context=context_of(request)))


def _put_linked(request: HttpRequest, **parts: str) -> HttpResponseBase:
    claim = _verified(request, parts)
    source, expected = body_of(request)
    context = context_of(request)
    response = HttpResponse(content_type="application/json")
    if claim.target == Target.PART:
        part = multipart_uploads.receive_part(claim=claim, context=context, source=source, expected=expected)
        response["ETag"] = f'"{part.etag}"'
    else:
        file_links.write_linked_file(claim=claim, context=context, source=source, expected=expected)
    return response


def _delete_linked(request: HttpRequest, **parts: str) -> HttpResponseBase:
    claim = _verified(request, parts)
    if claim.target != Target.UPLOAD:
        raise BrokenLink("This link does not abort an upload.")
    multipart_uploads.abort_upload(claim=claim, context=context_of(request))
    return HttpResponse(content_type="application/json")


create_download_url = door(POST=_create_download_url)
create_upload_url = door(POST=_create_upload_url)
create_part_urls = door(POST=_create_part_urls)
create_abort_url = door(POST=_create_abort_url)
linked_view = open_door(GET=_get_linked, HEAD=_head_linked, PUT=_put_linked, DELETE=_delete_linked)
