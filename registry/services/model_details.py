"""What a model weighs: its versions by state, and the bytes that they take."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Sum

from registry.models import Blob, ManifestEntry, ModelVersion
from registry.services.access import require_visible
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.model_lookup import canonical_name, find_model


@dataclass(frozen=True)
class ModelStorage:
    """Versions by status; the bytes of all their files, and of those bytes that are kept once for several files."""

    by_status: Mapping[str, int]
    files: int
    logical_bytes: int
    stored_bytes: int

    @property
    def versions(self) -> int:
        """All of them."""
        return sum(self.by_status.values())


@audited_read
def model_storage(*, actor: Actor, name: object) -> ModelStorage:
    """What a model's versions take. Five queries.

    Raises:
        NotFound, AccessDenied.
    """
    model = find_model(name)
    require_visible(actor=actor, securable=model.securable, named=canonical_name(name))
    versions = ModelVersion.objects.filter(model=model)
    by_status = dict(versions.values_list("status").annotate(count=Count("pk")).order_by("status"))
    totals = versions.aggregate(files=Sum("file_count"), size=Sum("size_bytes"))
    named = ManifestEntry.objects.filter(blob=OuterRef("pk"), version__model=model)
    stored = Blob.objects.filter(Exists(named)).aggregate(size=Sum("size"))
    return ModelStorage(by_status, totals["files"] or 0, totals["size"] or 0, stored["size"] or 0)
