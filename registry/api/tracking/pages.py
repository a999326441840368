"""MLflow's own UI: its page and files for people who are signed in, and the links that clients print."""

from dataclasses import replace
from urllib.parse import quote

from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect

from registry.api.tracking.calls import Call
from registry.api.tracking.forwarding import forward_file

_UI_POLICY = "; ".join(
    [
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "frame-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    ]
)
"""Wider than the product's own pages have it: this UI is built with inline styles and evaluates scripts."""


def index(call: Call) -> HttpResponseBase:
    """The UI's one page. It uses relative addresses, so it lives below `/mlflow/`."""
    response = forward_file(replace(call, parameters={}))
    response["Content-Security-Policy"] = _UI_POLICY
    response["Cache-Control"] = "no-cache"
    return response


def static_file(call: Call) -> HttpResponseBase:
    """A script, style, image or font of the UI."""
    response = forward_file(replace(call, parameters={}))
    response["Content-Security-Policy"] = _UI_POLICY
    response["X-Frame-Options"] = "SAMEORIGIN"
    return response


def sign_in(request: HttpRequest) -> HttpResponseRedirect:
    """Send a browser to the sign-in page, and back here afterwards."""
    return HttpResponseRedirect(f"{settings.LOGIN_URL}?{REDIRECT_FIELD_NAME}={quote(request.get_full_path())}")


def bare_prefix(request: HttpRequest) -> HttpResponseRedirect:  # noqa: ARG001
    """`/mlflow` is `/mlflow/`."""
    return HttpResponseRedirect("/mlflow/")


def experiment_link(request: HttpRequest, experiment_id: str) -> HttpResponseRedirect:  # noqa: ARG001
    """The link that a client prints for an experiment."""
    return HttpResponseRedirect(f"/mlflow/#/experiments/{quote(experiment_id)}")


def run_link(request: HttpRequest, experiment_id: str, run_id: str) -> HttpResponseRedirect:  # noqa: ARG001
    """The link that a client prints for a run."""
    return HttpResponseRedirect(f"/mlflow/#/experiments/{quote(experiment_id)}/runs/{quote(run_id)}")
