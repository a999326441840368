"""Creating an endpoint and giving it another configuration: one page, with what it would take beside it."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from registry.errors import InvalidParameter, ModelkeepError
from registry.models import VersionStatus
from registry.privileges import SecurableType
from registry.services.actors import Actor
from registry.services.model_versions import list_versions
from registry.services.quick_search import quick_search
from registry.services.registered_models import browse_model
from registry.web.dialogs import Form, posted, refusals_on
from registry.web.pickers import PickerInput
from registry.web.session import signed_in
from serving.models import EndpointLevel, EntityRole, ServedEntity
from serving.services.endpoint_access import require_endpoint
from serving.services.endpoint_configs import MAX_ENTITIES, SIZES, UNITS, WORKLOAD_TYPES, default_entity_name
from serving.services.endpoint_plans import EndpointPlan, plan_endpoint
from serving.services.endpoint_updates import update_config
from serving.services.endpoint_views import WatchedEndpoint, get_config, watch_endpoint
from serving.services.endpoints import NewEndpoint, create_endpoint
from serving.web.endpoint import endpoint_context

CUSTOM = "custom"
_NEWEST = 12
_CODE = {"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"}


def _between(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


class EntityForm(forms.Form):
    """One served entity as people write it."""

    model = forms.CharField(max_length=800, widget=PickerInput(reverse_lazy("endpoint-models")))
    version = forms.CharField(
        max_length=256,
        widget=forms.TextInput({**_CODE, "placeholder": "3, or @Champion"}),
        help_text="Or an alias to follow, as @Champion.",
    )
    traffic = forms.IntegerField(
        label="Traffic", min_value=0, max_value=100, initial=0, widget=forms.NumberInput({"data-traffic-number": ""})
    )
    role = forms.ChoiceField(
        choices=[(EntityRole.LIVE, "Answers its share"), (EntityRole.SHADOW, "Shadow: a copy of all, unanswered")],
        initial=EntityRole.LIVE,
    )
    size = forms.ChoiceField(
        label="Scale",
        choices=[
            *((name, f"{name}: {_between(least, most)} at a time") for name, (least, most) in SIZES.items()),
            (CUSTOM, "Own bounds"),
        ],
        initial="Small",
    )
    least = forms.IntegerField(
        label="At least", min_value=0, required=False, widget=forms.NumberInput({"step": UNITS})
    )
    most = forms.IntegerField(label="At most", min_value=0, required=False, widget=forms.NumberInput({"step": UNITS}))
    to_zero = forms.BooleanField(
        label="Scale to zero when nobody asks",
        required=False,
        help_text="The first query afterwards waits for the start.",
    )
    name = forms.CharField(
        max_length=255, required=False, widget=forms.TextInput(_CODE), help_text="Empty: model-version."
    )
    compute = forms.ChoiceField(choices=[(one, one) for one in WORKLOAD_TYPES], initial="CPU")
    variables = forms.CharField(
        label="Environment variables",
        required=False,
        widget=forms.Textarea({"rows": 3, **_CODE, "placeholder": "LEVEL=info\nAPI_KEY={{secrets/scope/key}}"}),
        help_text="One NAME=value a line. Never write a secret in plain: refer to it.",
    )
    batching = forms.BooleanField(
        label="Micro-batching",
        required=False,
        help_text="Queries that wait together are predicted together, for models that score row by row.",
    )

    def clean_variables(self) -> dict[str, str]:
        """Names and values.

        Raises:
            ValidationError: a line without a name.
        """
        found: dict[str, str] = {}
        for line in self.cleaned_data["variables"].splitlines():
            if not line.strip():
                continue
            name, equals, value = line.partition("=")
            if not equals or not name.strip():
                raise forms.ValidationError(f"Write NAME=value: {line.strip()[:60]!r} names nothing.")
            found[name.strip()] = value.strip()
        return found

    def as_wire(self) -> dict[str, Any]:
        """As clients send it."""
        asked = self.cleaned_data
        wire: dict[str, Any] = {
            "entity_name": asked["model"].strip(),
            "entity_version": asked["version"].strip(),
            "name": asked["name"].strip() or self.default_name,
            "role": asked["role"] or EntityRole.LIVE,
            "workload_type": asked["compute"] or "CPU",
            "scale_to_zero_enabled": asked["to_zero"],
            "environment_vars": asked["variables"],
            "micro_batching_enabled": asked["batching"],
        }
        if asked["size"] == CUSTOM:
            wire |= {"min_provisioned_concurrency": asked["least"], "max_provisioned_concurrency": asked["most"]}
        else:
            wire["workload_size"] = asked["size"] or "Small"
        return wire

    @property
    def default_name(self) -> str:
        """What it is called when it is given no name."""
        asked = self.cleaned_data
        return default_entity_name(asked["model"].strip(), asked["version"].strip().removeprefix("@"))

    @property
    def shown_name(self) -> str:
        """What it is called in the head of its card."""
        model, version = str(self["model"].value() or ""), str(self["version"].value() or "")
        name = str(self["name"].value() or "")
        return name or (f"{model.rpartition('.')[2]} {version}".strip() if model else "New served entity")


if TYPE_CHECKING:
    _FormSet = forms.BaseFormSet[EntityForm]
else:
    # Django's class takes no parameter when it runs.
    _FormSet = forms.BaseFormSet


class EntityFormSet(_FormSet):
    """The served entities: together they have all of the traffic."""

    def clean(self) -> None:
        """Raises ValidationError unless the shares of those that answer are 100 together."""
        if any(self.errors):
            return
        live = [form.cleaned_data["traffic"] for form in self.forms if form.cleaned_data.get("role") != "SHADOW"]
        if not live:
            raise forms.ValidationError("One served entity at least must answer: a shadow answers nobody.")
        if sum(live) != 100:
            raise forms.ValidationError(f"The shares are {sum(live)} % together: they must be 100 %.")


Entities = forms.formset_factory(
    EntityForm, formset=EntityFormSet, extra=0, min_num=1, max_num=MAX_ENTITIES, validate_min=True, validate_max=True
)


class EndpointForm(Form):
    """What an endpoint is called, and what is said of it."""

    name = forms.CharField(
        max_length=63,
        widget=forms.TextInput({**_CODE, "placeholder": "flight-delay"}),
        help_text="Letters, digits, dashes and underscores. It is part of the URL and cannot be changed.",
    )
    description = forms.CharField(
        max_length=5000, required=False, widget=forms.Textarea({"rows": 2}), help_text="Markdown."
    )


class UpdateForm(Form):
    """What a new configuration needs besides its entities."""


class RolloutForm(forms.Form):
    """How a new configuration takes over: at once, or one entity step by step."""

    stepwise = forms.BooleanField(
        label="Shift the traffic in steps, and turn back by itself when it goes wrong", required=False
    )
    entity = forms.CharField(
        label="Served entity",
        max_length=255,
        required=False,
        help_text="The one that is new.",
        widget=forms.TextInput(_CODE),
    )
    steps = forms.CharField(
        required=False,
        initial="5 % for 5 min, 25 % for 15 min",
        help_text="Shares below the one above, and for how long: 5 % for 5 min, 25 % for 1 h.",
    )
    max_error_percent = forms.FloatField(
        label="Turn back above errors of (%)", min_value=0, max_value=100, required=False, initial=5
    )
    max_latency_ms = forms.FloatField(label="Turn back above a p95 of (ms)", min_value=0, required=False)

    def as_wire(self) -> dict[str, Any] | None:
        """As clients send it; None when everything shall shift at once.

        Raises:
            InvalidParameter: steps that cannot be read.
        """
        asked = self.cleaned_data
        if not asked["stepwise"]:
            return None
        limits = {name: asked[name] for name in ("max_error_percent", "max_latency_ms") if asked[name] is not None}
        return {"entity": asked["entity"].strip(), "steps": read_steps(asked["steps"]), **limits}


_UNITS = {"s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600, "d": 86_400}


def read_steps(text: str) -> list[dict[str, int]]:
    """`5 % for 5 min, 25 % for 1 h` as percents and seconds.

    Raises:
        InvalidParameter: names the step that cannot be read.
    """
    steps = []
    for part in text.split(","):
        percent, _, length = part.replace("%", " ").partition("for")
        number = "".join(letter for letter in length if letter.isdigit())
        unit = length.replace(number, "", 1).strip().lower().removesuffix("s") or "s"
        if not (percent.strip().isdigit() and number and unit in _UNITS):
            raise InvalidParameter(f"'{part.strip()}' is no step: write it as 5 % for 10 min.", field="steps")
        steps.append({"percent": int(percent), "seconds": int(number) * _UNITS[unit]})
    return steps


def config_of(entities: Any, rollout: RolloutForm | None) -> dict[str, Any]:
    """The configuration that the forms ask for, as clients send it. They are valid.

    Raises:
        InvalidParameter.
    """
    wires = [form.as_wire() for form in entities.forms]
    routes = [
        {"served_entity_name": wire["name"], "traffic_percentage": form.cleaned_data["traffic"]}
        for wire, form in zip(wires, entities.forms, strict=True)
        if wire["role"] != EntityRole.SHADOW
    ]
    config: dict[str, Any] = {"served_entities": wires, "traffic_config": {"routes": routes}}
    steps = rollout.as_wire() if rollout is not None else None
    return config | ({"rollout": steps} if steps else {})


def raw_entities(data: QueryDict) -> list[dict[str, Any]]:
    """The entities as they were typed, right or wrong."""
    total = str(data.get("entities-TOTAL_FORMS", "0"))
    count = min(int(total), MAX_ENTITIES) if total.isascii() and total.isdigit() else 0
    fields = EntityForm.base_fields
    return [{name: data.get(f"entities-{number}-{name}", "") for name in fields} for number in range(count)]


def initial_of(entity: ServedEntity) -> dict[str, Any]:
    """The fields of an entity that is served."""
    own = not entity.workload_size
    return {
        "model": entity.entity_name,
        "version": f"@{entity.entity_alias}" if entity.entity_alias else entity.entity_version,
        "traffic": entity.traffic_percentage,
        "role": entity.role,
        "size": CUSTOM if own else entity.workload_size,
        "least": entity.min_concurrency if own else None,
        "most": entity.max_concurrency if own else None,
        "to_zero": entity.scale_to_zero,
        "name": entity.name,
        "compute": entity.workload_type,
        "variables": "\n".join(f"{name}={value}" for name, value in sorted(entity.environment_vars.items())),
        "batching": entity.micro_batching,
    }


def _changed_entities(data: QueryDict) -> list[dict[str, Any]] | None:
    """The entities after a button that adds or removes one; None when another button was pressed."""
    entities = raw_entities(data)
    if "add" in data:
        model = entities[-1]["model"] if entities else ""
        return [*entities, {"model": model, "traffic": 0, "size": "Small", "compute": "CPU"}]
    if "remove" in data:
        removed = data.get("remove", "")
        left = [one for number, one in enumerate(entities) if str(number) != removed]
        live = [one for one in left if one["role"] != EntityRole.SHADOW]
        if len(live) == 1:
            live[0]["traffic"] = 100
        return left
    return None


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def create(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """A new endpoint. From a version's page it comes with `model` and `version` filled in."""
    data = posted(request)
    changed = _changed_entities(data) if data else None
    start = {
        "model": request.GET.get("model", ""),
        "version": request.GET.get("version", ""),
        "traffic": 100,
        "to_zero": True,
    }
    if data is None or changed is not None:
        form = EndpointForm(initial=data.dict() if data else {"name": request.GET.get("name", "")})
        return _page(request, form, Entities(initial=changed or [start], prefix="entities"), None)
    form, entities = EndpointForm(data), Entities(data, prefix="entities")
    if form.is_valid() & entities.is_valid():
        with refusals_on(form):
            asked = form.cleaned_data
            new = NewEndpoint(
                name=asked["name"].strip(), config=config_of(entities, None), description=asked["description"]
            )
            made = create_endpoint(actor=actor, new=new)
            messages.success(request, f"{made.name} is being made ready.")
            return redirect("endpoint", made.name)
    return _page(request, form, entities, None)


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def edit(request: HttpRequest, actor: Actor, endpoint: str) -> HttpResponseBase:
    """Another configuration. It begins with what answers now, or with the one that `from` numbers."""
    watched = watch_endpoint(actor=actor, name=endpoint)
    data = posted(request)
    changed = _changed_entities(data) if data else None
    if data is None or changed is not None:
        rollout = RolloutForm(prefix="rollout", initial=_typed(data, RolloutForm))
        start = changed if changed is not None else _served(request, actor, watched)
        return _page(request, UpdateForm(), Entities(initial=start, prefix="entities"), rollout, watched)
    form, entities, rollout = UpdateForm(data), Entities(data, prefix="entities"), RolloutForm(data, prefix="rollout")
    if form.is_valid() & entities.is_valid() & rollout.is_valid():
        with refusals_on(form):
            update_config(actor=actor, name=endpoint, config=config_of(entities, rollout))
            return redirect("endpoint", endpoint)
    return _page(request, form, entities, rollout, watched)


def _typed(data: QueryDict | None, form: type[forms.Form]) -> dict[str, Any] | None:
    if data is None:
        return None
    return {name: data.get(f"rollout-{name}", "") for name in form.base_fields}


def _served(request: HttpRequest, actor: Actor, watched: WatchedEndpoint) -> list[dict[str, Any]]:
    """The entities to begin with."""
    wanted = request.GET.get("from", "")
    if wanted.isascii() and wanted.isdigit():
        config = get_config(actor=actor, name=watched.endpoint.name, version=int(wanted))
        return [initial_of(entity) for entity in config.entities.all()]
    shown = watched.active or watched.pending
    return [initial_of(one.entity) for one in shown.entities] if shown else [{"traffic": 100}]


def _page(
    request: HttpRequest,
    form: Form,
    entities: Any,
    rollout: RolloutForm | None,
    watched: WatchedEndpoint | None = None,
) -> HttpResponseBase:
    name = watched.endpoint.name if watched else ""
    context = {
        "form": form,
        "entities": entities,
        "rollout": rollout,
        "may_add": entities.total_form_count() < MAX_ENTITIES,
        "plan_url": reverse("endpoint-plan", args=[name]) if name else reverse("create-endpoint-plan"),
        **(endpoint_context(request, watched) if watched else {}),
    }
    wrong = (entities.is_bound and not entities.is_valid()) or (
        rollout is not None and rollout.is_bound and not rollout.is_valid()
    )
    template = "serving/_form.html" if getattr(request, "htmx", None) else "serving/form.html"
    return render(request, template, context, status=form.status if not wrong else 400)


@require_POST
@signed_in
def plan(request: HttpRequest, actor: Actor, endpoint: str = "") -> HttpResponseBase:
    """What it would take, while it is being filled in."""
    if endpoint:
        require_endpoint(actor=actor, name=endpoint, level=EndpointLevel.CAN_MANAGE)
    return render(request, "serving/_plan.html", {"plan": _plan(request, actor, endpoint)})


def _plan(request: HttpRequest, actor: Actor, endpoint: str) -> EndpointPlan | str | None:
    """The plan for what the fields say; why there is none; or nothing while too little is filled in."""
    data = request.POST
    if not any(one["model"].strip() and one["version"].strip() for one in raw_entities(data)):
        return None
    entities = Entities(data, prefix="entities")
    rollout = RolloutForm(data, prefix="rollout") if endpoint else None
    if not entities.is_valid() or (rollout is not None and not rollout.is_valid()):
        return next((str(error) for error in entities.non_form_errors()), None)
    try:
        return plan_endpoint(
            actor=actor, config=config_of(entities, rollout), name=data.get("name", "").strip(), endpoint=endpoint
        )
    except ModelkeepError as error:
        return error.message


@require_safe
@signed_in
def models(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Models by a part of the name; what may be served is checked by the plan."""
    found = quick_search(actor=actor, text=request.GET.get("q", "").strip())
    options = [
        {"value": row.full_name, "label": row.full_name, "icon": "cube", "note": ""}
        for row in found.securables
        if row.type == SecurableType.REGISTERED_MODEL
    ]
    return render(request, "parts/_picker_options.html", {"options": options, "empty": "No model is called that."})


@require_safe
@signed_in
def versions(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """What can be served of a model: its aliases and its newest versions, as the options of a field."""
    name = next((str(value).strip() for key, value in request.GET.items() if key.endswith("-model")), "")
    found: list[tuple[str, str]] = []
    with suppress(ModelkeepError):
        model = browse_model(actor=actor, name=name).model
        found = [(f"@{alias.name}", f"version {alias.version.version}") for alias in model.aliases.all()]
        newest = list_versions(actor=actor, name=name, max_results=_NEWEST)
        found += [(str(one.version), VersionStatus(one.status).label) for one in newest.items]
    return render(request, "serving/_version_options.html", {"options": found})
