"""Pages and their styles and scripts travel compressed; files of models, archives and answers of APIs as they are."""

import gzip
import re
from collections.abc import Callable
from functools import lru_cache

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils.cache import patch_vary_headers

_TEXT = re.compile(r"(text/(css|javascript|plain)|application/(javascript|json)|image/svg\+xml)\b")
_ACCEPTS = re.compile(r"\bgzip\b")
_LEAST_BYTES = 500
_MOST_BYTES = 4 * 1024 * 1024
_REMEMBERED = 256


class CompressionMiddleware(GZipMiddleware):
    """Before every other middleware, the one that serves static files too.

    A page gets padding of random length, so that its size tells nothing of what a secret in it has in common with
    what somebody else put there.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        super().__init__(get_response)
        self._static = f"/{settings.STATIC_URL.strip('/')}/"

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Compress what is a page, or a static file with text in it."""
        if request.path.startswith(self._static):
            return _compressed_static(request, response)
        if response.streaming or not response.get("Content-Type", "").startswith("text/html"):
            return response
        return super().process_response(request, response)


def _compressed_static(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if not (isinstance(response, FileResponse) and response.status_code == 200 and request.method == "GET"):
        return response
    length = int(response.get("Content-Length") or 0)
    if not _TEXT.match(response.get("Content-Type", "")) or not _LEAST_BYTES <= length <= _MOST_BYTES:
        return response
    patch_vary_headers(response, ("Accept-Encoding",))
    if not _ACCEPTS.search(request.headers.get("Accept-Encoding", "")) or response.has_header("Content-Encoding"):
        return response
    body = b"".join(response)
    # Not the response: its end is taken for the end of the request.
    if response.file_to_stream is not None:
        response.file_to_stream.close()
    compressed = HttpResponse(_gzipped(body), headers=dict(response.headers))
    compressed["Content-Encoding"] = "gzip"
    compressed["Content-Length"] = str(len(compressed.content))
    return compressed


@lru_cache(_REMEMBERED)
def _gzipped(body: bytes) -> bytes:
    """The same bytes are compressed once a process."""
    return gzip.compress(body, 9, mtime=0)
