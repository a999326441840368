"""Renders every screen from seeded data, in light, dark and at phone width: `manage.py screenshots DIR`.

With `--url` and `--only` it looks at a few screens of an installation that is running already.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.screens.checks import settle
from tests.screens.password import PASSWORD
from tests.screens.screens import SCREENS, Screen
from tests.stack.conftest import Launcher

_HEIGHT = "document.documentElement.scrollHeight"
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 860}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 860}},
    "phone": {"color_scheme": "light", "viewport": {"width": 400, "height": 860}},
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="manage.py screenshots", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    parser.add_argument("--url", default="", help="a running installation with the seeded data")
    parser.add_argument("--only", default="", help="only screens whose name contains this")
    parser.add_argument("--look", choices=LOOKS, action="append", help="only this look")
    chosen = parser.parse_args(arguments)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    screens = [screen for screen in SCREENS if chosen.only in screen.name]
    looks = chosen.look or list(LOOKS)
    if chosen.url:
        return take(chosen.url, screens, looks, chosen.folder)
    with tempfile.TemporaryDirectory() as folder:
        stack = Launcher(Path(folder) / "data")
        try:
            stack.start()
            seed(stack)
            return take(stack.state()["url"], screens, looks, chosen.folder)
        finally:
            stack.remove()


def seed(stack: Launcher) -> None:
    program = "from tests.screens.world import build; build()"
    built = stack.manage("shell", "--data-dir", str(stack.folder), "-c", program)
    if built.returncode:
        sys.exit(built.stdout + built.stderr)


def take(url: str, screens: list[Screen], looks: list[str], folder: Path) -> int:
    executable = shutil.which("chromium")
    if executable is None:
        sys.exit("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        for look in looks:
            for who in sorted({screen.who for screen in screens}):
                page = signed_in(browser, url, who, LOOKS[look])
                for screen in (screen for screen in screens if screen.who == who):
                    shoot(page, url, screen, folder / f"{screen.name}-{look}.png")
        browser.close()
    return 0


def signed_in(browser: Browser, url: str, who: str, look: dict[str, object]) -> Page:
    page = browser.new_context(**look).new_page()
    page.goto(f"{url}/sign-in")
    if who:
        page.get_by_label("Name").fill(f"{who}@example.com")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda at: "/sign-in" not in at)
    return page


def shoot(page: Page, url: str, screen: Screen, target: Path) -> None:
    page.goto(url + screen.path, wait_until="networkidle")
    if screen.before is not None:
        screen.before(page)
        page.wait_for_load_state("networkidle")
    settle(page)
    # A window as tall as the page: what sticks to the screen's edge would end in the middle of a longer picture.
    size = page.viewport_size
    if screen.whole and size:
        page.set_viewport_size({**size, "height": max(size["height"], page.evaluate(_HEIGHT))})
    page.screenshot(path=target)
    if size:
        page.set_viewport_size(size)
    sys.stdout.write(f"{target}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
