"""What every screen has to keep to, whatever is on it: asked of the page that a browser shows."""

import time

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.screens.screens import Screen

WIDE, NARROW = {"width": 1280, "height": 860}, {"width": 400, "height": 860}
_AXE = Axe()
_SERIOUS = {"serious", "critical"}
_SPILL = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
_SETTLE_SECONDS = 5.0
_SETTLED = """() => document.readyState === "complete"
  && !document.querySelector(".htmx-request, [hx-trigger='load'][aria-busy=true], [data-chart]:not(.is-drawn)")"""


def faults(page: Page, url: str, screen: Screen) -> list[str]:
    """What is wrong with a screen in light, in dark and on a phone; each line says where."""
    page.set_viewport_size(WIDE)
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.goto(url + screen.path)
    settle(page)
    if screen.before is not None:
        screen.before(page)
        settle(page)
    found = [f"light: {fault}" for fault in _axe(page)]
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    # Nothing but colours is another one in the dark.
    found += [f"dark: {fault}" for fault in _axe(page, "color-contrast")]
    for size in (WIDE, NARROW):
        page.set_viewport_size(size)
        if spill := _spill(page):
            found.append(f"{spill} pixels wider than a screen of {size['width']}")
    return [f"{screen.name}: {fault}" for fault in found]


def settle(page: Page) -> None:
    """Wait for the parts that the page fetches after it has loaded, and for the charts that it draws."""
    page.wait_for_function(_SETTLED)


def _spill(page: Page) -> int:
    """By how many pixels the page is too wide, once charts were drawn anew for the size that it has now."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while (spill := int(page.evaluate(_SPILL))) > 0 and time.monotonic() < deadline:
        page.wait_for_timeout(50)
    return max(spill, 0)


def _axe(page: Page, *rules: str) -> list[str]:
    """Serious and critical findings of axe-core, of all its rules or of some; contrast of text is among them."""
    only = {"runOnly": {"type": "rule", "values": list(rules)}} if rules else {}
    results = _AXE.run(page, options={"resultTypes": ["violations"], **only}).response
    return [
        f"{one['id']} at {node['target']}: {node.get('failureSummary', one['help'])[:200]}"
        for one in results["violations"]
        if one["impact"] in _SERIOUS
        for node in one["nodes"]
    ]
