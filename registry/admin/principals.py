"""Users, service principals and groups; memberships; tokens."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse

from registry.admin.base import ServiceAdmin, ServiceForm, actor_of
from registry.models import ApiToken, Membership, Principal, PrincipalKind
from registry.services import memberships, passwords, principals, tokens
from registry.services.actors import Actor
from registry.services.grants import find_principal
from registry.services.principals import ProfileChanges

_DAY = 24 * 3600


class NewPrincipalForm(ServiceForm):
    """A new user, service principal or group."""

    kind = forms.ChoiceField(choices=PrincipalKind.choices)
    name = forms.CharField(
        max_length=255,
        required=False,
        help_text="A user's e-mail, a group's name, or a service principal's application id (empty: a new one).",
    )
    display_name = forms.CharField(max_length=255, required=False, help_text="What people read; not for groups.")

    class Meta:
        model = Principal
        fields = ()

    def apply(self) -> Principal:
        """Make it."""
        name, display_name = self.cleaned_data["name"], self.cleaned_data["display_name"]
        match self.cleaned_data["kind"]:
            case PrincipalKind.USER:
                return principals.create_user(actor=self.actor, email=name, display_name=display_name)
            case PrincipalKind.GROUP:
                return principals.create_group(actor=self.actor, display_name=name)
        return principals.create_service_principal(actor=self.actor, display_name=display_name, application_id=name)


class PrincipalForm(ServiceForm):
    """Name, display name and whether it may act."""

    class Meta:
        model = Principal
        fields = ("name", "display_name", "is_active")

    def apply(self) -> Principal:
        """Change what was edited."""
        changed = {name: self.cleaned_data[name] for name in self.changed_data}
        return principals.update_principal(
            actor=self.actor, principal_id=self.instance.pk, changes=ProfileChanges(**changed)
        )


@admin.register(Principal)
class PrincipalAdmin(ServiceAdmin):
    """Everybody who may be granted something."""

    list_display = ("name", "display_name", "kind", "is_active", "is_builtin", "created_at", "last_login")
    list_filter = ("kind", "is_active", "is_builtin")
    search_fields = ("key", "display_name")
    ordering = ("key",)
    add_form, change_form, removable = NewPrincipalForm, PrincipalForm, True
    shown = ("kind", "external_id", "is_builtin", "password_change_required", "created_at", "last_login")
    actions = ("disable", "enable", "reset_password")

    def remove(self, actor: Actor, obj: Principal) -> None:
        """Delete it, unless it owns something."""
        principals.delete_principal(actor=actor, principal_id=obj.pk)

    @admin.action(description="Disable")
    def disable(self, request: HttpRequest, queryset: Any) -> None:
        """Let the selected do nothing more, and keep what they own."""
        self._set_active(request, queryset, active=False)

    @admin.action(description="Enable")
    def enable(self, request: HttpRequest, queryset: Any) -> None:
        """Let the selected act again."""
        self._set_active(request, queryset, active=True)

    def _set_active(self, request: HttpRequest, queryset: Any, *, active: bool) -> None:
        changes, word = ProfileChanges(is_active=active), "enabled" if active else "disabled"
        for row in queryset:
            self.attempt(
                request,
                f"{row.name} is {word}.",
                lambda row=row: principals.update_principal(
                    actor=actor_of(request), principal_id=row.pk, changes=changes
                ),
            )

    @admin.action(description="Reset password (one user)")
    def reset_password(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """Give one user a password to change at the next sign-in."""
        rows = list(queryset[:2])
        if len(rows) != 1 or rows[0].kind != PrincipalKind.USER:
            self.message_user(request, "Select one user: each password is shown once.", messages.ERROR)
            return None
        password = passwords.reset_password(actor=actor_of(request), principal_id=rows[0].pk)
        note = "It must be changed at the next sign-in. Hand it over by a way that you trust."
        return self.show_secret(request, title=f"New password of {rows[0].name}", secret=password, note=note)


class NewMembershipForm(ServiceForm):
    """A principal to put into a group, both by name."""

    group_name = forms.CharField(label="Group")
    member_name = forms.CharField(label="Member", help_text="A user, a service principal or another group.")

    class Meta:
        model = Membership
        fields = ()

    def apply(self) -> Membership:
        """Put it in."""
        group = find_principal(self.cleaned_data["group_name"])
        member = find_principal(self.cleaned_data["member_name"])
        memberships.change_members(actor=self.actor, group_id=group.pk, add=[member.pk])
        return Membership.objects.select_related("group", "member").get(group=group, member=member)


@admin.register(Membership)
class MembershipAdmin(ServiceAdmin):
    """Who belongs to which group."""

    list_display = ("group", "member")
    list_select_related = ("group", "member")
    search_fields = ("group__key", "member__key", "member__display_name")
    ordering = ("group__key", "member__key")
    add_form, removable = NewMembershipForm, True
    shown = ("group", "member")

    def remove(self, actor: Actor, obj: Membership) -> None:
        """Take the member out."""
        memberships.change_members(actor=actor, group_id=obj.group_id, remove=[obj.member_id])


class NewTokenForm(ServiceForm):
    """A token for somebody."""

    owner_name = forms.CharField(label="For", help_text="A user or a service principal.")
    comment = forms.CharField(max_length=255, required=False)
    days = forms.IntegerField(min_value=1, max_value=3650, required=False, help_text="Valid for; empty: no end.")

    class Meta:
        model = ApiToken
        fields = ()

    def apply(self) -> ApiToken:
        """Make it, and keep the value for the answer."""
        days = self.cleaned_data["days"]
        new = tokens.create_token(
            actor=self.actor,
            comment=self.cleaned_data["comment"],
            lifetime_seconds=days * _DAY if days else None,
            principal=find_principal(self.cleaned_data["owner_name"]),
        )
        new.token.value_shown_once = new.value  # type: ignore[attr-defined]
        return new.token


@admin.register(ApiToken)
class ApiTokenAdmin(ServiceAdmin):
    """Everybody's tokens; deleting one revokes it."""

    list_display = ("prefix", "principal", "comment", "created_at", "expires_at", "last_used_at", "created_by")
    list_select_related = ("principal", "created_by")
    search_fields = ("prefix", "principal__key", "comment")
    add_form, removable = NewTokenForm, True
    shown = ("prefix", "principal", "comment", "created_at", "created_by", "expires_at", "last_used_at")

    def remove(self, actor: Actor, obj: ApiToken) -> None:
        """Revoke it."""
        tokens.revoke_token(actor=actor, token_id=str(obj.pk))

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:  # noqa: ARG002
        """Show the value this once."""
        note = "It is not kept, and cannot be shown again."
        return self.show_secret(
            request, title=f"New token of {obj.principal}", secret=obj.value_shown_once, note=note
        )
