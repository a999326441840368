"""What an endpoint is asked to serve, read from the wire: entities, their sizes, their shares of the traffic.

Nothing here asks the database: models are found, and rights checked, by `endpoint_entities`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from registry.errors import InvalidParameter, LimitExceeded
from serving.models import EntityRole
from serving.services.endpoint_rollouts import Rollout, parse_rollout

MAX_ENTITIES = 15
MAX_ENVIRONMENT_VARS = 30
MAX_CONCURRENCY = 1024
UNITS = 4
"""Provisioned concurrency comes in multiples of this."""
SIZES = {"Small": (4, 4), "Medium": (8, 16), "Large": (16, 64)}
WORKLOAD_TYPES = (
    *("CPU", "CPU_MEDIUM", "CPU_LARGE"),
    *("GPU_SMALL", "GPU_MEDIUM", "GPU_LARGE", "GPU_XLARGE", "GPU_XLARGE_8", "MULTIGPU_MEDIUM"),
)
NAME = re.compile(r"[A-Za-z0-9_-]{1,63}")
_SECRET = re.compile(r"\{\{secrets/[A-Za-z0-9._@-]{1,128}/[A-Za-z0-9._-]{1,128}\}\}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_MAX_VALUE = 8192
_NOT_SERVED = {
    "external_model": "External models are not served here: register a model that calls them.",
    "foundation_model": "Foundation models are not served here: register the model.",
    "instance_profile_arn": "There are no instance profiles here: give credentials as secrets in 'environment_vars'.",
    "burst_scaling_enabled": "Give 'max_provisioned_concurrency' instead: an endpoint grows up to it at once.",
    "provisioned_model_units": "Give 'workload_size' or 'max_provisioned_concurrency' instead.",
    "min_provisioned_throughput": "Give 'min_provisioned_concurrency' instead.",
    "max_provisioned_throughput": "Give 'max_provisioned_concurrency' instead.",
}


@dataclass(frozen=True)
class EntitySpec:
    """One served entity as it is asked for. Either `version` or `alias` says which version of the model.

    `traffic` is its percentage; a shadow has none. Concurrency is in requests at a time.
    """

    name: str
    model: str
    version: str
    alias: str
    role: EntityRole
    workload_size: str
    workload_type: str
    scale_to_zero: bool
    min_concurrency: int
    max_concurrency: int
    environment_vars: Mapping[str, str]
    micro_batching: bool
    traffic: int = 0


@dataclass(frozen=True)
class ConfigSpec:
    """A whole configuration. `auto_capture` stands as on the wire, None where nothing was said of it."""

    entities: tuple[EntitySpec, ...]
    auto_capture: object = None
    rollout: Rollout | None = None


@dataclass(frozen=True)
class _Reader:
    """Reads one served entity, and names its fields in errors."""

    wire: Mapping[str, Any]
    place: str

    def text(self, name: str) -> str:
        value = self.wire.get(name)
        if value is None:
            return ""
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            raise InvalidParameter(f"'{self.place}.{name}' must be text.", field=name)
        return value.strip()

    def flag(self, name: str) -> bool:
        value = self.wire.get(name)
        if value is None or isinstance(value, bool):
            return bool(value)
        if str(value).lower() in {"true", "false"}:
            return str(value).lower() == "true"
        raise InvalidParameter(f"'{self.place}.{name}' must be true or false.", field=name)

    def number(self, name: str) -> int | None:
        value = self.wire.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not str(value).lstrip("-").isdecimal():
            raise InvalidParameter(f"'{self.place}.{name}' must be a whole number.", field=name)
        return int(value)


def check_endpoint_name(name: object) -> str:
    """The name of a new endpoint.

    Raises:
        InvalidParameter: not 1 to 63 letters, digits, dashes and underscores; or `pt`, which is a path of its own.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InvalidParameter(
            f"'name' is {str(name)[:100]!r}: use 1 to 63 letters, digits, dashes and underscores.", field="name"
        )
    if name == "pt":
        raise InvalidParameter("'pt' is reserved: choose another name.", field="name")
    return name


def parse_config(wire: object, *, current: Sequence[EntitySpec] = ()) -> ConfigSpec:
    """A configuration from the wire: `served_entities` or `served_models`, `traffic_config`, `auto_capture_config`,
    and our own `rollout`.

    Without entities it changes the traffic of `current`, the ones that are served now.

    Raises:
        InvalidParameter: names the field and says what to write there.
        LimitExceeded: too many entities or environment variables.
    """
    if not isinstance(wire, Mapping):
        raise InvalidParameter("'config' is required: an object with 'served_entities'.", field="config")
    entities = _entities(wire, current)
    if len(entities) > MAX_ENTITIES:
        raise LimitExceeded(f"An endpoint serves at most {MAX_ENTITIES} entities: this one names {len(entities)}.")
    _check_names(entities)
    shared = _with_traffic(entities, wire.get("traffic_config"))
    live = {entity.name: entity.traffic for entity in shared if entity.role == EntityRole.LIVE}
    return ConfigSpec(
        entities=shared,
        auto_capture=wire.get("auto_capture_config"),
        rollout=parse_rollout(wire.get("rollout"), live=live),
    )


def _entities(wire: Mapping[str, Any], current: Sequence[EntitySpec]) -> list[EntitySpec]:
    new, old = wire.get("served_entities"), wire.get("served_models")
    if new and old:
        raise InvalidParameter("Give 'served_entities' or 'served_models', not both.", field="served_entities")
    if not new and not old and current and wire.get("traffic_config"):
        return list(current)
    given, name = (old, "served_models") if old else (new, "served_entities")
    if not isinstance(given, list) or not given:
        raise InvalidParameter("'served_entities' is required: a list with one entity at least.", field=name)
    return [_entity(one, place=f"{name}[{index}]", is_old_form=bool(old)) for index, one in enumerate(given)]


def _entity(wire: object, *, place: str, is_old_form: bool) -> EntitySpec:
    if not isinstance(wire, Mapping):
        raise InvalidParameter(f"'{place}' must be an object.", field=place)
    for name, remedy in _NOT_SERVED.items():
        if wire.get(name):
            raise InvalidParameter(f"'{place}.{name}' cannot be used. {remedy}", field=name)
    reader = _Reader(wire, place)
    noun = "model" if is_old_form else "entity"
    model = reader.text(f"{noun}_name")
    if not model:
        raise InvalidParameter(f"'{place}.{noun}_name' is required: the model as catalog.schema.model.", field=noun)
    version, alias = _version(reader, noun)
    size, least, most = _concurrency(reader)
    return EntitySpec(
        name=_entity_name(reader, model, version or alias),
        model=model,
        version=version,
        alias=alias,
        role=_role(reader),
        workload_size=size,
        workload_type=_workload_type(reader),
        scale_to_zero=reader.flag("scale_to_zero_enabled"),
        min_concurrency=least,
        max_concurrency=most,
        environment_vars=_environment_vars(reader),
        micro_batching=reader.flag("micro_batching_enabled"),
    )


def _version(reader: _Reader, noun: str) -> tuple[str, str]:
    """A number, or an alias to follow: `@Champion` as the version, or `entity_alias`."""
    written, alias = reader.text(f"{noun}_version"), reader.text("entity_alias").removeprefix("@")
    if written.startswith("@"):
        alias, written = alias or written[1:], ""
    if alias and written:
        # What an answer of ours holds, sent back: the alias decides.
        return "", alias
    if not alias and not (written.isdecimal() and int(written) > 0 and len(written) < 10):
        raise InvalidParameter(
            f"'{reader.place}.{noun}_version' is {written!r}: give the number of a version, or an alias to follow as "
            "'@Champion'.",
            field=f"{noun}_version",
        )
    return written, alias


def default_entity_name(model: str, version: str) -> str:
    """What an entity is called that is given no name; `version` is its number, or the alias it follows without @."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", f"{model.rpartition('.')[2]}-{version}")[:255]


def _entity_name(reader: _Reader, model: str, version: str) -> str:
    name = reader.text("name")
    if not name:
        return default_entity_name(model, version)
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", name):
        raise InvalidParameter(
            f"'{reader.place}.name' is {name[:100]!r}: use letters, digits, dashes and underscores.", field="name"
        )
    return name


def _role(reader: _Reader) -> EntityRole:
    written = reader.text("role").upper() or EntityRole.LIVE
    if written not in EntityRole.values:
        raise InvalidParameter(f"'{reader.place}.role' is {written!r}: use LIVE or SHADOW.", field="role")
    return EntityRole(written)


def _workload_type(reader: _Reader) -> str:
    written = reader.text("workload_type").upper() or WORKLOAD_TYPES[0]
    if written not in WORKLOAD_TYPES:
        raise InvalidParameter(
            f"'{reader.place}.workload_type' is {written!r}: use one of {', '.join(WORKLOAD_TYPES)}.",
            field="workload_type",
        )
    return written


def _concurrency(reader: _Reader) -> tuple[str, int, int]:
    """The workload size, and the least and the most requests at a time."""
    written = reader.text("workload_size")
    least, most = reader.number("min_provisioned_concurrency"), reader.number("max_provisioned_concurrency")
    if least is None and most is None:
        size = next((name for name in SIZES if name.lower() == (written or "Small").lower()), "")
        if not size:
            raise InvalidParameter(
                f"'{reader.place}.workload_size' is {written!r}: use one of {', '.join(SIZES)}.",
                field="workload_size",
            )
        return size, *SIZES[size]
    if written:
        raise InvalidParameter(
            f"'{reader.place}': give 'workload_size' or 'min_' and 'max_provisioned_concurrency', not both.",
            field="workload_size",
        )
    most = most if most is not None else max(least or UNITS, UNITS)
    least = least if least is not None else UNITS
    if least % UNITS or most % UNITS or not 0 <= least <= most <= MAX_CONCURRENCY or most == 0:
        raise InvalidParameter(
            f"'{reader.place}.min_provisioned_concurrency' is {least} and 'max_provisioned_concurrency' {most}: give "
            f"multiples of {UNITS} up to {MAX_CONCURRENCY}, the least not above the most.",
            field="max_provisioned_concurrency",
        )
    if least == 0 and not reader.flag("scale_to_zero_enabled"):
        raise InvalidParameter(
            f"'{reader.place}.min_provisioned_concurrency' is 0: that takes 'scale_to_zero_enabled'.",
            field="min_provisioned_concurrency",
        )
    return "", max(least, UNITS), most


def _environment_vars(reader: _Reader) -> dict[str, str]:
    given = reader.wire.get("environment_vars") or {}
    if not isinstance(given, Mapping):
        raise InvalidParameter(f"'{reader.place}.environment_vars' must be an object.", field="environment_vars")
    if len(given) > MAX_ENVIRONMENT_VARS:
        raise LimitExceeded(
            f"'{reader.place}.environment_vars' holds {len(given)} variables: give {MAX_ENVIRONMENT_VARS} at most."
        )
    for name, value in given.items():
        _check_variable(reader.place, str(name), value)
    return {str(name): str(value) for name, value in given.items()}


def _check_variable(place: str, name: str, value: object) -> None:
    where = f"'{place}.environment_vars'"
    if not _VARIABLE.fullmatch(name):
        raise InvalidParameter(
            f"{where} holds {name[:100]!r}: a name has letters, digits and underscores, and begins with no digit.",
            field="environment_vars",
        )
    if not isinstance(value, str) or "\x00" in value or len(value) > _MAX_VALUE:
        raise InvalidParameter(
            f"{where}: the value of '{name}' must be text of {_MAX_VALUE} characters at most.",
            field="environment_vars",
        )
    if value.startswith("{{") and not _SECRET.fullmatch(value):
        raise InvalidParameter(
            f"{where}: '{name}' refers to no secret: write {{{{secrets/scope/key}}}}.", field="environment_vars"
        )


def _check_names(entities: Sequence[EntitySpec]) -> None:
    seen: set[str] = set()
    for entity in entities:
        if entity.name in seen:
            raise InvalidParameter(
                f"Two served entities are called '{entity.name}': give each a 'name' of its own.", field="name"
            )
        seen.add(entity.name)
    if all(entity.role == EntityRole.SHADOW for entity in entities):
        raise InvalidParameter("One served entity at least must be LIVE: a SHADOW answers nobody.", field="role")


def _with_traffic(entities: Sequence[EntitySpec], wire: object) -> tuple[EntitySpec, ...]:
    live = [entity for entity in entities if entity.role == EntityRole.LIVE]
    if wire is None or (isinstance(wire, Mapping) and not wire.get("routes")):
        if len(live) > 1:
            raise InvalidParameter(
                "'traffic_config' is required with several served entities: 'routes' with a 'traffic_percentage' for "
                "each, 100 together.",
                field="traffic_config",
            )
        shares = {live[0].name: 100}
    else:
        shares = _shares(wire, {entity.name: entity.role for entity in entities})
    return tuple(replace(entity, traffic=shares.get(entity.name, 0)) for entity in entities)


def _shares(wire: object, roles: Mapping[str, EntityRole]) -> dict[str, int]:
    routes = wire.get("routes") if isinstance(wire, Mapping) else None
    if not isinstance(routes, list):
        raise InvalidParameter("'traffic_config.routes' must be a list.", field="traffic_config")
    shares: dict[str, int] = {}
    for index, route in enumerate(routes):
        place = f"traffic_config.routes[{index}]"
        if not isinstance(route, Mapping):
            raise InvalidParameter(f"'{place}' must be an object.", field="traffic_config")
        reader = _Reader(route, place)
        name = reader.text("served_entity_name") or reader.text("served_model_name")
        percent = reader.number("traffic_percentage")
        if name not in roles:
            known = ", ".join(roles)
            raise InvalidParameter(
                f"'{place}' names '{name}', which is not served: use one of {known}.", field="traffic_config"
            )
        if name in shares:
            raise InvalidParameter(f"'{place}' names '{name}' a second time.", field="traffic_config")
        if percent is None or not 0 <= percent <= 100:
            raise InvalidParameter(f"'{place}.traffic_percentage' must be 0 to 100.", field="traffic_config")
        if percent and roles[name] == EntityRole.SHADOW:
            raise InvalidParameter(
                f"'{place}': '{name}' is a SHADOW, which gets a copy of all traffic and no share of its own.",
                field="traffic_config",
            )
        shares[name] = percent
    if sum(shares.values()) != 100:
        raise InvalidParameter(
            f"'traffic_config': the percentages are {sum(shares.values())} together, and must be 100.",
            field="traffic_config",
        )
    return shares
