"""What a browser loads the first time, compressed as it is served: pages that open fast on any line."""

import gzip
import re

import pytest

from registry.services.aliases import set_alias
from tests.web.factories import make_model

MODEL = "/explore/data/models/prod/flights/delay"
BUDGET = 200_000
_ASSET = re.compile(r'(?:<script[^>]* src|<link[^>]* href)="(/static/[^"]+)"')


@pytest.fixture
def busy(people, flights):
    """Make a model that looks like one in use."""
    admin = people.metastore_admin
    make_model(admin, "prod.flights.delay", comment="Predicts **delay**.", versions=30, team="ops")
    set_alias(actor=admin, name="prod.flights.delay", alias="Champion", version=30)


def served(browser, path: str) -> int:
    """Bytes on the line for an address, asked as browsers do."""
    answer = browser.get(path, headers={"accept-encoding": "gzip"})
    assert answer.status_code == 200, path
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    if answer.headers.get("Content-Encoding") == "gzip":
        assert gzip.decompress(body)
    return len(body)


@pytest.mark.parametrize("path", ["/", "/explore/data", MODEL])
def test_the_first_load_is_light(sign_in, busy, path):
    browser = sign_in("metastore_admin")
    page = browser.get(path).content.decode()
    assets = sorted(set(_ASSET.findall(page)))
    assert len(assets) > 10, "the page names its styles and scripts"
    assert not any("plotly" in asset for asset in assets)
    weights = {asset: served(browser, asset) for asset in assets}
    weights[path] = served(browser, path)
    heaviest = sorted(weights.items(), key=lambda pair: -pair[1])[:8]
    assert sum(weights.values()) < BUDGET, f"{sum(weights.values())} bytes: {heaviest}"
