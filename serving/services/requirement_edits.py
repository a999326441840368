"""Other requirements for the same model: a new version that shares every byte but those of the requirement files.

A READY version never changes, so what MLflow's `update_model_requirements` does to a logged model makes a version.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from packaging.requirements import InvalidRequirement

from registry.errors import InvalidParameter
from registry.models import ModelVersion, Operation, VersionStatus
from registry.privileges import Action
from registry.services.actors import Actor
from registry.services.artifacts import copy_manifest, place_file, read_small_file
from registry.services.audit import audited, audited_read, record
from registry.services.model_lookup import find_model_for, find_version_for
from registry.services.model_versions import NewVersion, begin_version
from registry.services.operation_context import OperationContext
from registry.services.operation_handlers import (
    fail_pending_version,
    finalize_filled,
    require_on_version,
    result_of_version,
    version_to_fill,
    version_with_id,
)
from registry.services.operation_kinds import operation_kind
from registry.services.operations import submit_operation
from registry.storage.blobs import blob_store
from serving.services.environment_errors import EnvironmentFailed
from serving.services.environment_operations import SERVICE
from serving.services.requirement_lines import RequirementLine, add_lines, parse_line, parse_lines, remove_lines
from serving.services.wanted_environments import (
    CONDA,
    MAX_BYTES,
    REQUIREMENTS,
    asked_lines,
    conda_with_lines,
    name_of,
)

EDIT = "edit_requirements"
_PACKED = "_databricks/"


@dataclass(frozen=True)
class RequirementEdit:
    """What an edit would change: the lines before and after."""

    before: Sequence[str]
    after: Sequence[str]

    @property
    def changes_nothing(self) -> bool:
        """Whether the lines stay as they are."""
        return list(self.before) == list(self.after)


@audited_read
def plan_edit(
    *, actor: Actor, name: object, version: object, add: object = (), remove: object = ()
) -> RequirementEdit:
    """The lines that a version would have after an edit; changes nothing.

    Raises:
        NotFound, AccessDenied, InvalidState.
        InvalidParameter: a line that is refused.
    """
    found = find_version_for(actor=actor, name=name, version=version, action=Action.LOAD_VERSION)
    return _edited(found, add=_lines(add, "add"), remove=_names(remove))


@audited
def edit_requirements(
    *,
    actor: Actor,
    name: object,
    version: object,
    add: object = (),
    remove: object = (),
    retry_of: Operation | None = None,
) -> tuple[ModelVersion, Operation]:
    """Begin a new version of the same model with lines added, replaced or removed; an operation makes it READY.

    `add`: requirement lines, each in the place of the line of the same package, or at the end. `remove`: packages, of
    which any releases named are ignored. An environment that the client packed is left out of the new version, since
    it holds the old packages. No byte of the model is copied.

    Raises:
        NotFound, AccessDenied, InvalidState.
        InvalidParameter: a line that is refused, or nothing would change.
    """
    found = find_version_for(actor=actor, name=name, version=version, action=Action.LOAD_VERSION)
    securable = found.model.securable
    lines, names = _lines(add, "add"), _names(remove)
    edit = _edited(found, add=lines, remove=names)
    if edit.changes_nothing:
        raise InvalidParameter("'add' and 'remove' change nothing: name a line that is not there yet.", field="add")
    find_model_for(actor=actor, name=name, action=Action.CREATE_VERSION)
    source = f"models:/{securable.full_name}/{found.version}"
    made = begin_version(actor=actor, name=name, new=NewVersion(source=source, run_id=found.run_id))
    record(
        actor=actor,
        action="editRequirements",
        service_name=SERVICE,
        securable=securable,
        params={"version": made.version, "source_version": found.version},
        before={"requirements": list(edit.before)},
        after={"requirements": list(edit.after)},
    )
    operation = submit_operation(
        actor=actor,
        kind=EDIT,
        params={
            "version_id": str(made.pk),
            "name": securable.full_name,
            "version": made.version,
            "source_version_id": str(found.pk),
            "source_version": found.version,
            "add": [line.text for line in lines],
            "remove": list(names),
        },
        securable=securable,
        subject=f"{securable.full_name} version {made.version}",
        retry_of=retry_of,
    )
    return made, operation


def edit_again(*, actor: Actor, operation: Operation) -> Operation:
    """Ask for the same edit as a new version: numbers are never given twice."""
    params = operation.params
    _, again = edit_requirements(
        actor=actor,
        name=params["name"],
        version=params["source_version"],
        add=params["add"],
        remove=params["remove"],
        retry_of=operation,
    )
    return again


@operation_kind(EDIT, title="Edit requirements", on_failure=fail_pending_version, resubmit=edit_again)
def run_edit_requirements(context: OperationContext) -> dict[str, Any]:
    """Give the new version the files of the old one, with other requirement files, in one transaction."""
    version = version_to_fill(context)
    if version.status == VersionStatus.PENDING_REGISTRATION:
        source = version_with_id(context.params["source_version_id"], what="The version to edit")
        require_on_version(actor=context.actor, action=Action.LOAD_VERSION, version=source)
        require_on_version(actor=context.actor, action=Action.CREATE_VERSION, version=version)
        edit = _edited(source, add=_lines(context.params["add"], "add"), remove=_names(context.params["remove"]))
        bodies = _files(source, edit.after)
        for line in edit.after:
            context.log(line)
        with context.effect():
            packed = source.files.filter(path__startswith=_PACKED).values_list("path", flat=True)
            copy_manifest(source, version, without=[*bodies, *packed])
            for path, body in bodies.items():
                _place(version, path, body)
            finalize_filled(context, version)
    return result_of_version(version.pk)


def _place(version: ModelVersion, path: str, body: bytes) -> None:
    received = blob_store().receive(io.BytesIO(body), limit=MAX_BYTES * 2)
    try:
        place_file(version_id=version.pk, path=path, received=received)
    finally:
        received.discard()


def _files(source: ModelVersion, lines: Sequence[str]) -> dict[str, bytes]:
    """The requirement files with other lines, written as MLflow writes them."""
    files = {REQUIREMENTS: "\n".join(lines).encode()}
    conda = read_small_file(source, CONDA, MAX_BYTES)
    if conda is not None:
        files[CONDA] = conda_with_lines(conda, lines)
    return files


def _edited(version: ModelVersion, *, add: Sequence[RequirementLine], remove: Sequence[str]) -> RequirementEdit:
    """Lines that are refused for other reasons stay as they are, so that they can be removed by an edit."""
    before = [text.strip() for text in asked_lines(version) if text.strip()]
    old = [_lenient(text) for text in before]
    after = add_lines(remove_lines(old, remove), add)
    return RequirementEdit(before=before, after=[line.text for line in after])


def _lenient(text: str) -> RequirementLine:
    try:
        return RequirementLine(text=text, name=parse_line(text, origin=REQUIREMENTS).name, origin=REQUIREMENTS)
    except EnvironmentFailed:
        return RequirementLine(text=text, name=text, origin=REQUIREMENTS)


def _texts(value: object, field: str) -> list[str]:
    if isinstance(value, str):
        value = value.splitlines()
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise InvalidParameter(f"'{field}' must be a list of requirement lines.", field=field)
    return [one.strip() for one in value if one.strip()]


def _lines(value: object, field: str) -> list[RequirementLine]:
    try:
        return parse_lines(_texts(value, field), origin=f"'{field}'")
    except EnvironmentFailed as error:
        raise InvalidParameter(error.message, field=field) from error


def _names(value: object) -> list[str]:
    """Packages to remove; a line that is refused elsewhere is named by its whole text."""
    found = []
    for text in _texts(value, "remove"):
        try:
            found.append(name_of(text))
        except InvalidRequirement:
            found.append(text)
    return found
