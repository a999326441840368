"""How names, tags, stages and aliases of another registry are told in ours. Pure: asks nobody, changes nothing."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.conf import settings

from registry.errors import InvalidParameter
from registry.names import MAX_NAME_LENGTH, check_alias, check_name, check_tag_key, lookup_key, split_model_name
from registry.services.import_sources import SourceModel, SourceVersion

DEFAULT_STAGES = {"Production": "Champion", "Staging": "Challenger"}
"""Which alias stands for a stage. A stage without one is kept as a tag only."""
_NOT_IN_NAME = re.compile(r"[./\\\x00-\x1f\x7f]")
_NOT_IN_TAG_KEY = re.compile(r"[.,\-=/:\x00-\x1f\x7f]")
_NOT_IN_ALIAS = re.compile(r"[^A-Za-z0-9_-]")
_CUT = " …"


@dataclass
class Notes:
    """What became of things that could not stay as they were; each thing is told once."""

    _lines: dict[str, None] = field(default_factory=dict)

    def add(self, line: str) -> None:
        """Tell something."""
        self._lines[line] = None

    def lines(self) -> list[str]:
        """All that was told, in order."""
        return list(self._lines)


def destination_name(name: str, *, into: str, notes: Notes) -> str:
    """The full name of a model here. `into` is a schema as catalog.schema; empty: the name has three levels already.

    Raises:
        InvalidParameter: no `into`, and the name has not three levels.
    """
    if not into:
        return ".".join(split_model_name(name, field="into" if name.count(".") != 2 else "name"))
    short = _NOT_IN_NAME.sub("_", name).strip()[:MAX_NAME_LENGTH]
    check_name(short, field="name")
    if short != name:
        notes.add(f"The name '{name}' became '{short}'.")
    return f"{into}.{short}"


def version_source(url: str, model: str, number: int) -> str:
    """What a version here keeps of where it is from. Nobody can change it, so it tells what was imported before."""
    return f"{source_prefix(url, model)}{number}"


def source_prefix(url: str, model: str = "") -> str:
    """How the sources of all versions of a server, or of one of its models, begin."""
    return f"{url}/#/models/{model}/versions/" if model else f"{url}/#/models/"


def model_tags(model: SourceModel, *, url: str, notes: Notes) -> dict[str, str]:
    """The tags of a model, and where it is from."""
    return map_tags(model.tags, {"imported_from": url, "imported_created_at": _moment(model.created_at)}, notes=notes)


def version_tags(version: SourceVersion, *, notes: Notes) -> dict[str, str]:
    """The tags of a version, and what of it has no other place here.

    The run and the logged model are text: their ids mean something only over there.
    """
    own = {
        "imported_version": str(version.number),
        "imported_created_at": _moment(version.created_at),
        "imported_by": version.created_by,
        "imported_stage": version.stage,
        "imported_run_id": version.run_id,
        "imported_model_id": version.model_id,
        "imported_source": version.source,
    }
    return map_tags(version.tags, own, notes=notes)


def _moment(milliseconds: int) -> str:
    if not 0 < milliseconds < 10**14:
        return ""
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC).isoformat(timespec="milliseconds")


def map_tags(tags: Mapping[str, str], own: Mapping[str, str], *, notes: Notes) -> dict[str, str]:
    """Tags that may be set here. Ours come first; keys are changed where they must be; too many are left out."""
    mapped = {key: _cut(value, key, notes) for key, value in own.items() if value}
    changed = {key: _tag_key(key) for key in tags}
    for key in sorted(tags, key=lambda key: (changed[key] != key, key)):
        if len(mapped) >= settings.MAX_TAGS_PER_OBJECT:
            notes.add(f"Tag '{key}' was left out: {settings.MAX_TAGS_PER_OBJECT} are the most.")
            continue
        free = _free(changed[key], mapped)
        if free != key:
            notes.add(f"Tag key '{key}' became '{free}'.")
        mapped[free] = _cut(tags[key], key, notes)
    return mapped


def _tag_key(key: str) -> str:
    try:
        return check_tag_key(key)
    except InvalidParameter:
        return _NOT_IN_TAG_KEY.sub("_", key).strip()[: settings.MAX_TAG_KEY_LENGTH - 4] or "_"


def _free(key: str, taken: Iterable[str]) -> str:
    names = set(taken)
    options = [key, *(f"{key}_{count}" for count in range(2, len(names) + 3))]
    return next(option for option in options if option not in names)


def _cut(value: str, key: str, notes: Notes) -> str:
    longest = settings.MAX_TAG_VALUE_LENGTH
    if len(value) <= longest:
        return value
    notes.add(f"Values of tag '{key}' were cut to {longest} characters.")
    return value[: longest - len(_CUT)] + _CUT


def wanted_aliases(
    model: SourceModel, versions: Sequence[SourceVersion], stages: Mapping[str, str], *, notes: Notes
) -> dict[str, int]:
    """Each alias here with the number of its version over there. A stage stands for its newest version."""
    wanted: dict[str, int] = {}
    at_versions = {alias: version.number for version in versions for alias in version.aliases if alias}
    for alias, number in {**at_versions, **model.aliases}.items():
        _take(wanted, alias, number, what=f"Alias '{alias}'", notes=notes)
    newest = {version.stage: version.number for version in versions if version.stage}
    for stage, number in newest.items():
        if stages.get(stage):
            _take(wanted, stages[stage], number, what=f"Stage '{stage}'", notes=notes)
    return wanted


def _take(wanted: dict[str, int], alias: str, number: int, *, what: str, notes: Notes) -> None:
    fit = _NOT_IN_ALIAS.sub("_", alias)[: settings.MAX_ALIAS_LENGTH]
    try:
        check_alias(fit)
    except InvalidParameter as error:
        notes.add(f"{what} was left out: {error.message}")
        return
    taken = {lookup_key(name): found for name, found in wanted.items()}.get(lookup_key(fit))
    if taken is None:
        wanted[fit] = number
        if fit != alias:
            notes.add(f"{what} became alias '{fit}'.")
    elif taken != number:
        notes.add(f"{what} (version {number}) was left out: alias '{fit}' names version {taken}.")


def check_stages(stages: Mapping[str, str]) -> dict[str, str]:
    """A mapping of stages to aliases; an empty alias keeps a stage as a tag only.

    Raises:
        InvalidParameter: an alias that is not allowed.
    """
    return {stage: check_alias(alias) if alias else "" for stage, alias in stages.items()}
