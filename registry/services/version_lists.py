"""The versions of one model, filtered and ordered: what its page lists."""

import re
from dataclasses import dataclass

from django.db.models import Q

from registry.errors import InvalidParameter
from registry.models import ModelAlias, ModelVersion, ModelVersionTag, RegisteredModel, VersionStatus
from registry.names import lookup_key
from registry.services.access import require_visible
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.model_lookup import canonical_name, find_model
from registry.services.model_rows import versions_with_ids
from registry.services.paging import Page, fetch_page, page_size

ORDERS = {
    "-version": ("-version",),
    "version": ("version",),
    "-size": ("-size_bytes", "-version"),
    "size": ("size_bytes", "-version"),
    "-updated": ("-updated_at", "-version"),
    "updated": ("updated_at", "-version"),
}
DEFAULT_ORDER = "-version"
_NUMBER = re.compile(r"v?(\d{1,9})")
_MOST_WORDS = 6


@dataclass(frozen=True)
class VersionFilter:
    """Which versions. `text` holds words that must all match; `status` is empty for all.

    A word is a number (`7`), an alias (`@champion`), a tag (`team=risk`, or a part of a key), or a part of the
    description.
    """

    text: str = ""
    status: str = ""

    def __bool__(self) -> bool:
        return bool(self.text or self.status)


@audited_read
def filter_versions(
    *,
    actor: Actor,
    name: object,
    wanted: VersionFilter,
    order: str = "",
    max_results: int | None = None,
    page_token: str = "",
) -> Page[ModelVersion]:
    """The versions of a model that match, newest first unless `order` (of ORDERS) says otherwise. Five queries.

    Raises:
        NotFound, AccessDenied.
        InvalidParameter: a status or an order that is not known, or a token of another list.
    """
    order = order or DEFAULT_ORDER
    if order not in ORDERS:
        raise InvalidParameter(f"'order' is '{order}': use one of {', '.join(ORDERS)}.", field="order")
    if wanted.status and wanted.status not in VersionStatus.values:
        known = ", ".join(VersionStatus.values)
        raise InvalidParameter(f"'status' is '{wanted.status}': it must be one of {known}.", field="status")
    model = find_model(name)
    require_visible(actor=actor, securable=model.securable, named=canonical_name(name))
    rows = ModelVersion.objects.filter(model=model)
    if wanted.status:
        rows = rows.filter(status=wanted.status)
    for word in wanted.text.replace("\x00", "").split()[:_MOST_WORDS]:
        rows = rows.filter(_matches(word, model))
    page = fetch_page(
        rows.only("pk", "version", "size_bytes", "updated_at"),
        order=ORDERS[order],
        size=page_size(max_results),
        token=page_token,
        scope=f"versions:{model.pk}:{wanted.status}:{wanted.text}:{order}",
    )
    return Page(versions_with_ids([row.pk for row in page.items], model=model), page.next_page_token)


def _matches(word: str, model: RegisteredModel) -> Q:
    number = _NUMBER.fullmatch(word)
    if number:
        return Q(version=int(number[1]))
    if word.startswith("@"):
        aliases = ModelAlias.objects.filter(model=model, key__startswith=lookup_key(word[1:]))
        return Q(pk__in=aliases.values("version_id"))
    key, equals, value = word.partition("=")
    if equals:
        tags = ModelVersionTag.objects.filter(version__model=model, key__iexact=key, value__icontains=value)
        return Q(pk__in=tags.values("version_id"))
    tags = ModelVersionTag.objects.filter(Q(key__icontains=word) | Q(value__icontains=word), version__model=model)
    aliases = ModelAlias.objects.filter(model=model, key__contains=lookup_key(word))
    return (
        Q(comment__icontains=word)
        | Q(pk__in=tags.values("version_id"))
        | Q(pk__in=aliases.values("version_id"))
        | Q(run_id=word)
    )
