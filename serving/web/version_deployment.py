"""What a version needs to run, and whether it would: its environment, and a trial before any endpoint needs it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry.models import ModelVersion, Operation, OperationState, VersionStatus
from registry.privileges import Action
from registry.services.access import allowed_actions
from registry.services.actors import Actor
from registry.services.model_versions import get_version
from registry.services.operation_views import watch_operation
from registry.services.operations import OPEN, get_operation, visible_operations
from registry.services.version_comparison import read_requirements
from registry.web.actions import name_of, told_in_a_toast
from registry.web.dialogs import Form, dialog, done, posted, refusals_on
from registry.web.object_tabs import VERSION, ObjectTab, add_object_action, add_object_tab
from registry.web.polling import next_wait
from registry.web.session import signed_in
from registry.web.template_tags import path_of
from serving.services.environment_operations import EnvironmentView, build_environment, environment_of
from serving.services.predeployment import validate_deployment
from serving.services.query_examples import example_of
from serving.services.requirement_edits import edit_requirements
from serving.web.log_lines import marked_lines, quoted_in

_LONGEST_LIVE = 4
_CODE = {"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}
_BOTH = ["GET", "HEAD", "POST"]
_GOING_ON = {"PENDING", "BUILDING"}


class TrialForm(Form):
    """What is tried: a request, and perhaps other packages."""

    input_data = forms.CharField(
        label="Request",
        required=False,
        max_length=1024**2,
        widget=forms.Textarea({"rows": 8, "class": "mono", **_CODE}),
        help_text="As an endpoint would take it, in JSON. Empty: the model's input example.",
    )
    override = forms.CharField(
        label="Try with other packages",
        required=False,
        widget=forms.Textarea({"rows": 2, "class": "mono", "placeholder": "scikit-learn==1.7.2", **_CODE}),
        help_text="One requirement a line; it takes the place of the model's line for the same package, here only.",
    )


class EditForm(Form):
    """Lines that are added, replaced and removed."""

    add = forms.CharField(
        label="Add or replace",
        required=False,
        widget=forms.Textarea({"rows": 4, "class": "mono", "placeholder": "scikit-learn==1.7.2", **_CODE}),
        help_text="One requirement a line: it takes the place of the line of the same package, or is added.",
    )
    remove = forms.CharField(
        required=False,
        widget=forms.Textarea({"rows": 2, "class": "mono", **_CODE}),
        help_text="One package a line.",
    )


def _may_load(actor: Actor, version: ModelVersion) -> bool:
    allowed = allowed_actions(actor=actor, securable=version.model.securable)
    return Action.LOAD_VERSION in allowed and version.status == VersionStatus.READY


def _environment_tab(request: HttpRequest, actor: Actor, version: ModelVersion) -> dict[str, Any]:
    """What was asked for beside what it was resolved to, and how making it goes."""
    found = environment_of(actor=actor, name=version.model.securable.full_name, version=version.version)
    going_on = found.state in _GOING_ON
    operation = _operation(actor, found)
    if operation is not None and operation.state in OPEN:
        going_on = True
    resolved = dict(found.packages)
    asked = read_requirements(found.requested)
    at_fault = quoted_in(found.message, found.requested)
    wrong = {name for name, _ in read_requirements([at_fault])} if at_fault else set()
    return {
        "version": version,
        "environment": found,
        "operation": operation,
        "going_on": going_on,
        "wait": next_wait(request.GET.get("wait", ""), longest=_LONGEST_LIVE),
        "rows": [(name, constraint, resolved.get(_plain(name), ""), name in wrong) for name, constraint in asked],
        "others": [pair for pair in found.packages if pair[0] not in {_plain(name) for name, _ in asked}],
        "lines": marked_lines(found.log, named=at_fault) if found.log else [],
        "packed_limit": settings.PACKED_ENVIRONMENT_MAX_BYTES,
        "may_build": _may_load(actor, version),
        "place": [*path_of(version.model.securable), version.version],
    }


def _plain(name: str) -> str:
    """A requirement's package without its extras, as locks spell it."""
    return name.partition("[")[0].lower().replace("_", "-").replace(".", "-")


def _operation(actor: Actor, found: EnvironmentView) -> Operation | None:
    """What last made it, for who may see that."""
    if found.operation_id is None:
        return None
    return visible_operations(actor).filter(pk=found.operation_id).first()


def _signature_tab(_request: HttpRequest, actor: Actor, version: ModelVersion) -> Mapping[str, Any]:
    may_try = _may_load(actor, version)
    example = example_of(actor=actor, version=version) if may_try else None
    return {
        "may_try": may_try,
        "example": example,
        "place": [*path_of(version.model.securable), version.version],
    }


add_object_tab(VERSION, ObjectTab("signature", "Signature", "serving/_version_signature.html", _signature_tab))
add_object_tab(
    VERSION, ObjectTab("environment", "Environment", "serving/_version_environment.html", _environment_tab)
)
add_object_action(VERSION, "serving/_version_actions.html")


@require_safe
@signed_in
def environment(
    request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str, version: int
) -> HttpResponseBase:
    """How making the environment goes on."""
    found = get_version(actor=actor, name=name_of(catalog, schema, model), version=version)
    return render(request, "serving/_environment.html", _environment_tab(request, actor, found))


@require_POST
@signed_in
@told_in_a_toast
def pack(request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str, version: int) -> HttpResponseBase:
    """Have the environment made, proved and packed now."""
    build_environment(actor=actor, name=name_of(catalog, schema, model), version=version)
    page = f"{reverse('version', args=[catalog, schema, model, version])}?tab=environment"
    return done(request, to=page, toast="The environment is being made.")


@require_http_methods(_BOTH)
@signed_in
@told_in_a_toast
def edit(request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str, version: int) -> HttpResponseBase:
    """Other requirements for the same model, as a new version; its page is shown next."""
    name = name_of(catalog, schema, model)
    found = get_version(actor=actor, name=name, version=version)
    form = EditForm(posted(request), initial={"add": request.GET.get("add", "")})
    if form.is_valid():
        with refusals_on(form):
            asked = form.cleaned_data
            made, _ = edit_requirements(
                actor=actor, name=name, version=version, add=asked["add"], remove=asked["remove"]
            )
            page = f"{reverse('version', args=[catalog, schema, model, made.version])}?tab=environment"
            return done(request, to=page, toast=f"Version {made.version} has the new requirements.")
    return dialog(
        request,
        "serving/edit_requirements.html",
        title=f"Edit the requirements of version {version}",
        form=form,
        submit="Make a new version",
        requirements=found.requirements,
        next_version=found.model.last_version + 1,
    )


@require_http_methods(_BOTH)
@signed_in
@told_in_a_toast
def validate(
    request: HttpRequest, actor: Actor, catalog: str, schema: str, model: str, version: int
) -> HttpResponseBase:
    """Would it deploy? Asked in a dialog, or by the form of the signature's tab; the report follows in its place."""
    name = name_of(catalog, schema, model)
    get_version(actor=actor, name=name, version=version)
    form = TrialForm(posted(request))
    inline = request.GET.get("in") == "page"
    if form.is_valid():
        with refusals_on(form):
            asked = form.cleaned_data
            operation = validate_deployment(
                actor=actor,
                name=name,
                version=version,
                input_data=asked["input_data"],
                pip_requirements_override=asked["override"].splitlines(),
            )
            context = _trial_context(request, actor, operation)
            if inline and getattr(request, "htmx", None):
                return render(request, "serving/_trial.html", context)
            return dialog(request, "serving/trial.html", title=f"Can I deploy version {version}?", **context)
    if inline and getattr(request, "htmx", None):
        errors = [str(error) for messages in form.errors.values() for error in messages]
        return render(request, "parts/_alert_bad.html", {"text": " ".join(errors)})
    intro = (
        "Makes the environment, loads the model in the sandbox of endpoints, and predicts. Nothing is deployed. "
        "The first time takes as long as installing its packages."
    )
    return dialog(request, title=f"Can I deploy version {version}?", form=form, submit="Try it", intro=intro)


@require_safe
@signed_in
def trial(request: HttpRequest, actor: Actor, operation_id: UUID) -> HttpResponseBase:
    """How a trial goes on, and its report in the end."""
    operation = get_operation(actor=actor, operation_id=operation_id)
    return render(request, "serving/_trial.html", _trial_context(request, actor, operation))


def _trial_context(request: HttpRequest, actor: Actor, operation: Operation) -> dict[str, Any]:
    watched = watch_operation(actor=actor, operation_id=operation.pk)
    going_on = watched.operation.state in OPEN
    return {
        "operation": watched.operation,
        "report": watched.operation.result if watched.operation.state == OperationState.SUCCEEDED else None,
        "lines": marked_lines("\n".join(line.text for line in watched.lines)),
        "going_on": going_on,
        "wait": next_wait(request.GET.get("wait", ""), longest=_LONGEST_LIVE),
    }
