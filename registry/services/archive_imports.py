"""Reads an archive into the registry: every byte is hashed on its way, every version checked like any other.

A version whose files have all come is READY at once. What is here already is left; an import that broke off goes on
when the archive is given again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from registry.errors import ModelkeepError
from registry.models import AliasMove, ManifestEntry, ModelVersion, RegisteredModel, VersionStatus
from registry.names import check_alias, lookup_key, split_full_name
from registry.services.actors import Actor, renewed
from registry.services.archive_format import ArchiveReader, DamagedArchive
from registry.services.archive_index import SOURCE_PREFIX, ArchivedModel, ArchivedVersion, read_models, read_sizes
from registry.services.artifacts import place_file
from registry.services.audit import audited, record
from registry.services.import_mapping import Notes
from registry.services.import_reports import ModelReport, Outcome, VersionReport
from registry.services.imported_aliases import import_aliases
from registry.services.imported_versions import (
    begin_imported,
    check_destination,
    ensure_model,
    finish_or_give_up,
    give_up_imported,
    known_versions,
    place_kept_blob,
)
from registry.storage.blobs import blob_store
from registry.storage.incoming import ByteSource, Received


@dataclass
class _Open:
    """A version that waits for files: the digests that are missing."""

    id: UUID
    report: VersionReport
    missing: set[str]


@dataclass
class _Arrival:
    """What still has to come: for each digest, the versions that wait for it and their paths."""

    waiting: dict[str, dict[UUID, list[str]]] = field(default_factory=dict)
    open: dict[UUID, _Open] = field(default_factory=dict)

    def add(self, version: _Open, files: Iterable[tuple[str, str]]) -> None:
        """Wait for some files of a version, given as (path, digest)."""
        self.open[version.id] = version
        for path, sha256 in files:
            version.missing.add(sha256)
            self.waiting.setdefault(sha256, {}).setdefault(version.id, []).append(path)


def import_archive(*, actor: Actor, source: ByteSource, into: str = "") -> list[ModelReport]:
    """Bring the models of an archive here, under their own names or into one schema. Reads `source` once.

    A model is made where there is none, which takes CREATE_MODEL; adding versions takes CREATE_MODEL_VERSION or
    owning it. A long call, in many short transactions.

    Raises:
        DamagedArchive: changed, cut off or no archive. Versions that were complete before are READY, the rest failed.
        NotFound, AccessDenied: on any of the models; nothing is made then.
        InvalidParameter.
    """
    reader = ArchiveReader(source)
    index = reader.index()
    models, sizes = read_models(index), read_sizes(index)
    names = [_name(model, into) for model in models]
    if len({lookup_key(name) for name in names}) != len(names):
        raise DamagedArchive("Two models of the archive would have one name here: they need different schemas.")
    for name in names:
        check_destination(actor=actor, name=name)
    arrival, reports = _Arrival(), []
    for model, name in zip(models, names, strict=True):
        reports.append(_begin_model(actor, model, name, arrival))
    _take_blobs(actor, reader, sizes, arrival)
    still = renewed(actor)
    for model, report in zip(models, reports, strict=True):
        _finish_model(still, model, report)
    return reports


def _name(model: ArchivedModel, into: str) -> str:
    parts = split_full_name(model.name, levels=3, field="name")
    return ".".join([*split_full_name(into, levels=2, field="into"), parts[2]] if into else parts)


def _begin_model(actor: Actor, archived: ArchivedModel, name: str, arrival: _Arrival) -> ModelReport:
    started = timezone.now()
    model = ensure_model(actor=actor, name=name, comment=archived.comment, tags=archived.tags)
    is_new = model.securable.created_at >= started
    report = ModelReport(source_name=archived.name, name=name, is_new=is_new)
    known = known_versions(model, prefix=SOURCE_PREFIX)
    for version in archived.versions:
        here = known.get(version.new.source)
        if here and here.status == VersionStatus.READY:
            report.versions.append(
                VersionReport(
                    version.new.number,
                    here.version,
                    Outcome.PRESENT,
                    files=here.file_count,
                    bytes=here.size_bytes,
                )
            )
        else:
            report.versions.append(_begin_version(actor, name, version, arrival))
    return report


def _begin_version(actor: Actor, name: str, archived: ArchivedVersion, arrival: _Arrival) -> VersionReport:
    version = begin_imported(actor=actor, name=name, new=archived.new)
    report = VersionReport(archived.new.number, version.version, Outcome.IMPORTED)
    have = dict(ManifestEntry.objects.filter(version=version).values_list("path", "blob_id"))
    strange = [path for path, sha256 in have.items() if archived.files.get(path) != sha256]
    ManifestEntry.objects.filter(version=version, path__in=strange).delete()
    missing = [(path, sha256) for path, sha256 in archived.files.items() if have.get(path) != sha256]
    arrival.add(_Open(version.pk, report, set()), missing)
    return report


def _take_blobs(actor: Actor, reader: ArchiveReader, sizes: dict[str, int], arrival: _Arrival) -> None:
    try:
        _finish_complete(actor, arrival)
        for sha256, member in reader.blobs():
            if sha256 not in arrival.waiting:
                continue
            if member.size != sizes.get(sha256):
                raise DamagedArchive(f"The blob {sha256} has another size than the archive's description says.")
            received = blob_store().receive(member, limit=settings.MAX_FILE_BYTES, expected=member.size)
            try:
                _place(received, sha256, arrival)
            finally:
                received.discard()
            _finish_complete(actor, arrival)
        if arrival.open:
            raise DamagedArchive("The archive lacks files that its description names: copy it again.")
    except ModelkeepError as error:
        for version in list(arrival.open.values()):
            give_up_imported(actor=actor, version_id=version.id, reason=f"The import broke off: {error.message}")
        raise


def _place(received: Received, sha256: str, arrival: _Arrival) -> None:
    """Give every version that waits for these bytes its files."""
    if received.sha256 != sha256:
        raise DamagedArchive(f"The blob {sha256} holds other bytes than its name says: the archive was changed.")
    is_kept = False
    for version_id, paths in arrival.waiting.pop(sha256).items():
        with transaction.atomic():
            if not is_kept:
                place_file(version_id=version_id, path=paths[0], received=received)
            place_kept_blob(version_id=version_id, paths=paths, sha256=sha256, size=received.size)
        is_kept = True
        arrival.open[version_id].missing.discard(sha256)


def _finish_complete(actor: Actor, arrival: _Arrival) -> None:
    for waiting in [version for version in arrival.open.values() if not version.missing]:
        version = finish_or_give_up(actor=renewed(actor), version_id=waiting.id)
        del arrival.open[waiting.id]
        if version.status == VersionStatus.READY:
            waiting.report.files, waiting.report.bytes = version.file_count, version.size_bytes
        else:
            waiting.report.outcome, waiting.report.reason = Outcome.FAILED, version.status_message


def _finish_model(actor: Actor, archived: ArchivedModel, report: ModelReport) -> None:
    notes = archived.notes
    with transaction.atomic():
        model = ensure_model(actor=actor, name=report.name, comment="", tags={})
        if archived.history and not _keep_history(actor=actor, model=model, archived=archived, report=report):
            notes.add("The history of aliases stays in the archive: the model has versions or a history of its own.")
    import_aliases(
        actor=actor, wanted=_allowed(archived, notes), report=report, notes=notes, effect=transaction.atomic
    )
    report.notes = notes.lines()


def _allowed(archived: ArchivedModel, notes: Notes) -> dict[str, int]:
    wanted = {}
    for alias, number in archived.aliases.items():
        try:
            wanted[check_alias(alias)] = number
        except ModelkeepError as error:
            notes.add(f"Alias '{alias}' was left out: {error.message}")
    return wanted


@audited
def _keep_history(*, actor: Actor, model: RegisteredModel, archived: ArchivedModel, report: ModelReport) -> bool:
    """Keep what was Champion when, in a model that has nothing but what archives brought; False in any other.

    Who moved it stays out: the same name may be another person here.
    """
    others = ModelVersion.objects.filter(model=model).exclude(source__startswith=SOURCE_PREFIX).exists()
    fits = not others and not AliasMove.objects.filter(model=model).exists()
    if fits:
        numbers = {version.source_version: version.version for version in report.versions}
        AliasMove.objects.bulk_create(
            AliasMove(
                model=model,
                key=lookup_key(step.alias),
                name=step.alias[: settings.MAX_ALIAS_LENGTH],
                from_version=numbers.get(step.from_version, step.from_version) if step.from_version else None,
                to_version=numbers.get(step.to_version, step.to_version) if step.to_version else None,
                moved_at=step.moved_at,
            )
            for step in archived.history
        )
    record(
        actor=actor,
        action="importAliasHistory",
        securable=model.securable,
        params={"moves": len(archived.history) if fits else 0},
    )
    return fits
