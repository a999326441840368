"""Settings, Service principals: programs with secrets of their own. For metastore admins."""

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry.models import PrincipalKind
from registry.services.actors import Actor
from registry.services.memberships import list_groups
from registry.services.principals import create_service_principal, get_principal
from registry.services.service_principal_secrets import MAX_SECRETS, create_secret, delete_secret, list_secrets
from registry.web.actions import told_in_a_toast
from registry.web.context import public_host
from registry.web.dialogs import Form, dialog, done, refusals_on
from registry.web.palette import Command, add_command
from registry.web.people import back, page_of, people_list
from registry.web.session import signed_in
from registry.web.settings_sections import Section, add_section, settings_context

add_section(Section("Service principals", "/settings/service-principals", "cpu-chip", admins_only=True, position=12))
add_command(Command("Create service principal", "new-service-principal", "cpu-chip", admins_only=True))
_DAY = 24 * 3600
_LIFETIMES = [(30, "30 days"), (90, "90 days"), (365, "1 year"), (730, "2 years")]


class ServicePrincipalForm(Form):
    """A new program."""

    display_name = forms.CharField(
        label="Name", max_length=255, help_text="What people read, as in: nightly training"
    )


class SecretForm(Form):
    """How long a secret is valid."""

    lifetime = forms.TypedChoiceField(label="Valid for", choices=_LIFETIMES, coerce=int, initial=365)


@require_safe
@signed_in
def service_principals(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """All of them."""
    return people_list(request, actor, PrincipalKind.SERVICE_PRINCIPAL, "people/service_principals.html")


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def new_service_principal(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Make one and go to it, where secrets are made."""
    form = ServicePrincipalForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with refusals_on(form):
            made = create_service_principal(actor=actor, display_name=form.cleaned_data["display_name"])
            return done(request, to=page_of(made), toast=f"{made.label} is there. Create a secret for it.")
    return dialog(request, title="Create service principal", form=form, submit="Create")


@require_safe
@signed_in
def service_principal_page(request: HttpRequest, actor: Actor, principal_id: int) -> HttpResponseBase:
    """One of them: its groups and secrets."""
    found = get_principal(actor=actor, principal_id=principal_id, kind=PrincipalKind.SERVICE_PRINCIPAL)
    context = {
        "person": found,
        "groups": list_groups(actor=actor, members=[found])[found.pk],
        "secrets": list_secrets(actor=actor, principal_id=found.pk).items,
        "most": MAX_SECRETS,
        "now": timezone.now(),
        "host": public_host(request),
        **settings_context(request, actor),
    }
    return render(request, "people/service_principal.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def new_secret(request: HttpRequest, actor: Actor, principal_id: int) -> HttpResponseBase:
    """Make a secret and show it this once."""
    found = get_principal(actor=actor, principal_id=principal_id, kind=PrincipalKind.SERVICE_PRINCIPAL)
    form = SecretForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with refusals_on(form):
            seconds = form.cleaned_data["lifetime"] * _DAY
            made = create_secret(actor=actor, principal_id=principal_id, lifetime_seconds=seconds)
            return dialog(
                request,
                "people/secret.html",
                title=f"New secret of {found.label}",
                secret=made.value,
                what="secret",
                client_id=found.name,
                host=public_host(request),
                next_url=page_of(found),
                next_label="Done",
            )
    return dialog(request, title=f"Create a secret for {found.label}", form=form, submit="Create")


@require_POST
@signed_in
@told_in_a_toast
def end_secret(request: HttpRequest, actor: Actor, principal_id: int, secret_id: str) -> HttpResponse:
    """End a secret and every access token that was given for it."""
    delete_secret(actor=actor, principal_id=principal_id, secret_id=str(secret_id))
    found = get_principal(actor=actor, principal_id=principal_id)
    return back(request, page_of(found), toast="The secret is deleted. Programs that use it are refused from now on.")
