"""Every screen of the product, and how to come to it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from playwright.sync_api import Page

MODEL = "/explore/data/models/prod/flights/delay"


@dataclass(frozen=True)
class Screen:
    """A screen as one person of the seeded world sees it. `before` brings the page into the state to look at.

    `alike`: one more state of a page whose other states are tested already; it is there to be looked at.
    """

    name: str
    path: str
    who: str = "ada"
    before: Callable[[Page], None] | None = None
    whole: bool = True
    alike: bool = False


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


def menu(label: str = "More") -> Callable[[Page], None]:
    """Opens a menu by the name of its button."""

    def opened(page: Page) -> None:
        page.get_by_role("main").get_by_label(label, exact=True).first.click()
        page.locator(".menu[open] .menu-item").first.wait_for()

    return opened


def from_menu(item: str, label: str = "More") -> Callable[[Page], None]:
    """Opens the dialog behind an item of a menu."""

    def opened(page: Page) -> None:
        menu(label)(page)
        page.locator(".menu[open]").get_by_text(item).click()
        page.get_by_role("dialog").wait_for()

    return opened


def then(*steps: Callable[[Page], None]) -> Callable[[Page], None]:
    """One after the other."""

    def done(page: Page) -> None:
        for step in steps:
            step(page)

    return done


def approving(page: Page) -> None:
    page.get_by_role("link", name="Approve", exact=True).first.click()
    page.get_by_role("dialog").wait_for()


def group(page: Page) -> None:
    page.get_by_role("main").get_by_role("link", name="analysts").click()
    page.get_by_role("heading", level=1, name="analysts").wait_for()


def robot(page: Page) -> None:
    page.get_by_role("main").get_by_role("link", name="nightly training").click()
    page.get_by_role("heading", level=1, name="nightly training").wait_for()


def secret(page: Page) -> None:
    robot(page)
    page.get_by_role("link", name="Create secret").click()
    page.get_by_role("dialog").get_by_role("button", name="Create").click()
    page.locator("#shown-once").wait_for()


def granting(page: Page) -> None:
    dialog("Grant")(page)
    page.get_by_label("Who").fill("cleo@example.com")
    page.get_by_role("button", name="Read", exact=True).click()
    page.get_by_text("Grant the way in").or_(page.get_by_text("also needs").first).first.wait_for()


def through(*links: str) -> Callable[[Page], None]:
    """Follows links of the page by their names."""

    def opened(page: Page) -> None:
        for name in links:
            page.get_by_role("main").get_by_role("link", name=name, exact=True).first.click()
            page.wait_for_load_state("networkidle")

    return opened


def copying(page: Page) -> None:
    dialog("Copy this version")(page)
    page.get_by_label("Destination").fill("dev.flights.delay")
    page.get_by_label("Point an alias at the copy").fill("Champion")
    page.get_by_text("Bytes to move").wait_for()


def registering(page: Page) -> None:
    through("/Shared/delay", "gradient-boosting-5")(page)
    dialog("Register model")(page)
    page.get_by_label("Destination").fill("prod.flights.delay")
    page.get_by_text("Becomes").wait_for()


def describing(page: Page) -> None:
    page.get_by_role("link", name="Change the description").click()
    page.get_by_label("Preview").locator("strong").wait_for()


def follow(link: str) -> Callable[[Page], None]:
    """Goes on to the page behind a link of that name."""

    def followed(page: Page) -> None:
        page.get_by_role("main").get_by_role("link", name=link).click()
        page.get_by_role("heading", level=1, name=link).wait_for()

    return followed


def first_delivery(page: Page) -> None:
    follow("nightly-tests")(page)
    dialog("model_version_alias.created")(page)


def bell(page: Page) -> None:
    page.locator("[data-bell] > summary").click()
    page.get_by_role("link", name="All operations").wait_for()


def canceling(page: Page) -> None:
    through("Register a model version")(page)
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("dialog").wait_for()


def querying(text: str) -> Callable[[Page], None]:
    """Runs a statement."""

    def ran(page: Page) -> None:
        page.get_by_label("Statement", exact=True).fill(text)
        page.keyboard.press("Control+Enter")
        page.locator("#outcome .outcome-line").wait_for()

    return ran


def adding_entity(page: Page) -> None:
    """A second served entity, with what the configuration would take."""
    page.get_by_role("button", name="Add a served entity").click()
    page.get_by_label("Model").nth(1).wait_for()
    page.get_by_label("Version").nth(1).fill("6")
    page.get_by_label("Version").nth(1).press("Tab")
    page.locator("#endpoint-plan .differences").wait_for()


def days(count: int) -> str:
    """A range of the dashboard that holds so many of the newest windows."""
    last = datetime.now(UTC) - timedelta(days=1)
    return f"since={last - timedelta(days=count - 1):%Y-%m-%d}&until={last:%Y-%m-%d}"


def first_operation_of_the_api(page: Page) -> None:
    page.locator(".reference-row").first.click()
    page.get_by_role("heading", level=1).wait_for()


def refreshes(page: Page) -> None:
    page.get_by_text("Last refresh").click()
    page.locator(".quality-refreshes table").wait_for()


def unfound(page: Page) -> None:
    page.keyboard.press("Control+k")
    page.get_by_role("combobox").fill("nothing is called this")
    page.locator(".palette-none").wait_for()


_WATCHED = "/explore/data/prod/flights/delay_answers"

SCREENS = [
    Screen("sign-in", "/sign-in", who=""),
    Screen("home", "/"),
    Screen("home-empty", "/", who="cleo"),
    Screen("bell", "/", before=bell, whole=False),
    Screen("operations", "/operations"),
    Screen("operations-all", "/operations?whose=all", who="rosa"),
    Screen("operations-empty", "/operations", who="cleo"),
    Screen("operation-running", "/operations?state=open", before=through("Register a model version")),
    Screen("operation-failed", "/operations?state=failed", before=through("Register a model version")),
    Screen("operation-cancel", "/operations?state=open", before=canceling, whole=False),
    Screen("audit", "/audit", who="rosa"),
    Screen("audit-own", "/audit", who="ben"),
    Screen("audit-filtered", "/audit?name=prod.flights&type=REGISTERED_MODEL", who="rosa"),
    Screen("audit-empty", "/audit?decision=DENY&until=2020-01-01"),
    Screen("audit-event", "/audit?action=updatePermissions", before=dialog("Update permissions"), whole=False),
    Screen("sql", "/sql"),
    Screen("sql-result", "/sql", before=querying("SHOW GRANTS ON MODEL prod.flights.delay")),
    Screen("sql-error", "/sql", before=querying("GRANT EXECUTE ON MODEL prod.flights.delay FOR `ben@example.com`")),
    Screen("palette", "/", before=palette("delay"), whole=False),
    Screen("palette-none", "/", before=unfound, whole=False),
    Screen("keys", "/", before=keys, whole=False),
    Screen("not-found", "/nothing-is-here"),
    Screen("reference", "/api/docs"),
    Screen("reference-operation", "/api/docs", before=first_operation_of_the_api),
    Screen("catalogs", "/explore/data"),
    Screen("catalog", "/explore/data/prod"),
    Screen("schema", "/explore/data/prod/flights"),
    Screen("catalog-create", "/explore/data", who="rosa", before=dialog("Create catalog"), whole=False),
    Screen("schema-create", "/explore/data/prod", before=dialog("Create schema"), whole=False),
    Screen("schema-reader", "/explore/data/prod/flights", who="ben"),
    Screen("schema-tables", "/explore/data/prod/flights?tab=tables"),
    Screen("schema-details", "/explore/data/prod/flights?tab=details"),
    Screen("schema-delete", "/explore/edit/schemas/prod.flights/delete"),
    Screen("model-create", "/explore/data/prod/flights", before=dialog("Create model"), whole=False),
    Screen("table", "/explore/data/prod/flights/departures"),
    Screen("table-sample", f"{_WATCHED}?tab=sample"),
    Screen("table-details", f"{_WATCHED}?tab=details", alike=True),
    Screen("table-lineage", "/explore/data/prod/flights/departures?tab=lineage"),
    Screen("copy", f"{MODEL}/version/5", before=copying, whole=False),
    Screen("copy-refused", f"{MODEL}/version/5", who="ben", before=copying, whole=False),
    Screen("experiments", "/experiments"),
    Screen("experiments-empty", "/experiments?q=nothing-is-called-this"),
    Screen("experiment", "/experiments", before=through("/Shared/delay")),
    Screen("experiment-no-runs", "/experiments", before=through("/Shared/pricing")),
    Screen("run", "/experiments", before=through("/Shared/delay", "gradient-boosting-5")),
    Screen("run-metrics", "/experiments", before=through("/Shared/delay", "gradient-boosting-5", "Metrics")),
    Screen("run-artifacts", "/experiments", before=through("/Shared/delay", "gradient-boosting-5", "Artifacts")),
    Screen("run-register", "/experiments", before=registering, whole=False),
    Screen("model", MODEL),
    Screen("model-versions", f"{MODEL}?tab=versions"),
    Screen("model-versions-none", f"{MODEL}?tab=versions&q=nothing-like-it"),
    Screen("model-aliases", f"{MODEL}?tab=aliases"),
    Screen("model-lineage", f"{MODEL}?tab=lineage"),
    Screen("model-serving", f"{MODEL}?tab=serving"),
    Screen("model-menu", MODEL, before=menu(), whole=False),
    Screen("model-tag", MODEL, before=dialog("Tag"), whole=False),
    Screen("model-rename", MODEL, before=from_menu("Rename"), whole=False, alike=True),
    Screen("model-details", f"{MODEL}?tab=details"),
    Screen("model-activity", f"{MODEL}?tab=activity"),
    Screen("model-reader", f"{MODEL}?tab=versions", who="ben"),
    Screen("model-empty", "/explore/data/models/dev/flights/cancellations"),
    Screen("model-describe", f"{MODEL}", before=describing, whole=False),
    Screen("model-delete", f"{MODEL}/delete"),
    Screen("alias-move", f"{MODEL}/aliases/Champion"),
    Screen("compare", f"{MODEL}/compare?versions=4,5,9"),
    Screen("version", f"{MODEL}/version/9"),
    Screen("version-aliases", f"{MODEL}/version/9", before=dialog("Aliases"), whole=False),
    Screen("version-pending", f"{MODEL}/version/7"),
    Screen("version-failed", f"{MODEL}/version/8"),
    Screen("version-signature", f"{MODEL}/version/9?tab=signature"),
    Screen("version-files", f"{MODEL}/version/9?tab=files&folder=plots"),
    Screen("version-picture", f"{MODEL}/version/9/view?path=plots/residuals.png"),
    Screen("version-csv", f"{MODEL}/version/9?tab=files&folder=plots", before=dialog("importance.csv"), whole=False),
    Screen("version-environment", f"{MODEL}/version/9?tab=environment"),
    Screen("version-lineage", f"{MODEL}/version/9?tab=lineage"),
    Screen("version-checks", f"{MODEL}/version/9?tab=checks"),
    Screen("version-uses", f"{MODEL}/version/9?tab=uses"),
    Screen("version-activity", f"{MODEL}/version/5?tab=activity"),
    Screen("version-delete", f"{MODEL}/version/5/delete"),
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
    Screen("people-users", "/settings/users", who="rosa"),
    Screen("people-new-user", "/settings/users", who="rosa", before=dialog("Create user"), whole=False),
    Screen("people-groups", "/settings/groups", who="rosa"),
    Screen("people-group", "/settings/groups", who="rosa", before=group),
    Screen("people-own-groups", "/settings/groups", who="ben"),
    Screen("people-robots", "/settings/service-principals", who="rosa"),
    Screen("people-robot", "/settings/service-principals", who="rosa", before=robot),
    Screen("people-secret", "/settings/service-principals", who="rosa", before=secret, whole=False),
    Screen("people-forbidden", "/settings/users", who="cleo"),
    Screen("governed-tags", "/settings/governed-tags", who="rosa"),
    Screen("governed-tag", "/settings/governed-tags/tag/data_class", who="rosa"),
    Screen("settings-profile", "/profile"),
    Screen("settings-password", "/profile/password"),
    Screen("settings-tokens", "/profile/tokens"),
    Screen("settings-webhooks", "/settings/webhooks", who="rosa"),
    Screen("settings-webhooks-empty", "/settings/webhooks", who="cleo"),
    Screen("settings-webhook", "/settings/webhooks", who="rosa", before=follow("nightly-tests")),
    Screen("settings-webhook-new", "/settings/webhooks", who="rosa", before=dialog("New webhook"), whole=False),
    Screen("settings-delivery", "/settings/webhooks", who="rosa", before=first_delivery, whole=False),
    Screen("settings-destinations", "/settings/destinations", who="rosa"),
    Screen("settings-destination", "/settings/destinations", who="rosa", before=follow("Model team")),
    Screen("settings-moving", "/settings/moving"),
    Screen("settings-moving-import", "/settings/moving", who="rosa", before=dialog("Import from"), whole=False),
    Screen("serving", "/serving"),
    Screen("serving-reader", "/serving", who="ben"),
    Screen("serving-empty", "/serving", who="cleo"),
    Screen("endpoint", "/serving/flight-delay"),
    Screen("endpoint-reader", "/serving/flight-delay", who="ben"),
    Screen("endpoint-updating", "/serving/flight-delay-canary"),
    Screen("endpoint-failed", "/serving/fare-nightly"),
    Screen("endpoint-stopped", "/serving/fare"),
    Screen("endpoint-asleep", "/serving/fare-preview"),
    Screen("endpoint-metrics", "/serving/flight-delay?tab=metrics&range=6h"),
    Screen("endpoint-metrics-empty", "/serving/fare?tab=metrics"),
    Screen("endpoint-events", "/serving/flight-delay?tab=events"),
    Screen("endpoint-logs", "/serving/flight-delay?tab=logs"),
    Screen("endpoint-build-log", "/serving/fare-nightly?tab=logs&config=2&kind=build"),
    Screen("endpoint-table", "/serving/flight-delay?tab=table"),
    Screen("endpoint-table-on", "/serving/flight-delay-canary?tab=table"),
    Screen("endpoint-stop", "/serving/flight-delay", before=from_menu("Stop"), whole=False, alike=True),
    Screen(
        "endpoint-cancel", "/serving/flight-delay-canary", before=dialog("Cancel update"), whole=False, alike=True
    ),
    Screen("endpoint-configs", "/serving/flight-delay?tab=configs"),
    Screen("endpoint-permissions", "/serving/flight-delay?tab=permissions"),
    Screen("endpoint-settings", "/serving/flight-delay?tab=settings"),
    Screen(
        "endpoint-roll-back", "/serving/flight-delay?tab=configs", before=dialog("Roll back to this"), whole=False
    ),
    Screen("endpoint-grant", "/serving/flight-delay?tab=permissions", before=dialog("Give access"), whole=False),
    Screen("endpoint-limits", "/serving/flight-delay/limits"),
    Screen("endpoint-delete", "/serving/fare/delete"),
    Screen("version-validate", f"{MODEL}/version/9", before=dialog("Can I deploy this?"), whole=False),
    Screen("version-requirements", f"{MODEL}/version/9/environment/edit"),
    Screen("endpoint-capture", "/serving/flight-delay?tab=table", before=dialog("Turn on"), whole=False),
    Screen("endpoint-create", "/serving/create/endpoint?model=prod.flights.delay&version=@Champion"),
    Screen("endpoint-edit", "/serving/fare-preview/edit", before=adding_entity),
    Screen("secrets", "/settings/secrets"),
    Screen("secret-scope", "/settings/secrets/weather"),
    Screen("secret-new", "/settings/secrets/weather", before=dialog("New secret"), whole=False),
    Screen("upload", "/explore/upload?schema=prod.flights"),
    Screen("monitors", "/monitoring"),
    Screen("monitors-empty", "/monitoring", who="cleo"),
    Screen("quality", f"{_WATCHED}?tab=quality"),
    Screen("quality-column", f"{_WATCHED}?tab=quality&column=distance#column"),
    Screen("quality-category", f"{_WATCHED}?tab=quality&column=carrier&drift=CONSECUTIVE#column"),
    Screen("quality-nothing", f"{_WATCHED}?tab=quality&since=2001-01-01&until=2001-01-02"),
    Screen("quality-one", f"{_WATCHED}?tab=quality&{days(1)}", alike=True),
    Screen("quality-two", f"{_WATCHED}?tab=quality&{days(2)}", alike=True),
    Screen("quality-refreshes", f"{_WATCHED}?tab=quality", before=refreshes, whole=False),
    Screen(
        "quality-settings",
        f"{_WATCHED}?tab=quality",
        before=from_menu("Settings", "More about this monitor"),
        whole=False,
    ),
    Screen("quality-off", f"{_WATCHED}_training?tab=quality"),
    Screen("quality-enable", f"{_WATCHED}_training?tab=quality", before=dialog("Enable monitoring"), whole=False),
    Screen("quality-alert", f"{_WATCHED}?tab=quality", before=dialog("Alert me"), whole=False),
    Screen("quality-endpoint", "/serving/flight-delay-canary?tab=quality"),
    Screen("quality-endpoint-off", "/serving/fare?tab=quality"),
    Screen("quality-latency", "/serving/flight-delay?tab=quality"),
    Screen("quality-latency-on", "/explore/data/prod/flights/flight-delay_metrics?tab=quality&column=latency_p95_ms"),
    Screen("quality-watch", "/serving/fare?tab=quality", before=dialog("Watch latency and errors"), whole=False),
    Screen("quality-model", "/explore/data/models/prod/flights/delay?tab=quality"),
    Screen("quality-model-none", "/explore/data/models/dev/flights/cancellations?tab=quality", alike=True),
    Screen("alerts", "/alerts"),
    Screen("alerts-empty", "/alerts", who="cleo"),
    Screen("alert", "/alerts", before=follow("Distances drift from training")),
    Screen(
        "alert-edit",
        "/alerts",
        before=then(follow("Distances drift from training"), dialog("Edit")),
        whole=False,
        alike=True,
    ),
    Screen("alert-query", "/alerts", before=dialog("On a query"), whole=False),
    Screen("settings-limits", "/settings/limits"),
    Screen("settings-about", "/settings/about", who="rosa"),
]
