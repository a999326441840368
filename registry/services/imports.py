"""Imports of models from another MLflow server or workspace registry: asked for here, run as an operation.

The token to the other server is sealed in the operation's row while the operation is open, and gone from it once it
has ended. It is in no log, no audit row and no message.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from registry.errors import InvalidParameter, InvalidState
from registry.models import Operation
from registry.names import split_full_name
from registry.privileges import SecurableType
from registry.services.access import require_visible
from registry.services.actors import Actor, system_actor
from registry.services.audit import audited
from registry.services.import_mapping import DEFAULT_STAGES, check_stages, source_prefix
from registry.services.import_reports import as_result
from registry.services.import_runs import ImportRun, Scope
from registry.services.import_sources import Source
from registry.services.imported_versions import fail_unfinished
from registry.services.operation_context import OperationContext
from registry.services.operation_kinds import operation_kind
from registry.services.operations import submit_operation
from registry.services.remote_hosts import Reach, RemoteHost, check_url, resolve
from registry.services.sealing import seal, unseal
from registry.services.securables import find_securable

IMPORT = "import_models"
_SEALED = "sealed_token"
_PURPOSE = "import token"
_MAX_TOKEN = 16 * 1024
_MAX_NAMES = 10_000


@dataclass(frozen=True)
class ImportRequest:
    """What to import, and how to reach it.

    No `models` means all. `into` is a schema as catalog.schema; empty where names over there have three levels.
    With a `username`, the token is its password. `allow_private` lets the server reach addresses inside its own
    network: only for who runs this installation, so no dialect offers it.
    """

    source_url: str
    token: str = field(default="", repr=False)
    username: str = ""
    into: str = ""
    models: Sequence[str] = ()
    stages: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_STAGES))
    dry_run: bool = False
    allow_private: bool = False


@audited
def submit_import(*, actor: Actor, wanted: ImportRequest, retry_of: Operation | None = None) -> Operation:
    """Ask for an import. Each model is imported with the rights that the actor has when the import runs.

    A model is made where there is none, which takes CREATE_MODEL on the schema; versions are added to one that is
    there, which takes CREATE_MODEL_VERSION on it or owning it. What was imported before is left as it is, so the same
    import may be asked for again.

    Raises:
        NotFound: no such schema, or a hidden one.
        InvalidParameter: an address that may not be reached, a name or an alias that cannot be.
        Unavailable: the other server's name cannot be looked up now.
    """
    params = _checked(actor, wanted)
    names = ", ".join(params["models"][:3]) or "all models"
    operation = submit_operation(
        actor=actor, kind=IMPORT, params=params, subject=f"{names} of {params['source_url']}", retry_of=retry_of
    )
    if wanted.token:
        # Written past the audit row, which is kept for ever.
        operation.params = {**params, _SEALED: seal(wanted.token, purpose=_PURPOSE)}
        operation.save(update_fields=["params"])
    return operation


def _checked(actor: Actor, wanted: ImportRequest) -> dict[str, Any]:
    url = check_url(wanted.source_url)
    if len(wanted.token) > _MAX_TOKEN or not wanted.token.isprintable():
        raise InvalidParameter("'token' is no token: it is too long, or holds line breaks.", field="token")
    if len(wanted.models) > _MAX_NAMES or not all(wanted.models):
        raise InvalidParameter(f"'models' must be a list of at most {_MAX_NAMES} names.", field="models")
    into = ""
    if wanted.into:
        into = ".".join(split_full_name(wanted.into, levels=2, field="into"))
        require_visible(actor=actor, securable=find_securable(SecurableType.SCHEMA, into), named=into)
    resolve(str(urlsplit(url).hostname), reach=Reach(everywhere=wanted.allow_private))
    return {
        "source_url": url,
        "username": wanted.username,
        "needs_token": bool(wanted.token),
        "into": into,
        "models": list(dict.fromkeys(wanted.models)),
        "stages": check_stages(wanted.stages),
        "dry_run": wanted.dry_run,
        "allow_private": wanted.allow_private,
    }


def import_again(*, actor: Actor, operation: Operation) -> Operation:
    """The same import once more. One that took a token must be asked for anew: it was not kept.

    Raises:
        InvalidState: it took a token.
        NotFound, InvalidParameter, Unavailable: as `submit_import`.
    """
    params = operation.params
    if params["needs_token"]:
        raise InvalidState(
            "The token of this import was not kept. Ask for the import again with its token: what is here is skipped."
        )
    given = {name: params[name] for name in _KEPT}
    return submit_import(actor=actor, wanted=ImportRequest(**given), retry_of=operation)


_KEPT = ("source_url", "username", "into", "models", "stages", "dry_run", "allow_private")


def _leave_nothing_open(operation: Operation) -> None:
    """An import that ended without success leaves no version pending, and no token."""
    fail_unfinished(
        actor=system_actor(),
        left_by=operation.actor,
        prefix=source_prefix(operation.params["source_url"]),
        reason="The import ended before all files were here. Import it again: it goes on with this version.",
    )
    _forget_token(operation)


def _forget_token(operation: Operation) -> None:
    if operation.params.pop(_SEALED, None) is not None:
        operation.save(update_fields=["params"])


@operation_kind(IMPORT, title="Import models", queue="build", on_failure=_leave_nothing_open, resubmit=import_again)
def import_models(context: OperationContext) -> dict[str, Any]:
    """Bring models, versions, files, tags and aliases here; a dry run tells what that would do."""
    params = context.params
    operation = Operation.objects.get(pk=context.operation_id)
    sealed = params.get(_SEALED, "")
    host = RemoteHost(
        params["source_url"],
        token=unseal(sealed, purpose=_PURPOSE) if sealed else "",
        username=params["username"],
        allow_private=params["allow_private"],
        observe=context.check,
    )
    scope = Scope(
        into=params["into"],
        models=tuple(params["models"]),
        stages=params["stages"],
        dry_run=params["dry_run"],
        since=operation.created_at,
    )
    try:
        reports = ImportRun(actor=context.actor, source=Source(host), scope=scope, steps=context).run()
    finally:
        host.close()
    with context.effect():
        _forget_token(operation)
    return as_result(reports, source_url=host.url, into=scope.into, dry_run=scope.dry_run)


def problems(result: Mapping[str, Any]) -> Iterable[str]:
    """What of a report needs a person's eye, a line each."""
    for model in result["models"]:
        if model["reason"]:
            yield f"{model['source_name']}: {model['reason']}"
        for version in model["versions"]:
            if version["reason"]:
                yield f"{model['source_name']} version {version['source_version']}: {version['reason']}"
        for note in model["notes"]:
            yield f"{model['source_name']}: {note}"
