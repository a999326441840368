"""The console's site: open to metastore admins."""

from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from registry.admin.base import actor_of
from registry.errors import AccessDenied
from registry.models import Principal
from registry.web.errors import error_page

_PLURALS = {"ApiToken": "API tokens", "ManifestEntry": "Manifest entries", "ModelAlias": "Model aliases"}
"""What adding an s to a model's name does not give."""


class ConsoleSite(AdminSite):
    """Django's admin site, for metastore admins only. One signs in at the product's own door."""

    site_header = "Modelkeep console"
    site_title = "Modelkeep console"
    index_title = "Everything there is"

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether the signed-in principal administers the metastore. One query a request."""
        principal = request.user
        if not isinstance(principal, Principal) or principal.password_change_required:
            return False
        return actor_of(request).is_metastore_admin

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """The nouns as the index shows them, in good English."""
        apps: list[Any] = super().get_app_list(request, app_label)
        for app in apps:
            for noun in app["models"]:
                noun["name"] = _PLURALS.get(noun["object_name"], noun["name"])
        return apps

    def register(self, model_or_iterable: Any, *args: Any, **kwargs: Any) -> None:
        """Leave Django's own groups out: ours are principals."""
        if model_or_iterable not in (Group, (Group,)):
            super().register(model_or_iterable, *args, **kwargs)

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponseBase:  # type: ignore[override]  # noqa: ARG002
        """Where the console sends who may not enter: to sign in, to choose a password, or away."""
        principal = request.user
        target = request.GET.get("next") or reverse("admin:index")
        if not isinstance(principal, Principal):
            return redirect(f"{reverse('sign-in')}?{urlencode({'next': target})}")
        if principal.password_change_required:
            return redirect(f"{reverse('password')}?{urlencode({'next': target})}")
        if self.has_permission(request):
            return redirect("admin:index")
        refusal = AccessDenied("The console is for metastore admins.", missing="metastore admin")
        return error_page(request, refusal)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # type: ignore[override]  # noqa: ARG002
        """The product's own page."""
        return redirect("password")

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:  # type: ignore[override]  # noqa: ARG002
        """The product's own page; signing out is a POST there."""
        return redirect("profile")
