"""What depends on a version: its copies, and whatever the apps above add."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from registry.models import ModelVersion, RegisteredModel, Securable
from registry.privileges import SecurableType
from registry.services.access import require_visible, visible_to
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.model_lookup import canonical_name, find_model, visible_version

MOST = 200
"""How many uses a source gives at the most."""


@dataclass(frozen=True)
class Use:
    """One thing that uses a version. `kind` is for people; `url` its page, empty for none; `version` what it uses."""

    kind: str
    name: str
    version: int
    url: str = ""
    note: str = ""


@dataclass(frozen=True)
class Copy:
    """A version that was copied from another one."""

    model: RegisteredModel
    version: ModelVersion
    source: ModelVersion


Source = Callable[[Actor, RegisteredModel, ModelVersion | None], Sequence[Use]]
_sources: list[Source] = []


def add_source(source: Source) -> None:
    """Let an app tell of what uses versions; it must give only what the actor may see. Call when it loads.

    It is asked about one version, or with None about all versions of the model.
    """
    if source not in _sources:
        _sources.append(source)


@audited_read
def uses_of(*, actor: Actor, name: object, version: object = None) -> list[Use]:
    """What the apps above know to use a version, or any version of a model.

    Raises:
        NotFound, AccessDenied.
    """
    return known_uses(actor, *_subject(actor, name, version))


def known_uses(actor: Actor, model: RegisteredModel, version: ModelVersion | None) -> list[Use]:
    """As `uses_of`, of what the caller has found to be visible."""
    return [use for source in _sources for use in source(actor, model, version)]


@audited_read
def copies_of(*, actor: Actor, name: object, version: object = None) -> list[Copy]:
    """The copies of a version, or of any version of a model, in models that the actor may see; newest first.

    Raises:
        NotFound, AccessDenied.
    """
    return known_copies(actor, *_subject(actor, name, version))


def known_copies(actor: Actor, model: RegisteredModel, version: ModelVersion | None) -> list[Copy]:
    """As `copies_of`, of what the caller has found to be visible."""
    rows = ModelVersion.objects.select_related("model__securable__parent__parent", "copied_from")
    rows = rows.filter(copied_from=version) if version else rows.filter(copied_from__model=model)
    copied = list(rows.order_by("-created_at")[:MOST])
    if not copied:
        return []
    targets = Securable.objects.filter(pk__in={row.model_id for row in copied})
    seen = set(visible_to(actor, targets, SecurableType.REGISTERED_MODEL).values_list("pk", flat=True))
    return [Copy(row.model, row, row.copied_from) for row in copied if row.model_id in seen and row.copied_from]


def _subject(actor: Actor, name: object, version: object) -> tuple[RegisteredModel, ModelVersion | None]:
    if version is None:
        model = find_model(name)
        require_visible(actor=actor, securable=model.securable, named=canonical_name(name))
        return model, None
    found = visible_version(actor=actor, name=name, version=version)
    return found.model, found
