"""The files of a version in the browser: one looked at, a picture shown, each downloaded."""

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.http import require_safe

from registry.api.downloads import send_file
from registry.errors import FileMissing
from registry.services.actors import Actor
from registry.services.file_previews import MOST_PICTURE_BYTES, bitmap_type, preview_file
from registry.services.files import open_file
from registry.web.dialogs import dialog
from registry.web.session import signed_in

_HEAD = 32


def _path(catalog: str, schema: str, model: str, version: int, path: str) -> str:
    return f"/Models/{catalog}/{schema}/{model}/{version}/{path}"


@require_safe
@signed_in
def view(request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str, version: int) -> HttpResponseBase:
    """The beginning of a file, in a dialog."""
    path = request.GET.get("path", "")
    found = preview_file(actor=actor, path=_path(catalog, schema, model, version, path))
    return dialog(
        request,
        "dialogs/file.html",
        title=path,
        preview=found,
        path=path,
        place=[catalog, schema, model, version],
    )


@require_safe
@signed_in
def download(
    request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str, version: int
) -> HttpResponseBase:
    """A file as an attachment, whatever it holds."""
    path = request.GET.get("path", "")
    opened = open_file(actor=actor, path=_path(catalog, schema, model, version, path))
    return _locked_up(send_file(request, opened))


@require_safe
@signed_in
def picture(
    request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str, version: int
) -> HttpResponseBase:
    """A bitmap, shown only if its first bytes are those of one.

    Raises:
        FileMissing: anything else, or too large to be shown.
    """
    path = request.GET.get("path", "")
    opened = open_file(actor=actor, path=_path(catalog, schema, model, version, path))
    if opened.facts.size > MOST_PICTURE_BYTES:
        opened.close()
        raise FileMissing(f"'{path}' is too large to be shown: download it.")
    data = b"".join(opened.stream(0, opened.facts.size))
    type_ = bitmap_type(data[:_HEAD])
    if not type_:
        raise FileMissing(f"'{path}' is no picture that can be shown: download it.")
    return _locked_up(HttpResponse(data, content_type=type_))


def _locked_up(response: HttpResponseBase) -> HttpResponseBase:
    """Even opened by its address, the file can run nothing and reach nothing."""
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
