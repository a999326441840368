"""What goes when a catalog or a schema is deleted, told before anybody does it."""

from dataclasses import dataclass, field

from django.db.models import Count, Q

from registry.models import ModelAlias, ModelVersion, Securable
from registry.privileges import Action, SecurableType
from registry.services.actors import Actor
from registry.services.artifacts import freed_bytes
from registry.services.audit import audited_read
from registry.services.securables import find_for

_DELETE = {SecurableType.CATALOG: Action.DELETE_CATALOG, SecurableType.SCHEMA: Action.DELETE_SCHEMA}
_SHOWN = 5


@dataclass(frozen=True)
class ContainerDeletion:
    """How much lies in a container, and some of it by name."""

    schemas: int = 0
    models: int = 0
    tables: int = 0
    versions: int = 0
    freed_bytes: int = 0
    aliased: list[ModelAlias] = field(default_factory=list)
    """The first aliases that end with it, each with model and version: what clients load by."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing goes but the container itself."""
        return not (self.schemas or self.models or self.tables)


@audited_read
def plan_container_deletion(*, actor: Actor, type_: SecurableType, full_name: str) -> ContainerDeletion:
    """What deleting this catalog or schema would take with it. Six queries. Changes nothing.

    Raises:
        NotFound, AccessDenied: as the deletion itself.
    """
    container = find_for(actor=actor, type_=type_, full_name=full_name, action=_DELETE[type_])
    inside = Q(parent=container) | Q(parent__parent=container)
    rows = Securable.objects.filter(inside).values_list("type").annotate(count=Count("pk"))
    counts = dict(rows.order_by())
    versions = list(
        ModelVersion.objects.filter(
            Q(model__securable__parent=container) | Q(model__securable__parent__parent=container)
        ).values_list("pk", flat=True)
    )
    aliases = ModelAlias.objects.filter(version__in=versions)
    return ContainerDeletion(
        schemas=counts.get(SecurableType.SCHEMA, 0),
        models=counts.get(SecurableType.REGISTERED_MODEL, 0),
        tables=counts.get(SecurableType.TABLE, 0),
        versions=len(versions),
        freed_bytes=freed_bytes(versions) if versions else 0,
        aliased=list(
            aliases.select_related("version", "model__securable__parent__parent").order_by("key", "pk")[:_SHOWN]
        ),
    )
