"""What every page's frame shows."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from registry.services.actors import Actor

THEMES = {"light", "dark"}
THEME_COOKIE = "theme"


@dataclass(frozen=True)
class Tab:
    """One entry of the main navigation.

    `prefix` is the path (or paths) under which it is the current one, `key` the letter that leads there after g.
    """

    title: str
    url: str
    icon: str
    prefix: str | tuple[str, ...]
    key: str
    admins_only: bool = False


_tabs: list[Tab] = [
    Tab("Home", "/", "home", "", "h"),
    Tab("Catalog", "/explore/data", "circle-stack", "/explore/", "c"),
    Tab("Experiments", "/experiments", "beaker", "/experiments", "e"),
    Tab("SQL", "/sql", "command-line", "/sql", "q"),
    Tab("Operations", "/operations", "queue-list", "/operations", "o"),
    Tab("Audit", "/audit", "shield-check", "/audit", "a"),
    Tab("Settings", "/settings", "cog-6-tooth", ("/settings", "/profile"), "s"),
]
_CONSOLE = Tab("Console", "/console/", "wrench-screwdriver", "/console/", "d", admins_only=True)


def add_tab(tab: Tab, *, after: str = "Catalog") -> None:
    """Add an entry to the navigation behind another; apps call this when they load."""
    if tab not in _tabs:
        position = next((number for number, known in enumerate(_tabs, 1) if known.title == after), len(_tabs))
        _tabs.insert(position, tab)


def shown_tabs(actor: Actor) -> list[Tab]:
    """The navigation of somebody."""
    return [tab for tab in [*_tabs, _CONSOLE] if actor.is_metastore_admin or not tab.admins_only]


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context of the base template: who looks, where they can go, and in which theme. No query."""
    actor = getattr(request, "actor", None)
    theme = request.COOKIES.get(THEME_COOKIE, "")
    return {
        "actor": actor,
        "tabs": [(tab, _is_current(tab, request.path)) for tab in shown_tabs(actor)] if actor else [],
        "theme": theme if theme in THEMES else "",
    }


def _is_current(tab: Tab, path: str) -> bool:
    return path.startswith(tab.prefix) if tab.prefix else path == tab.url


def public_host(request: HttpRequest) -> str:
    """The address that a client of this viewer uses: the configured one, or the one that this page came from."""
    return settings.PUBLIC_URL.rstrip("/") or f"{request.scheme}://{request.get_host()}"
