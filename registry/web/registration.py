"""Registering a model of a run: what it takes is told while the form is filled in, and an operation does it."""

from django import forms
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse_lazy
from django.views.decorators.http import require_http_methods, require_safe

from registry.errors import ModelkeepError
from registry.services.actors import Actor
from registry.services.experiment_runs import Run, RunModel, get_run_for, run_artifacts, run_models
from registry.services.registration_plans import RegistrationPlan, plan_registration
from registry.services.registrations import register_from_source
from registry.web.dialogs import Form, dialog, done, posted, refusals_on
from registry.web.pickers import CreateContainersField, PickerInput
from registry.web.session import signed_in
from registry.web.template_tags import version_url


class RegisterForm(Form):
    """Which of a run's models, where to, and how it is described."""

    source = forms.ChoiceField(label="Model of the run")
    destination = forms.CharField(
        max_length=800,
        help_text="A model as catalog.schema.model. One that is not there yet is created, and you will own it.",
        widget=PickerInput(reverse_lazy("copy-destinations"), {"autofocus": True}),
    )
    create_containers = CreateContainersField()
    comment = forms.CharField(label="Description", required=False, widget=forms.Textarea({"rows": 3}))
    tags = forms.CharField(
        required=False,
        help_text="One a line, as key=value.",
        widget=forms.Textarea({"rows": 2, "spellcheck": "false"}),
    )

    def offer(self, models: list[RunModel]) -> None:
        """The models to choose from."""
        field = self.fields["source"]
        assert isinstance(field, forms.ChoiceField)  # noqa: S101  (declared above; tells the type checker)
        field.choices = [(model.source, f"{model.name}  ({model.source})") for model in models]

    def clean_tags(self) -> dict[str, str]:
        """Keys with values."""
        lines = [line.strip() for line in str(self.cleaned_data["tags"]).splitlines() if line.strip()]
        pairs = [line.partition("=") for line in lines]
        return {key.strip(): value.strip() for key, _, value in pairs}


def _models(actor: Actor, run_id: str) -> tuple[Run, list[RunModel]]:
    run = get_run_for(actor=actor, run_id=run_id)
    return run, run_models(run, run_artifacts(run))


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def register(request: HttpRequest, actor: Actor, experiment_id: str, run_id: str) -> HttpResponseBase:  # noqa: ARG001
    """The dialog that registers a model of a run; `source` in the address chooses which."""
    run, models = _models(actor, run_id)
    chosen = request.GET.get("source", "") or (models[0].source if models else "")
    form = RegisterForm(posted(request), initial={"source": chosen})
    form.offer(models)
    if form.is_valid():
        asked = form.cleaned_data
        with refusals_on(form):
            version, _ = register_from_source(
                actor=actor,
                name=asked["destination"],
                source=asked["source"],
                run_id=run.run_id,
                comment=asked["comment"],
                tags=asked["tags"],
                create_containers=asked["create_containers"],
            )
            toast = f"Registering {version.model.securable.full_name} version {version.version}."
            return done(request, to=version_url(version.model, version.version), toast=toast, tree=True)
    return dialog(
        request,
        "dialogs/register.html",
        title=f"Register a model of {run.name}",
        form=form,
        submit="Register",
        run=run,
        models=models,
        plan=_plan(actor, form) if models else None,
    )


@require_safe
@signed_in
def plan(request: HttpRequest, actor: Actor, experiment_id: str, run_id: str) -> HttpResponseBase:  # noqa: ARG001
    """What the registration would take, while it is being filled in."""
    return render(request, "dialogs/_register_plan.html", {"plan": _plan(actor, RegisterForm(request.GET))})


def _plan(actor: Actor, form: RegisterForm) -> RegistrationPlan | str | None:
    source = str(form["source"].value() or "")
    if not source:
        return None
    try:
        return plan_registration(
            actor=actor,
            source=source,
            name=str(form["destination"].value() or "").strip(),
            create_containers=bool(form["create_containers"].value()),
        )
    except ModelkeepError as error:
        return error.message
