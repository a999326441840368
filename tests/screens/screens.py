"""Every screen of the product, and how to come to it."""

from collections.abc import Callable
from dataclasses import dataclass

from playwright.sync_api import Page

MODEL = "/explore/data/models/prod/flights/delay"


@dataclass(frozen=True)
class Screen:
    """A screen as one person of the seeded world sees it. `before` brings the page into the state to look at."""

    name: str
    path: str
    who: str = "ada"
    before: Callable[[Page], None] | None = None
    whole: bool = True


def palette(text: str) -> Callable[[Page], None]:
    def opened(page: Page) -> None:
        page.keyboard.press("Control+k")
        page.get_by_role("combobox").fill(text)
        page.get_by_role("group", name="Found").wait_for()

    return opened


def keys(page: Page) -> None:
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()


def dialog(button: str) -> Callable[[Page], None]:
    """Opens the dialog behind a link or button of that name."""

    def opened(page: Page) -> None:
        page.locator(f"a:has-text('{button}'), button:has-text('{button}')").first.click()
        page.get_by_role("dialog").wait_for()

    return opened


def approving(page: Page) -> None:
    page.get_by_role("link", name="Approve", exact=True).first.click()
    page.get_by_role("dialog").wait_for()


def granting(page: Page) -> None:
    dialog("Grant")(page)
    page.get_by_label("Who").fill("cleo@example.com")
    page.get_by_role("button", name="Read", exact=True).click()
    page.get_by_text("Grant the way in").or_(page.get_by_text("also needs").first).first.wait_for()


SCREENS = [
    Screen("sign-in", "/sign-in", who=""),
    Screen("home", "/"),
    Screen("home-empty", "/", who="cleo"),
    Screen("palette", "/", before=palette("delay"), whole=False),
    Screen("keys", "/", before=keys, whole=False),
    Screen("catalogs", "/explore/data"),
    Screen("catalog", "/explore/data/prod"),
    Screen("schema", "/explore/data/prod/flights"),
    Screen("model", MODEL),
    Screen("version", f"{MODEL}/version/5"),
    Screen("model-not-found", MODEL, who="cleo"),
    Screen("permissions-model", f"{MODEL}?tab=permissions"),
    Screen("permissions-catalog", "/explore/data/prod?tab=permissions", who="rosa"),
    Screen("permissions-own", f"{MODEL}?tab=permissions", who="ben"),
    Screen("permissions-metastore", "/settings/permissions", who="rosa"),
    Screen("permissions-grant", f"{MODEL}?tab=permissions", before=granting, whole=False),
    Screen("permissions-why", f"{MODEL}?tab=permissions", before=dialog("Why can"), whole=False),
    Screen("permissions-owner", "/permissions/model/prod.flights.delay/owner"),
    Screen("requests-inbox", "/requests"),
    Screen("requests-mine", "/requests?box=mine", who="ben"),
    Screen("requests-empty", "/requests", who="cleo"),
    Screen("requests-new", "/requests/new?on=model&name=prod.pricing.fare", who="ben"),
    Screen("requests-approve", "/requests", before=approving, whole=False),
]
