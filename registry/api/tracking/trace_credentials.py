"""Where clients of the workspace kind put and find the data of a trace: a link to our own server."""

from django.conf import settings
from django.http import HttpResponse, JsonResponse

from registry.api.tracking.calls import Call, query_parameters
from registry.services.trace_files import create_trace_link


def upload(call: Call) -> HttpResponse:
    """A link that takes the data in."""
    return _credentials(call, for_write=True)


def download(call: Call) -> HttpResponse:
    """A link that gives the data out."""
    return _credentials(call, for_write=False)


def _credentials(call: Call, *, for_write: bool) -> HttpResponse:
    paths = query_parameters(call.request).get("path", [])
    signed = create_trace_link(
        actor=call.actor,
        trace_id=call.in_path["request_id"],
        path=paths[-1] if paths else "",
        for_write=for_write,
    )
    base = settings.PUBLIC_URL.rstrip("/") or f"{call.request.scheme}://{call.request.get_host()}"
    # The type tells the client to use the link as it stands, with plain PUT and GET.
    link = {"signed_uri": f"{base}/_blob/{signed}", "type": "AWS_PRESIGNED_URL", "headers": []}
    return JsonResponse({"credential_info": link})
