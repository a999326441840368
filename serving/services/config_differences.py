"""What tells two configurations of an endpoint apart, entity by entity, in the words that people use."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving.models import EndpointConfig, EntityRole, ServedEntity
from serving.services.endpoint_configs import EntitySpec

ADDED, REMOVED, CHANGED, SAME = "added", "removed", "changed", "same"


@dataclass(frozen=True)
class Line:
    """One thing that can be configured: what it was, and what it is. Empty where there was nothing."""

    what: str
    before: str
    after: str
    is_changed: bool


@dataclass(frozen=True)
class EntityDifference:
    """How one served entity changes; `kind` is added, removed, changed or same."""

    name: str
    kind: str
    lines: Sequence[Line]

    @property
    def changes(self) -> list[Line]:
        """The lines that differ."""
        return [line for line in self.lines if line.is_changed]


def facts_of_entity(entity: ServedEntity) -> dict[str, str]:
    """What can be configured of an entity, in words; environment variables under `$NAME`, with their values."""
    return _facts(
        model=entity.entity_name,
        version=f"@{entity.entity_alias} (version {entity.entity_version})"
        if entity.entity_alias
        else entity.entity_version,
        role=entity.role,
        traffic=entity.traffic_percentage,
        size=entity.workload_size,
        least=entity.min_concurrency,
        most=entity.max_concurrency,
        type_=entity.workload_type,
        to_zero=entity.scale_to_zero,
        batching=entity.micro_batching,
        variables=entity.environment_vars,
    )


def facts_of_spec(spec: EntitySpec, *, resolved: str = "") -> dict[str, str]:
    """As `facts_of_entity`, for what is asked for. `resolved` is the version that an alias names now."""
    version = spec.version
    if spec.alias:
        version = f"@{spec.alias} (version {resolved})" if resolved else f"@{spec.alias}"
    return _facts(
        model=spec.model,
        version=version,
        role=spec.role,
        traffic=spec.traffic,
        size=spec.workload_size,
        least=spec.min_concurrency,
        most=spec.max_concurrency,
        type_=spec.workload_type,
        to_zero=spec.scale_to_zero,
        batching=spec.micro_batching,
        variables=spec.environment_vars,
    )


def _facts(
    *,
    model: str,
    version: str,
    role: str,
    traffic: int,
    size: str,
    least: int,
    most: int,
    type_: str,
    to_zero: bool,
    batching: bool,
    variables: Mapping[str, Any],
) -> dict[str, str]:
    facts = {
        "Model": model,
        "Version": version,
        "Traffic": "a copy of all (shadow)" if role == EntityRole.SHADOW else f"{traffic} %",
        "Requests at a time": ", ".join(part for part in (size, _between(least, most)) if part),
        "Compute": type_,
        "Scale to zero": "yes" if to_zero else "no",
        "Micro-batching": "yes" if batching else "no",
    }
    return facts | {f"${name}": str(value) for name, value in sorted(variables.items())}


def _between(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


def _line(what: str, before: str, after: str) -> Line:
    if not what.startswith("$"):
        return Line(what, before, after, before != after)
    was, becomes = masked(before), masked(after)
    if before and before != after and was == becomes:
        becomes = f"{becomes}, another value"
    return Line(what, was, becomes, before != after)


def masked(value: str) -> str:
    """The value of a variable as it is shown: a reference to a secret is none, plain text may be one."""
    if not value or value.startswith("{{secrets/"):
        return value
    return f"set ({len(value)} characters)"


def differences(
    before: Iterable[tuple[str, Mapping[str, str]]], after: Iterable[tuple[str, Mapping[str, str]]]
) -> list[EntityDifference]:
    """How the entities of one configuration become those of another, by name: names with their facts."""
    old, new = dict(before), dict(after)
    found = []
    for name in [*new, *(name for name in old if name not in new)]:
        was, becomes = old.get(name, {}), new.get(name, {})
        lines = [_line(what, was.get(what, ""), becomes.get(what, "")) for what in {**becomes, **was}]
        kind = ADDED if name not in old else REMOVED if name not in new else CHANGED
        if kind == CHANGED and not any(line.is_changed for line in lines):
            kind = SAME
        found.append(EntityDifference(name, kind, lines))
    return found


def differences_of_configs(before: EndpointConfig | None, after: EndpointConfig) -> list[EntityDifference]:
    """How one stored configuration became another. Their entities must be prefetched: no query then."""
    return differences(named_facts(before), named_facts(after))


def named_facts(config: EndpointConfig | None) -> list[tuple[str, dict[str, str]]]:
    """The entities of a stored configuration as `differences` takes them, the largest share first."""
    if config is None:
        return []
    entities = sorted(config.entities.all(), key=lambda one: (one.role, -one.traffic_percentage, one.name))
    return [(entity.name, facts_of_entity(entity)) for entity in entities]
