"""What a browser loads the first time, compressed as it is served: pages that open fast on any line."""

import gzip
import re

import pytest

from registry.services.aliases import set_alias
from tests.web.factories import make_model

MODEL = "/explore/data/models/prod/flights/delay"
BUDGET = 100_000
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
    body = answer.getvalue()
    assert int(answer.get("Content-Length", len(body))) == len(body)
    if answer.headers.get("Content-Encoding") == "gzip":
        assert len(gzip.decompress(body)) > len(body)
        assert "Accept-Encoding" in answer["Vary"]
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


def test_files_of_models_and_answers_of_apis_are_not_compressed(sign_in, busy):
    browser = sign_in("metastore_admin")
    headers = {"accept-encoding": "gzip"}
    listed = browser.get("/api/2.1/unity-catalog/models", headers=headers)
    assert listed.status_code == 200
    assert not listed.has_header("Content-Encoding")
    assert not browser.get("/settings/moving/archive?model=prod.flights.none", headers=headers).streaming


def test_styles_are_plain_for_who_does_not_ask_and_unchanged_ones_are_not_sent_again(sign_in, busy):
    browser = sign_in("metastore_admin")
    plain = browser.get("/static/modelkeep/css/layout.css")
    assert not plain.has_header("Content-Encoding")
    packed = browser.get("/static/modelkeep/css/layout.css", headers={"accept-encoding": "gzip, br"})
    assert gzip.decompress(packed.content) == plain.getvalue()
    known = {"accept-encoding": "gzip", "if-none-match": packed["ETag"]}
    assert browser.get("/static/modelkeep/css/layout.css", headers=known).status_code == 304
    part = browser.get("/static/modelkeep/css/layout.css", headers={"accept-encoding": "gzip", "range": "bytes=0-9"})
    assert len(part.getvalue()) == 10
    assert not part.has_header("Content-Encoding")
