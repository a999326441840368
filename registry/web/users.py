"""Settings, Users: people who can sign in. For metastore admins."""

from django import forms
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe

from registry.models import PrincipalKind
from registry.services.actors import Actor
from registry.services.memberships import list_groups
from registry.services.passwords import reset_password
from registry.services.principals import get_principal
from registry.services.provisioning import enroll_user
from registry.web.actions import told_in_a_toast
from registry.web.dialogs import Form, dialog, refusals_on
from registry.web.palette import Command, add_command
from registry.web.people import page_of, people_list
from registry.web.session import signed_in
from registry.web.settings_sections import Section, add_section, settings_context

add_section(Section("Users", "/settings/users", "user", admins_only=True, position=10))
add_command(Command("Create user", "new-user", "user-plus", admins_only=True))


class UserForm(Form):
    """Somebody new."""

    email = forms.CharField(label="E-mail", max_length=255, help_text="What they sign in with, and grants name.")
    display_name = forms.CharField(label="Display name", max_length=255, required=False)


@require_safe
@signed_in
def users(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Everybody."""
    return people_list(request, actor, PrincipalKind.USER, "people/users.html")


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def new_user(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Make a user, and show the first password this once."""
    form = UserForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with refusals_on(form):
            enrolled = enroll_user(
                actor=actor, email=form.cleaned_data["email"], display_name=form.cleaned_data["display_name"]
            )
            return dialog(
                request,
                "people/secret.html",
                title=f"{enrolled.user.label} can sign in",
                secret=enrolled.password,
                what="first password",
                note="It must be replaced at the first sign-in. Hand it over by a way that you trust.",
                next_url=page_of(enrolled.user),
                next_label="Open user",
            )
    return dialog(request, title="Create user", form=form, submit="Create")


@require_safe
@signed_in
def user_page(request: HttpRequest, actor: Actor, principal_id: int) -> HttpResponseBase:
    """One user: what is known, and the groups it is in."""
    user = get_principal(actor=actor, principal_id=principal_id, kind=PrincipalKind.USER)
    groups = list_groups(actor=actor, members=[user])[user.pk]
    context = {"person": user, "groups": groups, **settings_context(request, actor)}
    return render(request, "people/user.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def new_password(request: HttpRequest, actor: Actor, principal_id: int) -> HttpResponseBase:
    """Give a user a random password, once it is confirmed, and show it this once."""
    user = get_principal(actor=actor, principal_id=principal_id, kind=PrincipalKind.USER)
    form = Form(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with refusals_on(form):
            return dialog(
                request,
                "people/secret.html",
                title=f"New password of {user.label}",
                secret=reset_password(actor=actor, principal_id=principal_id),
                what="new password",
                note="It must be replaced at the next sign-in. Hand it over by a way that you trust.",
                next_url=page_of(user),
                next_label="Done",
            )
    intro = "They get a random password, which is shown to you once. Their browser sessions end; tokens stay."
    return dialog(request, title=f"Reset the password of {user.label}?", form=form, submit="Reset", intro=intro)
