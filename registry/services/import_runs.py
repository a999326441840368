"""One attempt at an import: model by model, version by version, each in its own short transactions.

Whatever is here already is seen and left, so an attempt that was killed, and an import that is asked for again, go on
where they were. A dry run takes the same way and stops short of writing.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from django.conf import settings

from registry.errors import (
    AccessDenied,
    AlreadyExists,
    Conflict,
    InvalidParameter,
    InvalidState,
    LimitExceeded,
    NotFound,
    TooLarge,
)
from registry.models import ManifestEntry, ModelVersion, RegisteredModel, VersionStatus
from registry.names import lookup_key
from registry.services.actors import Actor
from registry.services.artifacts import place_file
from registry.services.import_files import RemoteFile, RemoteTree, find_tree
from registry.services.import_mapping import (
    Notes,
    destination_name,
    model_tags,
    source_prefix,
    version_source,
    version_tags,
    wanted_aliases,
)
from registry.services.import_reports import ModelReport, Outcome, VersionReport
from registry.services.import_sources import Source, SourceModel, SourceVersion
from registry.services.imported_aliases import import_aliases
from registry.services.imported_versions import (
    ImportedVersion,
    Known,
    begin_imported,
    check_destination,
    ensure_model,
    finish_or_give_up,
    import_shared,
    known_versions,
    next_number,
    record_refused,
)
from registry.services.mlmodel import MLMODEL, check_mlmodel
from registry.services.remote_hosts import SourceError, read_whole
from registry.storage.blobs import blob_store

_REMEMBERED_TREES = 1024
_REFUSED = (InvalidParameter, TooLarge, LimitExceeded, Conflict)
"""What is wrong with one version and says nothing about the next."""
_MODEL_REFUSED = (*_REFUSED, AccessDenied, NotFound, AlreadyExists, InvalidState)


class Steps(Protocol):
    """How an attempt reports and takes effect: an operation's context."""

    def progress(self, percent: float, step: str = "") -> None:
        """Say how far it is; raises when it must stop."""
        ...

    def log(self, text: str, level: str = "INFO") -> None:
        """Add a line to the log."""
        ...

    def effect(self, name: str = "") -> AbstractContextManager[bool]:
        """A transaction that only who holds the operation can commit."""
        ...


@dataclass(frozen=True)
class Scope:
    """What to import. No `models` means all; `since` is when it was asked for."""

    into: str
    models: tuple[str, ...]
    stages: Mapping[str, str]
    dry_run: bool
    since: datetime


@dataclass(frozen=True)
class _Inspected:
    """What a look at the files of a version told: the files, or why they are of no use."""

    tree: RemoteTree | None
    files: list[RemoteFile]
    refusal: str = ""

    @property
    def size(self) -> int:
        return sum(file.size or 0 for file in self.files)


class ImportRun:
    """One attempt."""

    def __init__(self, *, actor: Actor, source: Source, scope: Scope, steps: Steps) -> None:
        self._actor, self._source, self._scope, self._steps = actor, source, scope, steps
        self._inspected: OrderedDict[str, _Inspected] = OrderedDict()
        self._copies: dict[str, ModelVersion] = {}
        self._taken: dict[str, str] = {}

    def run(self) -> list[ModelReport]:
        """Import everything that is asked for, or tell what that would do.

        Raises:
            Unauthenticated, Unavailable, SourceError: the source as a whole is of no use now.
            Whatever `steps` raises to stop the attempt.
        """
        self._steps.progress(0, "Listing models")
        wanted = list(self._wanted())
        reports = []
        for index, found in enumerate(wanted):
            report = self._model(found, Span(self._steps, index, len(wanted)))
            self._steps.log(report.summary(), level="WARNING" if report.reason else "INFO")
            reports.append(report)
        return reports

    def _wanted(self) -> Iterable[SourceModel | ModelReport]:
        if not self._scope.models:
            yield from self._source.models()
            return
        for name in self._scope.models:
            try:
                yield self._source.model(name)
            except SourceError as error:
                yield ModelReport(source_name=name, reason=error.message)

    def _model(self, found: SourceModel | ModelReport, span: "Span") -> ModelReport:
        if isinstance(found, ModelReport):
            return found
        report, notes = ModelReport(source_name=found.name), Notes()
        try:
            self._import_model(found, report, notes, span)
        except _MODEL_REFUSED as error:
            report.reason = error.message
        report.notes = notes.lines()
        return report

    def _import_model(self, found: SourceModel, report: ModelReport, notes: Notes, span: "Span") -> None:
        name = self._destination(found.name, notes)
        model = check_destination(actor=self._actor, name=name)
        versions = self._source.versions(found.name)
        report.name, report.is_new = name, model is None or self._is_ours(model.securable.created_at)
        if not report.is_new:
            notes.add("The model was here before: its description and tags stay as they are.")
        tags = model_tags(found, url=self._source.host.url, notes=notes if report.is_new else Notes())
        if not self._scope.dry_run:
            with self._steps.effect():
                model = ensure_model(actor=self._actor, name=name, comment=found.description, tags=tags)
        self._import_versions(found.name, versions, model, report, notes, span)
        wanted = wanted_aliases(found, versions, self._scope.stages, notes=notes)
        effect = None if self._scope.dry_run else self._steps.effect
        import_aliases(actor=self._actor, wanted=wanted, report=report, notes=notes, effect=effect)

    def _destination(self, source_name: str, notes: Notes) -> str:
        name = destination_name(source_name, into=self._scope.into, notes=notes)
        other = self._taken.setdefault(lookup_key(name), source_name)
        if other != source_name:
            raise AlreadyExists(f"'{other}' is imported as '{name}' already: two models cannot become one.")
        return name

    def _is_ours(self, created_at: datetime) -> bool:
        """Whether this import made it, in this attempt or an earlier one."""
        return created_at >= self._scope.since

    def _import_versions(
        self,
        source_name: str,
        versions: list[SourceVersion],
        model: RegisteredModel | None,
        report: ModelReport,
        notes: Notes,
        span: "Span",
    ) -> None:
        url, last = self._source.host.url, model.last_version if model else 0
        known = known_versions(model, prefix=source_prefix(url, source_name)) if model else {}
        for index, version in enumerate(versions):
            # The name alone: telling is a query where the percentage or the text has changed.
            span.tell(index / len(versions), f"Importing {source_name}")
            here = known.get(version_source(url, source_name, version.number))
            number = here.version if here else next_number(version.number, last)
            last = max(last, number)
            if here and here.status == VersionStatus.READY:
                report.versions.append(self._present(version, here))
            else:
                report.versions.append(self._import_version(report.name, version, number, notes))

    def _present(self, version: SourceVersion, here: Known) -> VersionReport:
        outcome = Outcome.IMPORTED if self._is_ours(here.created_at) else Outcome.PRESENT
        return VersionReport(version.number, here.version, outcome, files=here.file_count, bytes=here.size_bytes)

    def _import_version(self, name: str, version: SourceVersion, number: int, notes: Notes) -> VersionReport:
        new = self._described(version, notes)
        inspected = self._inspect(version)
        report = VersionReport(version.number, number, Outcome.IMPORTED)
        if inspected.refusal:
            report.outcome, report.reason = Outcome.FAILED, inspected.refusal
        else:
            report.files, report.bytes = len(inspected.files), inspected.size
        if not self._scope.dry_run:
            self._write_version(name, new, inspected, report)
        if report.outcome == Outcome.FAILED:
            self._steps.log(f"Version {version.number} of {version.model}: {report.reason}", level="WARNING")
        return report

    def _described(self, version: SourceVersion, notes: Notes) -> ImportedVersion:
        run = self._source.run(version.run_id) if version.run_id else None
        return ImportedVersion(
            source=version_source(self._source.host.url, version.model, version.number),
            number=version.number,
            comment=version.description,
            tags=version_tags(version, notes=notes),
            params=run.params if run else (),
            metrics=run.metrics if run else (),
            inputs=run.inputs if run else (),
        )

    def _inspect(self, version: SourceVersion) -> _Inspected:
        """List the files and read the MLmodel among them. Versions that share their files are looked at once."""
        try:
            tree = find_tree(self._source, version)
        except _REFUSED as error:
            return _Inspected(None, [], error.message)
        found = self._inspected.get(tree.key)
        if found is None:
            found = self._inspected[tree.key] = _look_at(tree)
            if len(self._inspected) > _REMEMBERED_TREES:
                self._copies.pop(self._inspected.popitem(last=False)[0], None)
        return found

    def _write_version(self, name: str, new: ImportedVersion, inspected: _Inspected, report: VersionReport) -> None:
        if inspected.tree is None or inspected.refusal:
            with self._steps.effect():
                version = record_refused(actor=self._actor, name=name, new=new, reason=inspected.refusal)
        else:
            version = self._copied(name, new, inspected.tree) or self._filled(name, new, inspected)
        report.version = version.version
        if version.status == VersionStatus.READY:
            report.files, report.bytes = version.file_count, version.size_bytes
            if inspected.tree is not None:
                self._copies[inspected.tree.key] = version
        else:
            report.outcome, report.reason = Outcome.FAILED, version.status_message

    def _copied(self, name: str, new: ImportedVersion, tree: RemoteTree) -> ModelVersion | None:
        """The version with the files of another that this attempt brought here; None when there is none."""
        like = self._copies.get(tree.key)
        if like is None:
            return None
        try:
            with self._steps.effect():
                return import_shared(actor=self._actor, name=name, new=new, like=like)
        except (NotFound, InvalidState):
            # The other was deleted meanwhile, or an earlier attempt began to fill this one: its files are fetched.
            return None

    def _filled(self, name: str, new: ImportedVersion, inspected: _Inspected) -> ModelVersion:
        with self._steps.effect():
            version = begin_imported(actor=self._actor, name=name, new=new)
        try:
            self._fetch_files(version, inspected)
        except _REFUSED as error:
            with self._steps.effect():
                return record_refused(actor=self._actor, name=name, new=new, reason=error.message)
        with self._steps.effect():
            return finish_or_give_up(actor=self._actor, version_id=version.pk)

    def _fetch_files(self, version: ModelVersion, inspected: _Inspected) -> None:
        entries = ManifestEntry.objects.filter(version=version).select_related("blob")
        have = {entry.path: entry.blob.size for entry in entries}
        for file in inspected.files:
            if file.size is None or have.get(file.path) != file.size:
                self._fetch_file(version, inspected.tree, file)

    def _fetch_file(self, version: ModelVersion, tree: RemoteTree | None, file: RemoteFile) -> None:
        if tree is None:
            return
        with tree.open(file.path) as body:
            received = blob_store().receive(body, limit=settings.MAX_FILE_BYTES, expected=file.size)
        try:
            with self._steps.effect():
                place_file(version_id=version.pk, path=file.path, received=received)
        finally:
            received.discard()


def _look_at(tree: RemoteTree) -> _Inspected:
    try:
        files = tree.files()
        # Without an MLmodel the check says so, in the words that every registration gets.
        if any(file.path == MLMODEL for file in files):
            with tree.open(MLMODEL) as body:
                check_mlmodel(read_whole(body, limit=settings.MAX_MLMODEL_BYTES))
        else:
            check_mlmodel(None)
    except _REFUSED as error:
        return _Inspected(None, [], error.message)
    return _Inspected(tree, files)


@dataclass(frozen=True)
class Span:
    """One model's share of the whole progress."""

    steps: Steps
    index: int
    count: int

    def tell(self, part: float, step: str) -> None:
        """Say which part of this model is done, 0 to 1."""
        self.steps.progress(100 * (self.index + part) / self.count, step)
