"""What every page's frame shows."""

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest

THEMES = {"light", "dark"}
THEME_COOKIE = "theme"


@dataclass(frozen=True)
class Tab:
    """One entry of the top navigation. `prefix` is the path under which it is the current one."""

    title: str
    url: str
    icon: str
    prefix: str
    admins_only: bool = False


_tabs: list[Tab] = [
    Tab("Catalog", "/explore/data", "circle-stack", "/explore/"),
    Tab("Experiments", "/mlflow/", "beaker", "/mlflow/"),
]
_CONSOLE = Tab("Console", "/console/", "wrench-screwdriver", "/console/", admins_only=True)


def add_tab(tab: Tab) -> None:
    """Add an entry to the navigation; apps call this when they load."""
    if tab not in _tabs:
        _tabs.append(tab)


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context of the base template: who looks, where they can go, and in which theme. No query."""
    actor = getattr(request, "actor", None)
    theme = request.COOKIES.get(THEME_COOKIE, "")
    shown = [tab for tab in [*_tabs, _CONSOLE] if actor and (actor.is_metastore_admin or not tab.admins_only)]
    return {
        "actor": actor,
        "tabs": [(tab, request.path.startswith(tab.prefix)) for tab in shown],
        "theme": theme if theme in THEMES else "",
    }


def public_host(request: HttpRequest) -> str:
    """The address that a client of this viewer uses: the configured one, or the one that this page came from."""
    return settings.PUBLIC_URL.rstrip("/") or f"{request.scheme}://{request.get_host()}"
