"""Sources of new versions that are registered versions themselves."""

import re
from dataclasses import dataclass

from registry.api.mlflow_registry.names import model_name
from registry.errors import NotFound
from registry.privileges import Action
from registry.services.actors import Actor
from registry.services.model_versions import find_version
from registry.services.version_files import no_artifact, version_at

_VERSION = re.compile(r"models:/+([^/@]+)/(\d+)/?")
_DOWNLOAD = re.compile(r"mlflow-artifacts:/+([^/].*)", re.DOTALL)


@dataclass(frozen=True)
class Copied:
    """The version that is to be copied."""

    name: str
    version: str


def copied_version(*, actor: Actor, source: str) -> Copied | None:
    """The version that a source names, by `models:/<name>/<version>` or by its download URI; None for any other.

    Raises:
        InvalidParameter: `models:/` with a name that cannot be one.
        NotFound: no version lies at that download URI, or none that the actor may know of.
        AccessDenied, InvalidState: the version there may not be loaded.
    """
    if match := _VERSION.fullmatch(source):
        return Copied(model_name(match[1], field="source").full, match[2])
    match = _DOWNLOAD.fullmatch(source)
    version = version_at(match[1]) if match else None
    if match is None or version is None:
        return None
    copied = Copied(version.model.securable.full_name, str(version.version))
    try:
        find_version(actor=actor, full_name=copied.name, version=copied.version, action=Action.LOAD_VERSION)
    except NotFound as error:
        # The model's name is not for everybody who holds an address.
        raise NotFound(no_artifact(match[1])) from error
    return copied
