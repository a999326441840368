"""Short news at the edge of the screen, with a button that takes the change back where that is possible."""

from dataclasses import dataclass, field

from django.http import HttpResponse
from django_htmx.http import trigger_client_event

from registry.errors import ModelkeepError


@dataclass(frozen=True)
class Undo:
    """What the toast's button posts: the address and the fields of a form that takes the change back."""

    url: str
    values: dict[str, str] = field(default_factory=dict)


def toast_event(
    response: HttpResponse, text: str, *, kind: str = "success", undo: Undo | None = None
) -> HttpResponse:
    """Let the browser show a toast when it has this answer to an htmx request."""
    detail: dict[str, object] = {"text": text, "kind": kind}
    if undo is not None:
        detail["undo"] = {"url": undo.url, "values": undo.values}
    return trigger_client_event(response, "toast", detail)


def refusal_toast(error: ModelkeepError) -> HttpResponse:
    """Say why a button's change was refused, and leave the page as it is."""
    return toast_event(HttpResponse(status=204), error.message, kind="error")
