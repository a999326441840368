"""Model versions on their way: begun, filled, finalized or failed; then only described, tagged and deleted."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from registry.errors import InvalidState
from registry.events import model_changed, model_version_ready
from registry.models import ModelVersion, VersionStatus
from registry.names import find_model_id
from registry.privileges import Action
from registry.services.access import require_visible
from registry.services.actors import Actor, system_actor
from registry.services.aliases import note_move
from registry.services.artifacts import manifest_totals, packed_environment_size
from registry.services.audit import audited, audited_read, record
from registry.services.direct_uploads import take_in_uploads
from registry.services.lineage import record_origin
from registry.services.mlmodel import ModelFacts, UnusableModel, read_facts
from registry.services.model_deletion import delete_versions
from registry.services.model_lookup import (
    canonical_name,
    find_model,
    find_model_for,
    find_version_for,
    versions_with_everything,
    visible_version,
    visible_version_by_alias,
)
from registry.services.model_rows import versions_with_ids
from registry.services.paging import Page, fetch_page, page_size
from registry.services.securables import touch
from registry.services.tags import Tags, set_tags
from registry.services.version_sources import Origin, read_origin


@dataclass(frozen=True)
class NewVersion:
    """What a client says of a version that it is about to upload."""

    source: str = ""
    run_id: str = ""
    run_workspace_id: str = ""
    logged_model_id: str = ""
    comment: str = ""
    tags: Mapping[str, object] = field(default_factory=dict)
    dependencies: Sequence[dict[str, Any]] = ()
    feature_deps: str = ""
    lineage: Mapping[str, Any] = field(default_factory=dict)


@audited
def begin_version(*, actor: Actor, name: object, new: NewVersion) -> ModelVersion:
    """Make the next version, PENDING_REGISTRATION until its files are there and it is finalized.

    The number is taken for good: it is never given again, whatever becomes of the version.

    Raises:
        NotFound, AccessDenied: on the model, on its source, or on the run.
        InvalidParameter, LimitExceeded: a tag that is not allowed.
    """
    # The tracking server is asked before the model's row is locked.
    find_model_for(actor=actor, name=name, action=Action.CREATE_VERSION)
    origin = read_origin(actor=actor, source=new.source, run_id=new.run_id)
    model = find_model_for(actor=actor, name=name, action=Action.CREATE_VERSION, lock=True)
    model.last_version += 1
    model.save(update_fields=["last_version"])
    touch(model.securable, actor=actor, fields=[])
    version = _new_row(actor, new, origin)
    version.model, version.version = model, model.last_version
    version.save(force_insert=True)
    set_tags(version.tags, Tags(set=new.tags), actor=actor)
    record_origin(version, actor=actor, inputs=origin.inputs, header=new.lineage)
    record(
        actor=actor,
        action=Action.CREATE_VERSION,
        securable=model.securable,
        params={"version": version.version, "source": new.source, "run_id": new.run_id},
    )
    return versions_with_everything(ModelVersion.objects.filter(pk=version.pk)).get()


def _new_row(actor: Actor, new: NewVersion, origin: Origin) -> ModelVersion:
    now = timezone.now()
    copied = origin.copied_from
    return ModelVersion(
        source=new.source,
        run_id=new.run_id or (copied.run_id if copied else ""),
        run_experiment_id=origin.experiment_id or (copied.run_experiment_id if copied else ""),
        run_workspace_id=new.run_workspace_id or (settings.WORKSPACE_ID if origin.experiment_id else ""),
        logged_model_id=_logged_model_id(new, copied),
        comment=new.comment,
        # A client that cannot follow the model id drops the dependencies of what it copies.
        dependencies=list(new.dependencies) or (copied.dependencies if copied else []),
        feature_deps=new.feature_deps or (copied.feature_deps if copied else ""),
        params=origin.params or (copied.params if copied else []),
        metrics=origin.metrics or (copied.metrics if copied else []),
        copied_from=copied,
        created_at=now,
        created_by=actor.principal,
        updated_at=now,
        updated_by=actor.principal,
        touched_at=now,
    )


def _logged_model_id(new: NewVersion, copied: ModelVersion | None) -> str:
    """Never empty: stock clients cannot copy a version whose model id is."""
    inherited = copied.logged_model_id if copied else None
    return new.logged_model_id or find_model_id(new.source) or inherited or f"m-{uuid.uuid4().hex}"


def finalize_version(*, actor: Actor, name: object, version: object) -> ModelVersion:
    """Close the upload: the version becomes READY and never changes again, or FAILED_REGISTRATION.

    Finalizing a READY version again answers the version: a client whose answer was lost may repeat.

    Raises:
        NotFound, AccessDenied.
        UnusableModel: the files are no model with a signature; the version has failed.
        InvalidState: the version has failed before.
        Others as `take_in_uploads`: the version is still pending.
    """
    take_in_uploads(actor=actor, name=name, version=version)
    try:
        return _finalize(actor=actor, name=name, version=version)
    except UnusableModel as error:
        _fail(actor=actor, name=name, version=version, reason=error.message)
        raise


@audited
def _finalize(*, actor: Actor, name: object, version: object) -> ModelVersion:
    found = find_version_for(actor=actor, name=name, version=version, action=Action.CREATE_VERSION, lock=True)
    if found.status == VersionStatus.FAILED_REGISTRATION:
        raise InvalidState(
            f"Version {found.version} of model '{canonical_name(name)}' has failed: {found.status_message} "
            "Register it again as a new version."
        )
    if found.status == VersionStatus.PENDING_REGISTRATION:
        complete_version(found, actor=actor)
    record(
        actor=actor,
        action="finalizeModelVersion",
        securable=found.model.securable,
        params={"version": found.version, "files": found.file_count, "bytes": found.size_bytes},
    )
    return versions_with_everything(ModelVersion.objects.filter(pk=found.pk)).get()


def complete_version(version: ModelVersion, *, actor: Actor) -> None:
    """Check the files of a locked PENDING version and make it READY. Call in a transaction.

    Raises:
        UnusableModel: the files are no model with a signature.
    """
    _keep_facts(version, read_facts(version))
    version.file_count, version.size_bytes = manifest_totals(version)
    version.packed_environment_bytes = packed_environment_size(version)
    version.status, version.status_message = VersionStatus.READY, ""
    version.ready_at = version.updated_at = timezone.now()
    version.updated_by = actor.principal
    version.save()
    touch(version.model.securable, actor=actor, fields=[])
    model_changed.send(
        ModelVersion, securable=version.model.securable, changes=[("model_version.created", _news_of(version))]
    )
    transaction.on_commit(lambda: model_version_ready.send(ModelVersion, version=version))


def _news_of(version: ModelVersion) -> dict[str, Any]:
    return {
        "version": str(version.version),
        "source": version.source,
        "run_id": version.run_id or None,
        "tags": {tag.key: tag.value for tag in version.tags.all()},
        "description": version.comment or None,
    }


def _keep_facts(version: ModelVersion, facts: ModelFacts) -> None:
    version.mlmodel = facts.mlmodel
    version.signature = facts.signature
    version.requirements = facts.requirements
    version.uses_defaults_channel = facts.uses_defaults_channel


@audited
def _fail(*, actor: Actor, name: object, version: object, reason: str) -> None:
    found = find_version_for(actor=actor, name=name, version=version, action=Action.CREATE_VERSION, lock=True)
    fail_version(found, actor=actor, reason=reason)


def fail_version(version: ModelVersion, *, actor: Actor, reason: str) -> None:
    """Give up a PENDING version: it stays listed as FAILED_REGISTRATION with the reason.

    Call in an audited transaction. A version that is READY or failed already is left as it is.
    """
    if version.status == VersionStatus.PENDING_REGISTRATION:
        version.status, version.status_message = VersionStatus.FAILED_REGISTRATION, reason
        version.updated_at, version.updated_by = timezone.now(), actor.principal
        version.save(update_fields=["status", "status_message", "updated_at", "updated_by"])
        # Bytes of a version that can never become READY are of no use to anybody.
        version.files.all().delete()
    record(
        actor=actor,
        action="failModelVersion",
        securable=version.model.securable,
        params={"version": version.version, "reason": reason},
    )


@audited_read
def get_version(*, actor: Actor, name: object, version: object) -> ModelVersion:
    """The version with tags and aliases, for who may see its model. Four queries.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    return visible_version(actor=actor, name=name, version=version)


@audited_read
def get_version_by_alias(*, actor: Actor, name: object, alias: str) -> ModelVersion:
    """The version that an alias points at now. Four queries.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    return visible_version_by_alias(actor=actor, name=name, alias=alias)


@audited_read
def get_latest_version(*, actor: Actor, name: object) -> ModelVersion | None:
    """The newest READY version of a model, or where none is READY the newest at all; None for a model without any.

    At most six queries.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    model = find_model(name)
    require_visible(actor=actor, securable=model.securable, named=canonical_name(name))
    newest_first = ModelVersion.objects.filter(model=model).order_by("-version").values_list("pk", flat=True)
    pk = newest_first.filter(status=VersionStatus.READY).first() or newest_first.first()
    return versions_with_ids([pk], model=model)[0] if pk else None


@audited_read
def find_version(*, actor: Actor, full_name: str, version: object, action: Action) -> ModelVersion:
    """The version, if the actor may do `action` to its model; for services that go on with it. Three queries.

    Raises:
        NotFound, AccessDenied, InvalidParameter, InvalidState.
    """
    return find_version_for(actor=actor, name=full_name, version=version, action=action)


@audited_read
def list_versions(
    *, actor: Actor, name: object, max_results: int | None = None, page_token: str = ""
) -> Page[ModelVersion]:
    """The versions of a model, newest first. Five queries.

    What finalize read from the files loads when it is touched.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    model = find_model(name)
    require_visible(actor=actor, securable=model.securable, named=canonical_name(name))
    page = fetch_page(
        ModelVersion.objects.filter(model=model).only("pk", "version"),
        order=["-version"],
        size=page_size(max_results),
        token=page_token,
        scope=f"versions:{model.pk}",
    )
    return Page(versions_with_ids([row.pk for row in page.items], model=model), page.next_page_token)


@audited
def update_version(*, actor: Actor, name: object, version: object, comment: str) -> ModelVersion:
    """Change the description, the one text of a version that may change.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    found = find_version_for(actor=actor, name=name, version=version, action=Action.UPDATE_VERSION, lock=True)
    before = {"comment": found.comment}
    found.comment, found.updated_at, found.updated_by = comment, timezone.now(), actor.principal
    found.save(update_fields=["comment", "updated_at", "updated_by"])
    record(
        actor=actor,
        action=Action.UPDATE_VERSION,
        securable=found.model.securable,
        params={"version": found.version},
        before=before,
        after={"comment": comment},
    )
    return versions_with_everything(ModelVersion.objects.filter(pk=found.pk)).get()


@audited
def delete_version(*, actor: Actor, name: object, version: object) -> int:
    """Delete a version for ever, with the aliases that point at it. Returns the bytes that the next sweep frees.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
    """
    find_model_for(actor=actor, name=name, action=Action.DELETE_VERSION, lock=True)
    found = find_version_for(actor=actor, name=name, version=version, action=Action.DELETE_VERSION, lock=True)
    aliases = [alias.name for alias in found.aliases.all()]
    forget_aliases(found, actor=actor)
    freed = delete_versions(ModelVersion.objects.filter(pk=found.pk))
    touch(found.model.securable, actor=actor, fields=[])
    record(
        actor=actor,
        action=Action.DELETE_VERSION,
        securable=found.model.securable,
        params={"version": found.version, "freed_bytes": freed},
        before={"aliases": aliases, "comment": found.comment, "status": found.status},
    )
    return freed


def forget_aliases(version: ModelVersion, *, actor: Actor) -> None:
    """Note in the history that the aliases of a version end with it."""
    for alias in version.aliases.all():
        note_move(version.model, actor=actor, name=alias.name, before=version.version, after=None)


@audited
def authorize_load(*, actor: Actor, name: object, version: object) -> ModelVersion:
    """Let the actor take the bytes of a READY version; the audit trail keeps that it did.

    Raises:
        NotFound, AccessDenied, InvalidState.
    """
    found = find_version_for(actor=actor, name=name, version=version, action=Action.LOAD_VERSION)
    record(
        actor=actor,
        action=Action.LOAD_VERSION,
        securable=found.model.securable,
        params={"version": found.version, "operation": "READ"},
    )
    return found


@audited
def authorize_upload(*, actor: Actor, name: object, version: object) -> ModelVersion:
    """Let the actor upload files to a version that is still PENDING_REGISTRATION.

    Raises:
        NotFound, AccessDenied.
        InvalidState: the version is READY or has failed.
    """
    found = find_version_for(actor=actor, name=name, version=version, action=Action.CREATE_VERSION)
    if found.status != VersionStatus.PENDING_REGISTRATION:
        raise InvalidState(
            f"Version {found.version} of model '{canonical_name(name)}' is {found.status}: its files cannot change."
        )
    record(
        actor=actor,
        action=Action.LOAD_VERSION,
        securable=found.model.securable,
        params={"version": found.version, "operation": "READ_WRITE"},
    )
    return found


def reap_pending_versions(*, now: datetime | None = None) -> int:
    """Fail the versions whose upload was abandoned. Returns how many."""
    before = (now or timezone.now()) - timedelta(hours=settings.PENDING_VERSION_HOURS)
    abandoned = ModelVersion.objects.filter(status=VersionStatus.PENDING_REGISTRATION, touched_at__lt=before)
    return _reap(actor=system_actor(), abandoned=abandoned) if abandoned.exists() else 0


@audited
def _reap(*, actor: Actor, abandoned: "QuerySet[ModelVersion]") -> int:
    reason = f"No upload for {settings.PENDING_VERSION_HOURS} hours. Register it again."
    rows = list(
        abandoned.select_for_update(of=("self",), skip_locked=True).select_related("model__securable__parent__parent")
    )
    for version in rows:
        fail_version(version, actor=actor, reason=reason)
    subject = ("MODEL_VERSION", "", "pending versions")
    record(actor=actor, action="reapModelVersions", subject=subject, params={"failed": len(rows)})
    return len(rows)
