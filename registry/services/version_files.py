"""The files of a version as facts: names, sizes and digests, without handing out a byte."""

from registry.models import ManifestEntry
from registry.privileges import Action
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.model_lookup import find_version_for
from registry.services.paging import Page, fetch_page, page_size


@audited_read
def list_version_files(
    *, actor: Actor, name: object, version: object, max_results: int | None = None, page_token: str = ""
) -> Page[ManifestEntry]:
    """The manifest of a version by path, for who may read its model: BROWSE is not enough. Four queries.

    Raises:
        NotFound, AccessDenied.
        InvalidParameter: a token of another list.
    """
    found = find_version_for(actor=actor, name=name, version=version, action=Action.READ_VERSION)
    rows = ManifestEntry.objects.filter(version=found).select_related("blob")
    size = page_size(max_results)
    return fetch_page(rows, order=["path"], size=size, token=page_token, scope=f"manifest:{found.pk}")
