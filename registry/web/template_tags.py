"""Template tags of the screens."""

from datetime import UTC, datetime
from html import unescape
from typing import Any

from django import template
from django.urls import reverse
from django.utils.html import format_html, strip_tags
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from registry.models import ModelVersion, RegisteredModel, Securable, VersionStatus
from registry.privileges import SecurableType
from registry.web.markdown import render_markdown
from registry.web.permission_addresses import SecurableKind
from registry.web.rights_in_words import NOUNS

register = template.Library()
register.filter("markdown", render_markdown)

_PREVIEW = 400
_STATUS = {
    VersionStatus.READY: ("ok", "Ready"),
    VersionStatus.PENDING_REGISTRATION: ("warn", "Pending"),
    VersionStatus.FAILED_REGISTRATION: ("bad", "Failed"),
}


@register.filter
def plain(text: str) -> str:
    """The beginning of a Markdown text, as plain text for one line of a list."""
    return unescape(strip_tags(render_markdown(text[:_PREVIEW]))).strip() if text else ""


@register.filter
def thousands(count: float | None) -> str:
    """A count with its thousands apart; a dash where it is not known."""
    return "\u2013" if count is None else f"{int(count):,}"


@register.simple_tag
def moment(at: datetime | None) -> str | SafeString:
    """A time in UTC, which the page's script rewrites for the viewer's zone."""
    if at is None:
        return "never"
    utc = at.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{} UTC" data-moment>{}</time>',
        utc.isoformat(),
        f"{utc:%Y-%m-%d %H:%M:%S}",
        f"{utc:%Y-%m-%d %H:%M}",
    )


@register.filter
def object_url(securable: Securable) -> str:
    """The page of a securable. Reads its parents: they must be selected with it."""
    parts = path_of(securable)
    match securable.type:
        case SecurableType.REGISTERED_MODEL:
            return reverse("model", args=parts)
        case SecurableType.TABLE:
            return reverse("table", args=parts)
        case SecurableType.SCHEMA:
            return reverse("schema", args=parts)
        case SecurableType.CATALOG:
            return reverse("catalog", args=parts)
    return reverse("catalogs")


def path_of(securable: Securable) -> list[str]:
    """Names from the catalog down."""
    parts = [securable.name]
    while securable.type != SecurableType.CATALOG and securable.parent is not None:
        securable = securable.parent
        parts.insert(0, securable.name)
    return parts


@register.simple_tag
def version_url(model: RegisteredModel, number: int) -> str:
    """The page of a version of a model."""
    return reverse("version", args=[*path_of(model.securable), number])


@register.simple_tag
def model_url(name: str, securable: Securable, *more: object) -> str:
    """The address of a page or dialog of a model, by the name of its route."""
    return reverse(name, args=[*path_of(securable), *more])


@register.filter
def champion(model: RegisteredModel) -> int | None:
    """The version that the alias Champion names. No query when aliases are prefetched."""
    return next((a.version.version for a in model.aliases.all() if a.key == "champion"), None)


@register.inclusion_tag("parts/_status.html")
def status(version: ModelVersion) -> dict[str, Any]:
    """The state of a version as a dot and a word."""
    tone, word = _STATUS[VersionStatus(version.status)]
    return {"tone": tone, "word": word, "message": version.status_message}


@register.simple_tag
def opens_dialog(url: str) -> SafeString:
    """Attributes of a link that lays the dialog at `url` over the page; without scripts it is an ordinary link."""
    return format_html(
        'href="{0}" hx-get="{0}" hx-target="#dialog-body" hx-select="unset" hx-swap="innerHTML" hx-push-url="false"',
        url,
    )


@register.filter
def short_digest(digest: str) -> str:
    """The first characters of a digest, enough for the eye."""
    return digest[:12]


@register.filter
def privilege_words(privilege: str) -> str:
    """A privilege as people read it."""
    return privilege.replace("_", " ")


@register.filter
def securable_noun(type_: str) -> str:
    """A kind of securable as people call it."""
    return NOUNS[SecurableType(type_)]


@register.filter
def permissions_page(securable: Securable) -> str:
    """The page that has the permissions of a securable open."""
    if securable.type == SecurableType.METASTORE:
        return reverse("metastore-permissions")
    return f"{object_url(securable)}?tab=permissions"


@register.simple_tag
def permission_url(name: str, securable: Securable, **query: str) -> str:
    """The address of a dialog about the rights on a securable, by the name of its route."""
    address = reverse(name, args=[SecurableType(securable.type), securable.full_name])
    return f"{address}?{urlencode(query)}" if query else address


@register.simple_tag
def request_url(securable: Securable, privilege: str = "") -> str:
    """Where to ask for access to a securable, for a privilege if one is named."""
    asked = {"on": SecurableKind().to_url(securable.type), "name": securable.full_name}
    return f"{reverse('request-access')}?{urlencode(asked | ({'privilege': privilege} if privilege else {}))}"
