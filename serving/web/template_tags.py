"""Template tags of the screens of serving."""

from collections.abc import Iterable, Sequence
from typing import Any

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from serving.models import (
    EndpointConfig,
    EndpointEvent,
    EntityRole,
    EnvironmentState,
    InferenceTable,
    ServedEntity,
    ServingEndpoint,
    ServingEnvironment,
)
from serving.services.endpoint_views import WatchedEntity, standing_of
from serving.web.words import CONFIGS, ENVIRONMENTS, EVENTS, LEVELS, STANDINGS, Word, word_of_entity

register = template.Library()

COLOURS = 6
"""How many colours tell served entities apart; charts use the same ones in the same order."""
_LEVELS = 3
_SPARK_WIDTH, _SPARK_HEIGHT = 96, 22


def _status(word: Word, message: str = "") -> dict[str, str]:
    return {"tone": word[0], "word": word[1], "message": message}


@register.inclusion_tag("parts/_status.html")
def standing(endpoint: ServingEndpoint) -> dict[str, str]:
    """Where an endpoint stands, as a dot and a word."""
    return _status(STANDINGS[standing_of(endpoint)])


@register.inclusion_tag("parts/_status.html")
def entity_status(watched: WatchedEntity, is_stopped: object = None) -> dict[str, str]:
    """The state of a served entity as a dot and a word."""
    return _status(word_of_entity(watched, is_stopped=bool(is_stopped)), watched.entity.deployment_message)


@register.inclusion_tag("parts/_status.html")
def config_status(config: EndpointConfig) -> dict[str, str]:
    """The state of a configuration as a dot and a word."""
    return _status(CONFIGS[config.state], config.message)


@register.inclusion_tag("parts/_status.html")
def environment_status(environment: ServingEnvironment) -> dict[str, str]:
    """The state of an environment as a dot and a word."""
    return _status(ENVIRONMENTS[environment.state], environment.message)


@register.inclusion_tag("parts/_status.html")
def environment_state(state: str, going_on: object = None) -> dict[str, str]:
    """The state of what a version runs in, where there may be nothing yet."""
    if going_on and state not in {EnvironmentState.PENDING, EnvironmentState.BUILDING}:
        return _status(("warn", "Being made"))
    return _status(ENVIRONMENTS.get(state, ("", "Not made yet")))


@register.inclusion_tag("parts/_status.html")
def event_status(event: EndpointEvent) -> dict[str, str]:
    """How serious an event is."""
    return _status(EVENTS.get(event.level, EVENTS["INFO"]))


@register.filter
def level_word(level: str) -> str:
    """A level on an endpoint as people read it."""
    return LEVELS[level][0]


@register.filter
def level_meaning(level: str) -> str:
    """What somebody of that level may do."""
    return LEVELS[level][1]


@register.filter
def event_words(kind: str) -> str:
    """The kind of an event as people read it."""
    words = kind.replace("_", " ").lower()
    return words[:1].upper() + words[1:]


@register.simple_tag
def traffic_bar(entities: Iterable[ServedEntity]) -> SafeString:
    """How the traffic is split, as one bar; the numbers stand in its description."""
    live = [entity for entity in entities if entity.role == EntityRole.LIVE]
    pieces, begin = [], 0
    for number, entity in enumerate(live):
        share = entity.traffic_percentage
        pieces.append((begin, share, number % COLOURS, entity.name, share))
        begin += share
    rects = format_html_join(
        "", '<rect x="{}" y="0" width="{}" height="6" class="series-{}"><title>{}: {} %</title></rect>', pieces
    )
    words = ", ".join(f"{entity.name} {entity.traffic_percentage} %" for entity in live)
    return format_html(
        '<svg class="traffic-bar" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>',
        f"Traffic: {words}" if words else "No traffic",
        rects,
    )


@register.simple_tag
def sparkline(values: Sequence[float | None], label: str) -> SafeString:
    """A small line of values over time; None leaves a gap."""
    known = [value for value in values if value is not None]
    highest = max(known, default=0) or 1
    step = _SPARK_WIDTH / max(len(values) - 1, 1)
    runs: list[list[str]] = [[]]
    for place, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            height = _SPARK_HEIGHT - 2 - (value / highest) * (_SPARK_HEIGHT - 4)
            runs[-1].append(f"{place * step:.1f},{height:.1f}")
    lines = format_html_join("", '<polyline points="{}"/>', ((" ".join(_stroke(run)),) for run in runs if run))
    return format_html(
        '<svg class="sparkline" viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" aria-label="{2}">{3}</svg>',
        _SPARK_WIDTH,
        _SPARK_HEIGHT,
        label,
        lines,
    )


def _stroke(run: list[str]) -> list[str]:
    """A single value would draw nothing: it becomes a short stroke."""
    if len(run) > 1:
        return run
    x, _, y = run[0].partition(",")
    return [run[0], f"{float(x) + 2:.1f},{y}"]


@register.filter
def series(place: int) -> str:
    """The class that gives a served entity its colour."""
    return f"series-{place % COLOURS}"


@register.filter
def bounds(entity: ServedEntity) -> str:
    """How many requests at a time it answers, at least and at most."""
    least = 0 if entity.scale_to_zero else entity.min_concurrency
    return str(least) if least == entity.max_concurrency else f"{least} to {entity.max_concurrency}"


@register.filter
def rate(per_second: float | None) -> str:
    """Requests a second as they are read at a glance; the rarest as requests a minute."""
    if not per_second:
        return "none"
    if per_second < 1:
        return f"{per_second * 60:.2g}/min"
    return f"{per_second:.3g}/s"


@register.filter
def milliseconds(value: float | None) -> str:
    """A time in milliseconds as people read it."""
    if value is None:
        return "none"
    if value >= 10_000:
        return f"{value / 1000:.0f} s"
    if value >= 1000:
        return f"{value / 1000:.1f} s"
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


@register.filter
def model_link(full_name: str, version: str) -> SafeString:
    """A served version, with the way to its page; who may not see the model finds nothing there."""
    parts = full_name.split(".")
    if len(parts) != _LEVELS or not version.isdecimal():
        return format_html('{} <span class="faint">v{}</span>', full_name, version)
    url = reverse("version", args=[*parts, int(version)])
    return format_html('<a href="{}">{} <span class="faint">v{}</span></a>', url, full_name, version)


@register.filter
def capture_sql(table: InferenceTable) -> str:
    """A statement that looks into an inference table: into the unpacked one where there is one."""
    shown = table.unpacked_table or table.table
    return f"SELECT * FROM {shown.full_name} LIMIT 100" if shown else ""  # noqa: S608  (shown, not run)


@register.filter
def at(mapping: Any, key: Any) -> Any:
    """The value under a key, None where there is none."""
    return mapping.get(key) if mapping else None
