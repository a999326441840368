"""Who comes to this door: every request proves that it holds temporary credentials, and what for."""

from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from registry.api.request_context import context_of
from registry.api.s3.errors import S3Error, error_answer
from registry.api.s3.payload import Payload, payload_of
from registry.api.s3.signature import SigningKey, check_signature, query_of, read_signature
from registry.api.s3.xml import Fields, document
from registry.services.actors import Actor
from registry.services.temporary_credentials import Lease, access_key_of, holder_of, read_lease, secret_key_of

_ELSEWHERE = frozenset(
    "accelerate acl analytics attributes cors encryption intelligent-tiering inventory legal-hold lifecycle logging "
    "metrics notification object-lock ownershipControls policy policyStatus publicAccessBlock replication "
    "requestPayment restore retention select tagging torrent versionId versioning versions website".split()
)
"""What a query names that belongs to S3 and has no meaning here."""


@dataclass(frozen=True)
class Call:
    """A request whose signature holds, its holder as it stands now, and the last value of each query parameter."""

    request: HttpRequest
    key: SigningKey
    actor: Actor
    lease: Lease
    query: dict[str, str]

    def payload(self) -> Payload:
        """The body, checked as it is read. Raises S3Error."""
        return payload_of(self.request, self.key)


View = Callable[..., HttpResponseBase]
Route = Callable[[HttpRequest, dict[str, str]], View | None]


def door(route: Route) -> View:
    """One URL: `route` chooses the view by method and query; every error leaves as XML.

    A view takes a Call and the parts of the path.
    """

    @csrf_exempt  # Nobody is known here by a cookie.
    def answer(request: HttpRequest, **parts: str) -> HttpResponseBase:
        try:
            return _served(_identified(request), route, parts)
        except Exception as error:  # noqa: BLE001  (the outermost handler of this API)
            return error_answer(request, error)

    return answer


def _served(call: Call, route: Route, parts: dict[str, str]) -> HttpResponseBase:
    if parts and parts["bucket"] != settings.S3_DOOR_BUCKET:
        raise S3Error("NoSuchBucket", f"There is one bucket here: '{settings.S3_DOOR_BUCKET}'.")
    view = route(call.request, call.query)
    if view is None:
        raise S3Error("MethodNotAllowed", "This method has no meaning on this resource.")
    unknown = _ELSEWHERE & call.query.keys()
    if unknown:
        raise S3Error("NotImplemented", f"'{min(unknown)}' has no meaning here: versions of models are plain files.")
    return view(call, **parts)


def _identified(request: HttpRequest) -> Call:
    now = timezone.now()
    signature = read_signature(request)
    lease = read_lease(signature.session_token)
    if signature.access_key_id != access_key_of(signature.session_token):
        raise S3Error("InvalidAccessKeyId", "The access key and the session token are of different credentials.")
    key = check_signature(request, signature, secret=secret_key_of(signature.session_token), now=now)
    actor = holder_of(lease, context=context_of(request), now=now)
    return Call(request, key, actor, lease, dict(query_of(request)))


def xml_answer(root: str, fields: Fields) -> HttpResponse:
    """200 with a document."""
    return HttpResponse(document(root, fields), content_type="application/xml")


def number_in(query: dict[str, str], name: str, *, default: int) -> int:
    """A whole number of the query.

    Raises:
        S3Error: not one.
    """
    text = query.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise S3Error("InvalidArgument", f"'{name}' is {text!r}: it must be a whole number.")
    return int(text)
