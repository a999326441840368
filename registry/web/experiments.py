"""Experiments, their runs, and one run: what MLflow keeps, as the viewer may read it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from registry.errors import InvalidParameter, NotFound, Unavailable
from registry.services.actors import Actor
from registry.services.experiment_runs import (
    Run,
    find_runs,
    get_experiment,
    get_run_for,
    list_experiments,
    metric_history,
    run_artifacts,
    run_models,
    search_runs,
)
from registry.services.paging import Page
from registry.web.charts import history_figure
from registry.web.context import public_host
from registry.web.explore import PAGE_SIZE, chosen_tab, list_context
from registry.web.palette import Entry, add_source
from registry.web.session import signed_in

RUN_TABS = [
    ("overview", "Overview"),
    ("metrics", "Metrics"),
    ("params", "Parameters"),
    ("artifacts", "Artifacts"),
]
_SHOWN_KEYS = 3
_SHORTEST_SEARCH = 3


@require_safe
@signed_in
def experiments(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Every experiment that the viewer may read."""
    listed = list_context(request)
    page = list_experiments(
        actor=actor,
        name_contains=listed["query"],
        order=listed["order"],
        max_results=PAGE_SIZE,
        page_token=request.GET.get("page", ""),
    )
    context = {"page": page, **listed, "order": listed["order"] or "-updated", "host": public_host(request)}
    return render(request, "experiments/experiments.html", context)


@require_safe
@signed_in
def experiment_page(request: HttpRequest, actor: Actor, experiment_id: str) -> HttpResponseBase:
    """The runs of an experiment; filter, order and columns are in the address."""
    experiment = get_experiment(actor=actor, experiment_id=experiment_id)
    listed = list_context(request)
    refused = ""
    page: Page[Run] = Page([])
    try:
        page = search_runs(
            actor=actor,
            experiment_id=experiment_id,
            filter_text=listed["query"],
            order=listed["order"],
            max_results=PAGE_SIZE,
            page_token=request.GET.get("page", ""),
        )
    except InvalidParameter as error:
        refused = error.message
    metrics, params = _keys(run.metrics for run in page.items), _keys(run.params for run in page.items)
    asked = set(request.GET.getlist("column"))
    context = {
        "experiment": experiment,
        "page": page,
        "refused": refused,
        **listed,
        "order": listed["order"] or "-attributes.start_time",
        "metrics": _chosen(metrics, "metrics", asked),
        "params": _chosen(params, "params", asked),
        "choices": [
            ("Metrics", _choices(metrics, "metrics", asked)),
            ("Parameters", _choices(params, "params", asked)),
        ],
        "host": public_host(request),
    }
    return render(request, "experiments/experiment.html", context, status=400 if refused else 200)


def _keys(mappings: Iterable[dict[str, Any]]) -> list[str]:
    """The keys of some runs: those of most runs first."""
    counted = Counter(key for mapping in mappings for key in mapping)
    return [key for key, _ in sorted(counted.items(), key=lambda each: (-each[1], each[0]))]


def _chosen(keys: Sequence[str], kind: str, asked: set[str]) -> list[str]:
    """The columns that are shown: those asked for, else the first few."""
    return [key for key in keys if f"{kind}.{key}" in asked] if asked else list(keys[:_SHOWN_KEYS])


def _choices(keys: Sequence[str], kind: str, asked: set[str]) -> list[tuple[str, str, bool]]:
    shown = set(_chosen(keys, kind, asked))
    return [(f"{kind}.{key}", key, key in shown) for key in keys]


@require_safe
@signed_in
def run_page(request: HttpRequest, actor: Actor, experiment_id: str, run_id: str) -> HttpResponseBase:
    """A run, by tab: what it is, how its metrics went, its parameters and artifacts."""
    run = get_run_for(actor=actor, run_id=run_id)
    if run.experiment_id != experiment_id:
        return redirect("run", run.experiment_id, run.run_id)
    artifacts = run_artifacts(run)
    context = {
        "run": run,
        "experiment": get_experiment(actor=actor, experiment_id=experiment_id),
        "artifacts": artifacts,
        "models": run_models(run, artifacts),
        "object_tabs": RUN_TABS,
        "tab": chosen_tab(request, RUN_TABS),
        "host": public_host(request),
    }
    if context["tab"] == "metrics" and run.metrics:
        key = request.GET.get("metric", "") or next(iter(run.metrics))
        if key not in run.metrics:
            raise NotFound(f"Run '{run_id}' has no metric '{key}'.")
        history = metric_history(actor=actor, run_id=run_id, key=key)
        context |= {"metric": key, "history": history, "figure": history_figure(history)}
    return render(request, "experiments/run.html", context)


def _runs_called(actor: Actor, text: str) -> Iterable[Entry]:
    """Runs for the palette, by name or id. While the tracking server is away it finds the rest."""
    if len(text) < _SHORTEST_SEARCH:
        return
    try:
        runs = find_runs(actor=actor, text=text)
    except Unavailable:
        return
    for run in runs:
        yield Entry(run.name, reverse("run", args=[run.experiment_id, run.run_id]), "play", "Run", run.run_id[:8])


add_source(_runs_called)
