"""Every screen, in the running product: nothing serious for axe-core in light and dark, and no page that spills."""

import shutil
import tempfile
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.screens.checks import faults
from tests.screens.screens import SCREENS, Screen
from tests.screens.take import seed, signed_in
from tests.stack.conftest import Launcher

# One installation serves them all: whichever process runs one of these tests runs the others.
pytestmark = [pytest.mark.browser, pytest.mark.stack, pytest.mark.xdist_group("screens")]
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


@pytest.fixture(scope="module")
def url():
    with tempfile.TemporaryDirectory() as folder:
        stack = Launcher(Path(folder) / "data")
        try:
            stack.start()
            seed(stack)
            yield stack.state()["url"]
        finally:
            stack.remove()


@pytest.fixture
def browser():
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.mark.parametrize("who", sorted({screen.who for screen in SCREENS}))
def test_screens_can_be_used_by_everybody(url, browser, who):
    page = signed_in(browser, url, who, {})
    screens = [screen for screen in SCREENS if screen.who == who and not screen.alike]
    found = [fault for screen in screens for fault in faults(page, url, screen)]
    assert not found, "\n".join(found)


FAULTY = """<!doctype html><html lang="en"><title>x</title><main><h1>x</h1>
<p style="color:#bbb;background:#fff">pale</p><input><div style="width:1300px">wide</div></main></html>"""


def test_what_is_wrong_is_found(browser, tmp_path):
    (tmp_path / "faulty.html").write_text(FAULTY)
    found = "\n".join(faults(browser.new_page(), tmp_path.as_uri(), Screen("faulty", "/faulty.html")))
    for fault in ("light: color-contrast", "dark: color-contrast", "light: label", "wider than a screen of 400"):
        assert fault in found
