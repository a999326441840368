"""Webhooks under Settings: the list, one with its log, and the dialogs that make and change them."""

import secrets
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse, reverse_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry.models import Webhook, WebhookStatus
from registry.privileges import Action, SecurableType
from registry.services.access import allowed_actions
from registry.services.actors import Actor
from registry.services.deliveries import list_deliveries, try_webhook
from registry.services.delivery_http import Answer
from registry.services.securables import metastore
from registry.services.webhook_events import EXAMPLES
from registry.services.webhooks import (
    NewWebhook,
    WebhookChanges,
    create_webhook,
    delete_webhook,
    get_webhook,
    list_webhooks,
    parse_scope,
    update_webhook,
    webhook_places,
)
from registry.web.actions import told_in_a_toast
from registry.web.delivery_log import log_context
from registry.web.dialogs import Form, dialog, done, refusals_on
from registry.web.explore import PAGE_SIZE, list_context
from registry.web.pickers import PickerInput
from registry.web.session import signed_in
from registry.web.settings_sections import Section, add_section, settings_context
from registry.web.toasts import Undo

EVENTS = {
    "registered_model.created": "A model is created",
    "model_version.created": "A version is ready",
    "model_version_tag.set": "A tag of a version is set",
    "model_version_tag.deleted": "A tag of a version is removed",
    "model_version_alias.created": "An alias is set or moved",
    "model_version_alias.deleted": "An alias is removed",
}
_ICONS = {
    SecurableType.CATALOG: "circle-stack",
    SecurableType.SCHEMA: "rectangle-stack",
    SecurableType.REGISTERED_MODEL: "cube",
}
_TO_LEVEL = {1: SecurableType.CATALOG, 2: SecurableType.SCHEMA, 3: SecurableType.REGISTERED_MODEL}

add_section(Section("Webhooks", "/settings/webhooks", "rss", position=60))


class WebhookForm(Form):
    """What a webhook is made of."""

    name = forms.CharField(max_length=63, help_text="Letters, digits, dots, underscores and hyphens.")
    url = forms.CharField(
        label="Address",
        max_length=2000,
        widget=forms.TextInput({"inputmode": "url", "placeholder": "https://ci.example.com/hooks/models"}),
        help_text="Gets a POST with JSON, and answers with a 2xx within seconds.",
    )
    events = forms.MultipleChoiceField(
        label="When",
        choices=list(EVENTS.items()),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one event."},
    )
    scope_name = forms.CharField(
        label="Where",
        required=False,
        max_length=800,
        widget=PickerInput(reverse_lazy("webhook-places"), {"placeholder": "every model"}),
    )
    description = forms.CharField(max_length=1000, required=False)
    secret = forms.CharField(
        required=False,
        max_length=1000,
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false", "class": "mono"}),
    )


class NewWebhookForm(WebhookForm):
    """A webhook that is not there yet."""

    def __init__(self, *args: Any, everywhere: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        where = self.fields["scope_name"]
        where.help_text = "A catalog, schema or model that you own or manage."
        if everywhere:
            where.help_text += " Empty: every model."
        else:
            where.required = True
            where.widget.attrs["placeholder"] = "catalog, catalog.schema or catalog.schema.model"
            where.error_messages["required"] = "Name a catalog, schema or model: only administrators hear of all."
        self.fields["secret"].help_text = (
            "Signs each delivery, so that the receiver knows it is from here. Copy it to the receiver now: it is "
            "sealed, and never shown again. Empty: nothing is signed."
        )


class ChangedWebhookForm(WebhookForm):
    """A webhook that is there: where it is told from stays, and so does its secret unless another is given."""

    unsigned = forms.BooleanField(label="Sign nothing any more", required=False)

    def __init__(self, *args: Any, signed: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["scope_name"]
        secret = self.fields["secret"]
        secret.label = "Another secret" if signed else "Secret"
        secret.help_text = "Empty: the one that is set stays." if signed else "Empty: nothing is signed."
        if not signed:
            del self.fields["unsigned"]


@require_safe
@signed_in
def webhooks_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Every webhook that the viewer may see."""
    listed = list_context(request)
    page = list_webhooks(
        actor=actor,
        name_contains=listed["query"],
        order=listed["order"],
        max_results=PAGE_SIZE,
        page_token=request.GET.get("page", ""),
    )
    listed["order"] = listed["order"] or "-created"
    context = {"page": page, **listed, "rows": [(row, host_of(row.url)) for row in page.items]}
    return render(request, "settings/webhooks.html", {**context, **settings_context(request, actor)})


def host_of(url: str) -> str:
    """The receiver without its path, which is a secret with some receivers."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@require_safe
@signed_in
def webhook_page(request: HttpRequest, actor: Actor, webhook_id: str) -> HttpResponseBase:
    """One webhook, what it is told of, and the log of what it was sent."""
    webhook = get_webhook(actor=actor, webhook_id=webhook_id)
    state = request.GET.get("state", "")
    page = list_deliveries(
        actor=actor,
        webhook_id=webhook.pk,
        state=state,
        max_results=PAGE_SIZE,
        page_token=request.GET.get("page", ""),
    )
    may_manage = _may_manage(actor, webhook)
    context = {
        "webhook": webhook,
        "host": host_of(webhook.url),
        "events": [(name, EVENTS.get(name, name)) for name in webhook.events],
        "may_manage": may_manage,
        "may_delete": may_manage or webhook.owner_id in actor.principal_ids,
        **log_context(page, state=state, may_replay=may_manage),
        **settings_context(request, actor),
    }
    return render(request, "settings/webhook.html", context)


def _may_manage(actor: Actor, webhook: Webhook) -> bool:
    return Action.MANAGE_WEBHOOKS in allowed_actions(actor=actor, securable=webhook.scope or metastore())


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def new_webhook(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Make a webhook; its log is shown next."""
    start = {
        "secret": secrets.token_hex(32),
        "scope_name": request.GET.get("scope", ""),
        "events": ["model_version.created", "model_version_alias.created"],
    }
    everywhere = Action.MANAGE_WEBHOOKS in allowed_actions(actor=actor, securable=metastore())
    form = NewWebhookForm(request.POST if request.method == "POST" else None, initial=start, everywhere=everywhere)
    if form.is_valid():
        asked = form.cleaned_data
        with refusals_on(form):
            scope_name = asked["scope_name"].strip()
            new = NewWebhook(
                name=asked["name"].strip(),
                url=asked["url"].strip(),
                events=asked["events"],
                description=asked["description"],
                secret=asked["secret"].strip(),
                scope_type=_level_of(scope_name),
                scope_name=scope_name,
            )
            made = create_webhook(actor=actor, new=new)
            toast = f"Webhook {made.name} is made. Try it with Send test."
            return done(request, to=reverse("webhook", args=[made.pk]), toast=toast)
    intro = "Tells an address of yours what happens to models, so that a pipeline starts by itself."
    return dialog(request, title="New webhook", form=form, submit="Create webhook", intro=intro)


def _level_of(full_name: str) -> SecurableType | None:
    if not full_name:
        return None
    return _TO_LEVEL.get(full_name.count(".") + 1) or parse_scope(full_name)


@require_safe
@signed_in
def places(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Catalogs, schemas and models that the viewer may make webhooks on, by a part of the name."""
    found = webhook_places(actor=actor, text=request.GET.get("q", "").strip())
    options = [
        {"value": row.full_name, "label": row.full_name, "icon": _ICONS[SecurableType(row.type)], "note": ""}
        for row in found
    ]
    empty = "Nothing that you own or manage has that in its name."
    return render(request, "parts/_picker_options.html", {"options": options, "empty": empty})


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def edit_webhook(request: HttpRequest, actor: Actor, webhook_id: str) -> HttpResponseBase:
    """Change a webhook."""
    webhook = get_webhook(actor=actor, webhook_id=webhook_id)
    start = {
        "name": webhook.name,
        "url": webhook.url,
        "events": webhook.events,
        "description": webhook.description,
    }
    form = ChangedWebhookForm(
        request.POST if request.method == "POST" else None, initial=start, signed=webhook.has_secret
    )
    if form.is_valid():
        asked = form.cleaned_data
        with refusals_on(form):
            secret = "" if asked.get("unsigned") else (asked["secret"].strip() or None)
            changes = WebhookChanges(
                name=asked["name"].strip(),
                url=asked["url"].strip(),
                events=asked["events"],
                description=asked["description"],
                secret=secret,
            )
            update_webhook(actor=actor, webhook_id=webhook.pk, changes=changes)
            return done(request, to=_page_of(request, webhook), toast="The webhook is changed.")
    return dialog(request, title=f"Edit webhook {webhook.name}", form=form)


def _page_of(request: HttpRequest, webhook: Webhook) -> str:
    """Where a change ends: on the page below the dialog, or without scripts on the page of the webhook."""
    return "" if getattr(request, "htmx", False) else reverse("webhook", args=[webhook.pk])


@require_POST
@signed_in
@told_in_a_toast
def switch_webhook(request: HttpRequest, actor: Actor, webhook_id: str) -> HttpResponseBase:
    """Disable a webhook, or enable it again: `status` says which."""
    status = request.POST.get("status", "")
    changes = WebhookChanges(status=status)
    webhook = update_webhook(actor=actor, webhook_id=webhook_id, changes=changes)
    enabled = webhook.status == WebhookStatus.ACTIVE
    back = WebhookStatus.DISABLED if enabled else WebhookStatus.ACTIVE
    undo = Undo(reverse("switch-webhook", args=[webhook.pk]), {"status": back})
    toast = (
        f"{webhook.name} is enabled." if enabled else f"{webhook.name} is disabled: it is told nothing, and what "
        "waits for it is skipped."
    )  # fmt: skip
    return done(request, to=_page_of(request, webhook), toast=toast, undo=undo)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def test_webhook(request: HttpRequest, actor: Actor, webhook_id: str) -> HttpResponseBase:
    """Send an example at once, and show what the receiver said."""
    webhook = get_webhook(actor=actor, webhook_id=webhook_id)
    form = TestForm(request.POST if request.method == "POST" else None, webhook=webhook)
    answer: Answer | None = None
    if form.is_valid():
        with refusals_on(form):
            answer = try_webhook(actor=actor, webhook_id=webhook.pk, event=form.cleaned_data["event"])
    return dialog(
        request,
        "settings/try.html",
        title=f"Test {webhook.name}",
        form=form,
        submit="Send again" if answer else "Send test",
        answer=answer,
        receiver=host_of(webhook.url),
        page=reverse("webhook", args=[webhook.pk]),
    )


class TestForm(Form):
    """Which example is sent."""

    __test__ = False
    event = forms.ChoiceField(label="Example")

    def __init__(self, *args: Any, webhook: Webhook, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["event"]
        field.choices = [(name, EVENTS.get(name, name)) for name in webhook.events if name in EXAMPLES]


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@told_in_a_toast
def remove_webhook(request: HttpRequest, actor: Actor, webhook_id: str) -> HttpResponseBase:
    """Delete a webhook with its log."""
    webhook = get_webhook(actor=actor, webhook_id=webhook_id)
    form = Form(request.POST if request.method == "POST" else None)
    if form.is_valid():
        with refusals_on(form):
            delete_webhook(actor=actor, webhook_id=webhook.pk)
            return done(request, to=reverse("webhooks"), toast=f"Webhook {webhook.name} is deleted.")
    intro = "What waits for it is not sent any more, and its log goes with it. Disable it instead to keep the log."
    return dialog(
        request, title=f"Delete webhook {webhook.name}", form=form, submit="Delete", danger=True, intro=intro
    )
