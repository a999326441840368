"""Environments for versions: asked for here, made once, shared by every version that resolves to the same content."""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from registry.models import ModelVersion
from registry.services.artifacts import check_ready
from serving.models import (
    EnvironmentState,
    ResolvedRequirements,
    ServingEnvironment,
    VersionEnvironment,
)
from serving.services.client_environments import client_environment, fill_client_packed
from serving.services.environment_builds import Watch, fill_resolved, make_environment
from serving.services.environment_errors import EnvironmentFailed
from serving.services.environment_folders import environment_folder
from serving.services.environment_locks import only_one
from serving.services.interpreters import Interpreter, choose_interpreter
from serving.services.package_resolver import (
    environment_digest,
    locked_packages,
    question_key,
    resolve_packages,
)
from serving.services.uv_process import Canceled, Log, never, silent
from serving.services.wanted_environments import WantedEnvironment, read_wanted

_NOTE_EVERY = timedelta(hours=1)


def environment_path(environment: ServingEnvironment) -> Path:
    """The folder of an environment on this machine; `bin/python` is its interpreter."""
    return environment_folder(environment.digest)


def ensure_environment(
    *,
    version: ModelVersion,
    log: Log = silent,
    canceled: Canceled = never,
    override: Sequence[str] = (),
    operation_id: UUID | None = None,
) -> ServingEnvironment:
    """The READY environment of a version, on this machine: found, unpacked, or resolved and built.

    What the client packed with the version comes first. Else its requirement lines count; lines of `override` replace
    those of the same package, for this call alone. `log` is told line by line, `canceled` asked all the time: it may
    answer True, or raise. Takes from no time to SERVING_BUILD_SECONDS a step; not to be called in a transaction. No
    right is checked here.

    Raises:
        EnvironmentFailed: with the line at fault and a suggestion; kept on the row too.
        BuildCanceled: nothing half made stays.
        InvalidState: the version is not READY.
        Unavailable: uv or a sandbox is missing on this machine.
    """
    check_ready(version)
    Path(settings.SERVING_ROOT).mkdir(parents=True, exist_ok=True)
    watch = Watch(log, canceled, operation_id)
    if not override:
        packed = _client_packed(version, watch)
        if packed is not None:
            return packed
    wanted = read_wanted_of(version, override=override, operation_id=operation_id)
    for note in wanted.notes:
        log(note)
    row = _resolved(version, wanted, watch, link=not override)
    try:
        make_environment(row, fill=fill_resolved, watch=watch)
    finally:
        if not override:
            _link(version, row, operation_id)
    _note_use(row)
    return row


def _client_packed(version: ModelVersion, watch: Watch) -> ServingEnvironment | None:
    """What the client packed; None when it packed nothing, or nothing that runs here: then the lines count.

    An archive that failed once is not unpacked again: only staging it again does that.
    """
    if version.packed_environment_bytes is None:
        return None
    try:
        known = client_environment(version)
        if known.state != EnvironmentState.FAILED:
            return ensure_client_packed(version, watch)
        why = known.message
    except EnvironmentFailed as error:
        why = error.message
    watch.log(f"WARNING: the packed environment is not used: {why} It is built from the requirements.")
    return None


def ensure_client_packed(version: ModelVersion, watch: Watch) -> ServingEnvironment:
    """The environment that the client packed with a version, READY on this machine. Nothing is resolved.

    Raises:
        EnvironmentFailed: there is none, or it cannot be used here.
        BuildCanceled, Unavailable.
    """
    row = client_environment(version)
    make_environment(row, fill=fill_client_packed, watch=watch)
    _link(version, row, watch.operation_id)
    _note_use(row)
    return row


def read_wanted_of(
    version: ModelVersion, *, override: Sequence[str] = (), operation_id: UUID | None = None
) -> WantedEnvironment:
    """What a version asks for; a line that is refused is kept as its failure.

    Raises:
        EnvironmentFailed.
    """
    try:
        return read_wanted(version, override=override)
    except EnvironmentFailed as error:
        if not override:
            _keep_failure(
                version, f"lines:{version.pk}", error, requirements=version.requirements, operation_id=operation_id
            )
        raise


def _resolved(version: ModelVersion, wanted: WantedEnvironment, watch: Watch, *, link: bool) -> ServingEnvironment:
    """The row of what the lines resolve to: known from before, or resolved now."""
    key = f"python:{wanted.python}"
    interpreter = None
    try:
        interpreter, note = choose_interpreter(wanted.python)
        if note:
            watch.log(note)
        key = question_key(wanted, interpreter)
        with only_one(f"resolve:{key}", waiting=watch.check):
            return _known(key, watch) or _resolve(key, wanted, interpreter, watch)
    except EnvironmentFailed as error:
        watch.log(error.message)
        if link:
            _keep_failure(
                version,
                key,
                error,
                requirements=wanted.text,
                python=interpreter.version if interpreter else wanted.python,
                operation_id=watch.operation_id,
            )
        raise


def _known(key: str, watch: Watch) -> ServingEnvironment | None:
    rows = ResolvedRequirements.objects.select_related("environment").filter(key=key)
    if settings.SERVING_RESOLUTION_HOURS:
        rows = rows.filter(resolved_at__gt=timezone.now() - timedelta(hours=settings.SERVING_RESOLUTION_HOURS))
    found = rows.first()
    if found is None:
        return None
    watch.log(f"These requirements are known: environment {found.environment.digest[:12]}")
    return found.environment


def _resolve(key: str, wanted: WantedEnvironment, interpreter: Interpreter, watch: Watch) -> ServingEnvironment:
    watch.log(f"Resolving {len(wanted.lines)} requirements for Python {interpreter.version}")
    lock = resolve_packages(wanted, interpreter, log=watch.log, canceled=watch.canceled)
    now = timezone.now()
    with transaction.atomic():
        row, _ = ServingEnvironment.objects.get_or_create(
            digest=environment_digest(lock, interpreter),
            defaults={
                "python": interpreter.version,
                "platform": interpreter.platform,
                "requirements": wanted.text,
                "lock": lock,
                "created_at": now,
            },
        )
        ResolvedRequirements.objects.update_or_create(key=key, defaults={"environment": row, "resolved_at": now})
    watch.log(f"{len(locked_packages(lock))} packages, environment {row.digest[:12]}")
    return row


def _keep_failure(
    version: ModelVersion,
    key: str,
    error: EnvironmentFailed,
    *,
    requirements: str,
    python: str = "",
    operation_id: UUID | None,
) -> None:
    """What could not even be resolved has a row too: of the question, as there is no answer."""
    facts = {
        "state": EnvironmentState.FAILED,
        "message": error.message,
        "python": python[:20],
        "requirements": requirements,
    }
    digest = _digest_of(key)
    row, _ = ServingEnvironment.objects.update_or_create(
        digest=digest, defaults=facts, create_defaults={**facts, "digest": digest, "created_at": timezone.now()}
    )
    _link(version, row, operation_id)


def _digest_of(key: str) -> str:
    return hashlib.sha256(f"unresolved:{key}".encode()).hexdigest()


def _link(version: ModelVersion, row: ServingEnvironment, operation_id: UUID | None) -> None:
    """Note which environment a version has. A failure of the question that nobody else asks goes with it."""
    now = timezone.now()
    with transaction.atomic():
        before = VersionEnvironment.objects.select_for_update().filter(version=version).first()
        if before is None:
            VersionEnvironment.objects.get_or_create(
                version=version, defaults={"environment": row, "operation_id": operation_id, "updated_at": now}
            )
            return
        values: dict[str, object] = {"environment": row, "updated_at": now}
        if operation_id is not None:
            values["operation_id"] = operation_id
        if before.environment_id != row.pk:
            values |= {"proved_at": None, "message": ""}
        VersionEnvironment.objects.filter(pk=before.pk).update(**values)
        if before.environment_id != row.pk:
            ServingEnvironment.objects.filter(
                pk=before.environment_id, lock="", kind=row.kind, state=EnvironmentState.FAILED, version_links=None
            ).delete()


def _note_use(row: ServingEnvironment) -> None:
    now = timezone.now()
    if row.last_used_at is None or now - row.last_used_at > _NOTE_EVERY:
        row.last_used_at = now
        row.save(update_fields=["last_used_at"])
