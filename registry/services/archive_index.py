"""What an archive says is in it, read as somebody else's word: checked before anything is made from it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from registry.errors import InvalidParameter
from registry.services.archive_format import DamagedArchive
from registry.services.artifacts import check_path
from registry.services.foreign_values import dataset_inputs, mapping, mappings, metrics, params, text, whole
from registry.services.import_mapping import Notes, map_tags
from registry.services.import_sources import MAX_VERSION_NUMBER
from registry.services.imported_versions import ImportedVersion

SOURCE_PREFIX = "modelkeep:/versions/"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ArchivedVersion:
    """A version in an archive; `files` are digests by path."""

    new: ImportedVersion
    files: dict[str, str]


@dataclass(frozen=True)
class AliasStep:
    """One step of an alias's history."""

    alias: str
    from_version: int | None
    to_version: int | None
    moved_at: datetime


@dataclass(frozen=True)
class ArchivedModel:
    """A model in an archive."""

    name: str
    comment: str
    tags: dict[str, str]
    aliases: dict[str, int]
    history: list[AliasStep]
    versions: list[ArchivedVersion]
    notes: Notes


def read_models(index: Mapping[str, Any]) -> list[ArchivedModel]:
    """The models of an archive.

    Raises:
        DamagedArchive: a number, a digest, a path or a name that cannot be.
    """
    try:
        return [_model(raw) for raw in mappings(index.get("models"))]
    except (InvalidParameter, ValueError) as error:
        raise DamagedArchive(f"The archive's description cannot be used: {error}") from error


def read_sizes(index: Mapping[str, Any]) -> dict[str, int]:
    """The bytes of each blob, by digest."""
    return {text(sha256): whole(size) for sha256, size in mapping(index.get("blobs")).items()}


def _model(raw: dict[str, Any]) -> ArchivedModel:
    notes = Notes()
    tags = {text(key): text(value) for key, value in mapping(raw.get("tags")).items()}
    own = {"imported_created_at": text(raw.get("created_at"))}
    return ArchivedModel(
        name=text(raw.get("name")),
        comment=text(raw.get("comment")),
        tags=map_tags(tags, own, notes=notes),
        aliases={text(alias): whole(number) for alias, number in mapping(raw.get("aliases")).items()},
        history=[step for step in map(_step, mappings(raw.get("alias_history"))) if step],
        versions=sorted((_version(one, notes) for one in mappings(raw.get("versions"))), key=lambda v: v.new.number),
        notes=notes,
    )


def _step(raw: dict[str, Any]) -> AliasStep | None:
    """A step; None for one that cannot have been."""
    moved_at = parse_datetime(text(raw.get("moved_at")))
    if moved_at is None or moved_at.tzinfo is None or moved_at > timezone.now():
        return None
    numbers = (whole(raw.get("from_version")) or None, whole(raw.get("to_version")) or None)
    return AliasStep(text(raw.get("alias")), *numbers, moved_at)


def _version(raw: dict[str, Any], notes: Notes) -> ArchivedVersion:
    number = whole(raw.get("version"))
    if not 0 < number <= MAX_VERSION_NUMBER:
        raise InvalidParameter(f"{number} is no number of a version.")
    inputs, header = _origin(mappings(raw.get("lineage")))
    new = ImportedVersion(
        source=f"{SOURCE_PREFIX}{UUID(text(raw.get('id')))}",
        number=number,
        comment=text(raw.get("comment")),
        tags=_version_tags(raw, number, notes),
        params=params(raw.get("params")),
        metrics=metrics(raw.get("metrics")),
        inputs=inputs,
        lineage=header,
    )
    return ArchivedVersion(new, _files(mappings(raw.get("files"))))


def _version_tags(raw: dict[str, Any], number: int, notes: Notes) -> dict[str, str]:
    """Ids of runs and logged models are text: they mean something only where the version was made."""
    given = {text(key): text(value) for key, value in mapping(raw.get("tags")).items()}
    own = {
        "imported_version": str(number),
        "imported_created_at": text(raw.get("created_at")),
        "imported_by": text(raw.get("created_by")),
        "imported_run_id": text(raw.get("run_id")),
        "imported_model_id": text(raw.get("model_id")),
        "imported_source": text(raw.get("source")),
    }
    return map_tags(given, own, notes=notes)


def _files(raw: list[dict[str, Any]]) -> dict[str, str]:
    if len(raw) > settings.MAX_FILES_PER_VERSION:
        raise InvalidParameter(f"a version has more than {settings.MAX_FILES_PER_VERSION} files.")
    files = {}
    for one in raw:
        path, sha256 = text(one.get("path")), text(one.get("sha256"))
        check_path(path)
        if not _SHA256.fullmatch(sha256):
            raise InvalidParameter(f"'{path}' has no SHA-256.")
        files[path] = sha256
    folders = {"/".join(path.split("/")[:depth]) for path in files for depth in range(1, path.count("/") + 1)}
    if folders & files.keys():
        raise InvalidParameter("a file and a folder share a name.")
    return files


def _origin(edges: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Lineage in the words in which runs and clients tell it."""
    inputs, entities = [], []
    for edge in edges:
        kind, name, details = text(edge.get("kind")), text(edge.get("name")), mapping(edge.get("details"))
        if kind in {"TABLE", "DATASET"}:
            inputs.append(_input(name, details, is_table=kind == "TABLE"))
        elif kind in {"NOTEBOOK", "JOB"}:
            entities.append({kind.lower(): {"id": name, "job_run_id": text(details.get("job_run_id")) or None}})
    return dataset_inputs(inputs), {"entities": entities}


def _input(name: str, details: dict[str, Any], *, is_table: bool) -> dict[str, Any]:
    source = {"delta_table_name": name, "delta_table_version": details.get("table_version")} if is_table else {}
    dataset = {
        "name": text(details.get("dataset")) or name,
        "digest": text(details.get("digest")),
        "source_type": "delta_table" if is_table else text(details.get("source_type")),
        "source": json.dumps(source, ensure_ascii=False),
    }
    return {"dataset": dataset, "tags": [{"key": "mlflow.data.context", "value": text(details.get("context"))}]}
