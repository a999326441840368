"""Asking for access, and the inbox of those who can give it."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry.errors import InvalidParameter
from registry.models import AccessRequestState
from registry.privileges import SecurableType
from registry.services.access_requests import (
    INBOX,
    MINE,
    approve_request,
    decline_request,
    find_requestable,
    get_request,
    list_requests,
    pending_requests_count,
    request_access,
    withdraw_request,
)
from registry.services.actors import Actor
from registry.services.grants import Change, parse_privilege
from registry.web.actions import told_in_a_toast
from registry.web.dialogs import Form, dialog, done, refusals_on
from registry.web.palette import Command, add_command
from registry.web.permission_addresses import KINDS
from registry.web.permission_dialogs import outlook, undo_of
from registry.web.rights_in_words import NOUNS, PRIVILEGES, grantable_on, presets_on
from registry.web.session import signed_in
from registry.web.template_tags import privilege_words

PAGE_SIZE = 50
add_command(Command("Open access requests", "requests", "inbox", is_dialog=False))
_USUAL = {
    SecurableType.METASTORE: "CREATE_CATALOG",
    SecurableType.CATALOG: "USE_CATALOG",
    SecurableType.SCHEMA: "USE_SCHEMA",
    SecurableType.REGISTERED_MODEL: "EXECUTE",
    SecurableType.TABLE: "SELECT",
}


class RequestForm(Form):
    """What one would like to be granted, and why."""

    privileges = forms.MultipleChoiceField(
        label="What you need", error_messages={"required": "Choose at least one privilege."}
    )
    reason = forms.CharField(
        label="What for",
        max_length=2000,
        required=False,
        widget=forms.Textarea({"rows": 3}),
        help_text="Whoever decides reads this.",
    )

    def __init__(self, *args: Any, type_: SecurableType, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["privileges"]
        field.choices = [(privilege.value, privilege.value) for privilege in grantable_on(type_)]


class ApprovalForm(RequestForm):
    """What is granted, which may differ from what was asked for."""

    with_way = forms.BooleanField(required=False)
    answer = forms.CharField(label="Answer", max_length=2000, required=False, widget=forms.Textarea({"rows": 2}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["privileges"].label = "What you grant"
        del self.fields["reason"]


class DeclineForm(Form):
    """Why not."""

    answer = forms.CharField(
        label="Why not",
        max_length=2000,
        widget=forms.Textarea({"rows": 3}),
        help_text="They read this: say what they can do instead.",
    )


@require_safe
@signed_in
def requests_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """What others ask of the viewer, or what the viewer has asked for."""
    box = request.GET.get("box", "")
    waiting = pending_requests_count(actor)
    box = box if box in {INBOX, MINE} else INBOX
    state = request.GET.get("state", AccessRequestState.PENDING if box == INBOX else "")
    page = list_requests(
        actor=actor,
        box=box,
        state="" if state == "all" else state,
        max_results=PAGE_SIZE,
        page_token=request.GET.get("page", ""),
    )
    return render(
        request,
        "requests/requests.html",
        {
            "page": page,
            "box": box,
            "boxes": [(INBOX, "To answer", waiting), (MINE, "Yours", 0)],
            "state": state,
            "states": [*((one.value, one.label) for one in _SHOWN), ("all", "All")],
        },
    )


_SHOWN = [AccessRequestState.PENDING, AccessRequestState.APPROVED, AccessRequestState.DECLINED]


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def new_request(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Ask for privileges on the securable that the address names."""
    kind, name = KINDS.get(request.GET.get("on", "")), request.GET.get("name", "")
    if kind is None or not name:
        raise InvalidParameter("The address names nothing to ask for. Open the object and ask from there.")
    securable = find_requestable(actor=actor, type_=kind, full_name=name)
    if request.method == "POST":
        form = RequestForm(request.POST, type_=kind)
    else:
        form = RequestForm(initial={"privileges": [request.GET.get("privilege") or _USUAL[kind]]}, type_=kind)
    if form.is_bound and form.is_valid():
        with refusals_on(form):
            request_access(
                actor=actor,
                type_=kind,
                full_name=name,
                privileges=[parse_privilege(one) for one in form.cleaned_data["privileges"]],
                reason=form.cleaned_data["reason"],
            )
            toast = f"Asked. {securable.owner.label}, who owns it, and who else administers it can answer now."
            return done(request, to="" if _over_page(request) else _mine(), toast=toast)
    return dialog(
        request,
        "requests/new.html",
        title=f"Request access to {NOUNS[kind]} {securable.full_name}",
        form=form,
        submit="Send request",
        securable=securable,
        **_choices(form, kind),
    )


def _choices(form: Form, kind: SecurableType) -> dict[str, Any]:
    return {
        "choices": [(one, PRIVILEGES[one]) for one in grantable_on(kind)],
        "chosen": form["privileges"].value() or [],
        "presets": presets_on(kind),
    }


def _over_page(request: HttpRequest) -> bool:
    return bool(getattr(request, "htmx", False))


def _mine() -> str:
    return f"{reverse('requests')}?box={MINE}"


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def approve(request: HttpRequest, actor: Actor, request_id: str) -> HttpResponseBase:
    """Grant what somebody asked for, or something else instead."""
    asked = get_request(actor=actor, request_id=request_id)
    kind = SecurableType(asked.securable_type)
    name = asked.securable.full_name if asked.securable else asked.securable_name
    wanted = Change(asked.requester.name, add=tuple(parse_privilege(one) for one in asked.privileges))
    if request.method == "POST":
        form = ApprovalForm(request.POST, type_=kind)
    else:
        form = ApprovalForm(initial={"privileges": asked.privileges, "with_way": True}, type_=kind)
    if form.is_bound and form.is_valid():
        with refusals_on(form):
            approval = approve_request(
                actor=actor,
                request_id=request_id,
                privileges=[parse_privilege(one) for one in form.cleaned_data["privileges"]],
                answer=form.cleaned_data["answer"],
                with_way=form.cleaned_data["with_way"],
            )
            words = ", ".join(privilege_words(one) for one in approval.request.granted)
            toast = f"Granted {words} to {asked.requester.label}."
            undo = undo_of(approval.changed) if approval.changed else None
            return done(request, to="" if _over_page(request) else reverse("requests"), toast=toast, undo=undo)
    return dialog(
        request,
        "requests/approve.html",
        title=f"Approve access to {NOUNS[kind]} {name}",
        form=form,
        submit="Approve",
        asked=asked,
        **outlook(actor, kind, name, wanted, with_way=bool(form["with_way"].value())),
        **_choices(form, kind),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def decline(request: HttpRequest, actor: Actor, request_id: str) -> HttpResponseBase:
    """Say no, and why."""
    asked = get_request(actor=actor, request_id=request_id)
    form = DeclineForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        with refusals_on(form):
            decline_request(actor=actor, request_id=request_id, answer=form.cleaned_data["answer"])
            toast = f"Declined. {asked.requester.label} reads why under Requests."
            return done(request, to="" if _over_page(request) else reverse("requests"), toast=toast)
    intro = f"{asked.requester.label} asked for {', '.join(privilege_words(one) for one in asked.privileges)}."
    title = f"Decline access to {NOUNS[SecurableType(asked.securable_type)]} {asked.securable_name}"
    return dialog(request, title=title, form=form, submit="Decline", danger=True, intro=intro)


@require_POST
@signed_in
@told_in_a_toast
def withdraw(request: HttpRequest, actor: Actor, request_id: str) -> HttpResponse:
    """Take one's own request back."""
    withdraw_request(actor=actor, request_id=request_id)
    return done(request, to="" if _over_page(request) else _mine(), toast="The request is withdrawn.")
