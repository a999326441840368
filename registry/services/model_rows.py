"""Models and versions with everything that is shown of them, whatever their number in a fixed number of queries."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from registry.models import (
    ModelAlias,
    ModelVersion,
    ModelVersionTag,
    Principal,
    RegisteredModel,
    Securable,
    SecurableTag,
)
from registry.services.statements import fetch, instance

_SECURABLE = (
    "id type parent_id name key owner_id comment properties created_at created_by_id updated_at updated_by_id"
).split()
_CONTAINER = "id type parent_id name key owner_id".split()
_MODEL = "securable_id last_version deployment_job_id".split()
_VERSION = (
    "id model_id version status status_message source run_id run_experiment_id run_workspace_id logged_model_id "
    "comment dependencies feature_deps params metrics uses_defaults_channel packed_environment_bytes size_bytes "
    "file_count copied_from_id created_at created_by_id updated_at updated_by_id"
).split()
_NOT_IN_LISTS = "mlmodel signature requirements ready_at touched_at".split()
"""Columns of a version, three of them wide, that lists do not show."""
_JSON = {"properties", "dependencies", "params", "metrics", "mlmodel", "signature"}
_PRINCIPAL = "id kind name key display_name is_active".split()


def _columns(alias: str, names: Iterable[str]) -> str:
    return ", ".join(f"{alias}.{name}" for name in names)


_TREE = """
FROM registry_securable s
JOIN registry_registeredmodel m ON m.securable_id = s.id
JOIN registry_securable h ON h.id = s.parent_id
JOIN registry_securable c ON c.id = h.parent_id
"""
_MODEL_COLUMNS = ", ".join(
    [_columns("s", _SECURABLE), _columns("m", _MODEL), _columns("h", _CONTAINER), _columns("c", _CONTAINER)]
)
_MODEL_SHOWN = """,
(SELECT json_agg(json_build_array(a.id, a.name, a.key, v.id, v.version) ORDER BY a.key)
   FROM registry_modelalias a JOIN registry_modelversion v ON v.id = a.version_id WHERE a.model_id = s.id)::text,
(SELECT json_agg(json_build_array(t.id, t.key, t.value) ORDER BY t.key)
   FROM registry_securabletag t WHERE t.securable_id = s.id)::text
"""
_NAMED = """
WHERE s.type = 'REGISTERED_MODEL' AND s.key = %s
  AND h.type = 'SCHEMA' AND h.key = %s
  AND c.type = 'CATALOG' AND c.key = %s
"""
# Of the models with these ids.
_WITH_IDS = "WHERE s.id = ANY(%s::uuid[])"

_VERSION_SHOWN = """,
(SELECT json_agg(json_build_array(a.id, a.name, a.key) ORDER BY a.key)
   FROM registry_modelalias a WHERE a.version_id = v.id)::text,
(SELECT json_agg(json_build_array(t.id, t.key, t.value) ORDER BY t.key)
   FROM registry_modelversiontag t WHERE t.version_id = v.id)::text
"""
_NUMBERED = "FROM registry_modelversion v WHERE v.model_id = %s AND v.version = %s"
_ALIASED = """
FROM registry_modelalias named JOIN registry_modelversion v ON v.id = named.version_id
WHERE named.model_id = %s AND named.key = %s
"""
_LISTED = "FROM registry_modelversion v WHERE v.id = ANY(%s::uuid[])"
# One step into the index of each model's versions, however many it has.
_NEWEST = """
FROM unnest(%s::uuid[]) AS wanted(id)
JOIN LATERAL (
    SELECT * FROM registry_modelversion WHERE model_id = wanted.id ORDER BY version DESC LIMIT 1
) v ON true
"""

_FIND_MODEL = f"SELECT {_MODEL_COLUMNS} {_TREE} {_NAMED}"
_FIND_SHOWN_MODEL = f"SELECT {_MODEL_COLUMNS} {_MODEL_SHOWN} {_TREE} {_NAMED}"
_READ_MODELS = f"SELECT {_MODEL_COLUMNS} {_TREE} {_WITH_IDS}"
_READ_SHOWN_MODELS = f"SELECT {_MODEL_COLUMNS} {_MODEL_SHOWN} {_TREE} {_WITH_IDS}"
_ALL_OF_VERSION = f"SELECT {_columns('v', [*_VERSION, *_NOT_IN_LISTS])} {_VERSION_SHOWN}"
_VERSION_IN_LIST = f"SELECT {_columns('v', _VERSION)} {_VERSION_SHOWN}"
_PRINCIPALS = f"SELECT {', '.join(_PRINCIPAL)} FROM registry_principal WHERE id = ANY(%s::bigint[])"  # noqa: S608  (all parts are above)


# --- Models -----------------------------------------------------------------------------------------------


def model_named(*, catalog: str, schema: str, model: str, shown: bool = False) -> RegisteredModel | None:
    """The model with these look-up keys, with its containers; `shown`: with people, aliases and tags too.

    One query, two when shown.
    """
    rows = fetch(_FIND_SHOWN_MODEL if shown else _FIND_MODEL, [model, schema, catalog])
    return next(iter(_models(rows, shown=shown)), None)


def models_with_ids(ids: Sequence[Any], *, shown: bool = True) -> list[RegisteredModel]:
    """The models with these ids, in this order; those that are gone are left out. Two queries, one if not shown."""
    rows = fetch(_READ_SHOWN_MODELS if shown else _READ_MODELS, [list(ids)])
    found = {model.pk: model for model in _models(rows, shown=shown)}
    return [found[id_] for id_ in ids if id_ in found]


def _models(rows: Sequence[tuple[Any, ...]], *, shown: bool) -> list[RegisteredModel]:
    people = _people(rows, _SECURABLE, {}) if shown else {}
    containers: dict[UUID, Securable] = {}
    return [_model(row, people, containers, shown=shown) for row in rows]


def _model(
    row: tuple[Any, ...], people: Mapping[int, Principal], containers: dict[UUID, Securable], *, shown: bool
) -> RegisteredModel:
    rest = iter(row)
    values, head, of_schema, of_catalog = (
        _take(rest, names) for names in (_SECURABLE, _MODEL, _CONTAINER, _CONTAINER)
    )
    catalog = containers.get(of_catalog["id"]) or instance(Securable, of_catalog)
    schema = containers.get(of_schema["id"]) or instance(Securable, of_schema, parent=catalog)
    containers.update({catalog.pk: catalog, schema.pk: schema})
    related = _related(values, people, ("owner", "created_by", "updated_by")) if shown else {}
    securable = instance(Securable, values, parent=schema, **related)
    model = instance(RegisteredModel, head, securable=securable)
    if shown:
        aliases, tags = rest
        _show(model, aliases=[_alias_of_model(item, model) for item in _listed(aliases)])
        _show(securable, tags=[_tag(SecurableTag, item, securable_id=securable.pk) for item in _listed(tags)])
    return model


def _alias_of_model(item: Sequence[Any], model: RegisteredModel) -> ModelAlias:
    id_, name, key, version_id, number = item
    version = instance(ModelVersion, {"id": UUID(version_id), "model_id": model.pk, "version": number})
    values = {"id": id_, "model_id": model.pk, "name": name, "key": key, "version_id": version.pk}
    # Not pointed back at the model: whole pages of such circles would wait for the collector.
    return instance(ModelAlias, values, version=version)


# --- Versions ---------------------------------------------------------------------------------------------


def version_numbered(model: RegisteredModel, number: int) -> ModelVersion | None:
    """The version of a model with this number, with people, aliases and tags. Two queries."""
    return _only(fetch(_ALL_OF_VERSION + _NUMBERED, [model.pk, number]), model)


def version_aliased(model: RegisteredModel, alias_key: str) -> ModelVersion | None:
    """The version that an alias of the model points at, with people, aliases and tags. Two queries."""
    return _only(fetch(_ALL_OF_VERSION + _ALIASED, [model.pk, alias_key]), model)


def versions_with_ids(ids: Sequence[Any], *, model: RegisteredModel | None = None) -> list[ModelVersion]:
    """The versions with these ids, in this order, for a list: what finalize read from their files is left for later.

    Two queries; one more unless they are all of `model`.
    """
    rows = fetch(_VERSION_IN_LIST + _LISTED, [list(ids)])
    place = _VERSION.index("model_id")
    models = [model] if model else models_with_ids(list({row[place] for row in rows}), shown=False)
    found = {version.pk: version for version in _versions(rows, _VERSION, models)}
    return [found[id_] for id_ in ids if id_ in found]


def newest_versions(models: Sequence[RegisteredModel]) -> dict[Any, ModelVersion]:
    """The newest version of each of these models, by the model's id. Two queries."""
    rows = fetch(_VERSION_IN_LIST + _NEWEST, [[model.pk for model in models]])
    securables = [model.securable for model in models]
    # Mostly the same people: where the models were read with theirs, they are not read again.
    known = {id_: person for securable in securables for id_, person in _people_of(securable)}
    return {version.model_id: version for version in _versions(rows, _VERSION, models, known)}


def _only(rows: Sequence[tuple[Any, ...]], model: RegisteredModel) -> ModelVersion | None:
    return next(iter(_versions(rows, [*_VERSION, *_NOT_IN_LISTS], [model])), None)


def _versions(
    rows: Sequence[tuple[Any, ...]],
    names: Sequence[str],
    models: Iterable[RegisteredModel],
    known: Mapping[int, Principal] | None = None,
) -> list[ModelVersion]:
    people = _people(rows, names, known or {})
    by_id = {model.pk: model for model in models}
    return [_version(row, names, people, by_id) for row in rows]


def _version(
    row: tuple[Any, ...], names: Sequence[str], people: Mapping[int, Principal], models: Mapping[Any, RegisteredModel]
) -> ModelVersion:
    rest = iter(row)
    values = _take(rest, names)
    aliases, tags = rest
    related = _related(values, people, ("created_by", "updated_by"))
    version = instance(ModelVersion, values, model=models[values["model_id"]], **related)
    _show(
        version,
        aliases=[_alias_of_version(item, version) for item in _listed(aliases)],
        tags=[_tag(ModelVersionTag, item, version_id=version.pk) for item in _listed(tags)],
    )
    return version


def _alias_of_version(item: Sequence[Any], version: ModelVersion) -> ModelAlias:
    id_, name, key = item
    values = {"id": id_, "model_id": version.model_id, "name": name, "key": key, "version_id": version.pk}
    return instance(ModelAlias, values)


# --- Pieces -----------------------------------------------------------------------------------------------


def _take(rest: Any, names: Iterable[str]) -> dict[str, Any]:
    """The next columns of a row."""
    values = dict(zip(names, rest, strict=False))
    for name in _JSON:
        if name in values:
            values[name] = _loaded(values[name])
    return values


def _loaded(text: str) -> Any:
    # Most of them are empty.
    return [] if text == "[]" else {} if text == "{}" else json.loads(text)


def _listed(text: str | None) -> list[list[Any]]:
    return json.loads(text) if text else []


def related_rows(row: Any, name: str) -> Iterable[Any]:
    """The rows of a related manager; where they were read with the row, without the cost of making a manager."""
    read: dict[str, Iterable[Any]] = row.__dict__.get("_prefetched_objects_cache", {})
    return read[name] if name in read else getattr(row, name).all()


def _show(made: Any, **lists: list[Any]) -> None:
    """Fill related managers, as `prefetch_related` does: their `all()` answers these rows."""
    made.__dict__.setdefault("_prefetched_objects_cache", {}).update(lists)


def _tag(class_: Any, item: Sequence[Any], **owner: Any) -> Any:
    id_, key, value = item
    return instance(class_, {"id": id_, "key": key, "value": value, **owner})


def _related(values: Mapping[str, Any], people: Mapping[int, Principal], names: Iterable[str]) -> dict[str, Any]:
    return {name: people.get(values[f"{name}_id"]) for name in names}


def _people_of(securable: Securable) -> Iterable[tuple[int, Principal]]:
    for name in ("owner", "created_by", "updated_by"):
        read = getattr(Securable, name).is_cached(securable)
        if read and (person := getattr(securable, name)) is not None:
            yield person.pk, person


def _people(
    rows: Sequence[tuple[Any, ...]], names: Sequence[str], known: Mapping[int, Principal]
) -> Mapping[int, Principal]:
    """Everybody who owns, made or changed one of the rows. One query, none when all are known."""
    places = [names.index(name) for name in ("owner_id", "created_by_id", "updated_by_id") if name in names]
    ids = {row[place] for row in rows for place in places} - {None} - known.keys()
    if not ids:
        return known
    found = (dict(zip(_PRINCIPAL, row, strict=True)) for row in fetch(_PRINCIPALS, [sorted(ids)]))
    return {**known, **{values["id"]: instance(Principal, values) for values in found}}
