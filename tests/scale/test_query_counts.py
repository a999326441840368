"""A read asks the database as often for one row as for many."""

from urllib.parse import urlencode

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from tests.scale.conftest import ALIAS, BIG, CATALOG, make_tree, undone

pytestmark = pytest.mark.django_db

SCHEMA = f"catalog_name={CATALOG}&schema_name=s00"
READS = {
    "plain: get model": f"/api/2.0/mlflow/registered-models/get?name={BIG}",
    "plain: get by alias": f"/api/2.0/mlflow/registered-models/alias?name={BIG}&alias={ALIAS}",
    "plain: get version": f"/api/2.0/mlflow/model-versions/get?name={BIG}&version=1",
    "plain: latest versions": f"/api/2.0/mlflow/registered-models/get-latest-versions?name={BIG}",
    "plain: search models": "/api/2.0/mlflow/registered-models/search?max_results=1000",
    "plain: search models by name": "/api/2.0/mlflow/registered-models/search?"
    + urlencode({"filter": f"name LIKE '{CATALOG}.s00.%'", "order_by": "name DESC"}),
    "plain: search models by part": "/api/2.0/mlflow/registered-models/search?"
    + urlencode({"filter": "name ILIKE '%i%g%' AND tags.team = 'x'"}),
    "plain: search versions": "/api/2.0/mlflow/model-versions/search?max_results=1000",
    "plain: search versions of a model": "/api/2.0/mlflow/model-versions/search?"
    + urlencode({"filter": f"name='{BIG}'"}),
    "databricks-uc: get model": f"/api/2.0/mlflow/unity-catalog/registered-models/get?name={BIG}",
    "databricks-uc: get by alias": f"/api/2.0/mlflow/unity-catalog/registered-models/alias?name={BIG}&alias={ALIAS}",
    "databricks-uc: get version": f"/api/2.0/mlflow/unity-catalog/model-versions/get?name={BIG}&version=1",
    "databricks-uc: list models": "/api/2.0/mlflow/unity-catalog/registered-models/search",
    "databricks-uc: versions": "/api/2.0/mlflow/unity-catalog/model-versions/search?"
    + urlencode({"filter": f"name='{BIG}'"}),
    "2.1: get model": f"/api/2.1/unity-catalog/models/{BIG}?include_aliases=true",
    "2.1: get by alias": f"/api/2.1/unity-catalog/models/{BIG}/aliases/{ALIAS}",
    "2.1: get version": f"/api/2.1/unity-catalog/models/{BIG}/versions/1?include_aliases=true",
    "2.1: list models": "/api/2.1/unity-catalog/models",
    "2.1: list models of a schema": f"/api/2.1/unity-catalog/models?{SCHEMA}",
    "2.1: versions": f"/api/2.1/unity-catalog/models/{BIG}/versions",
    "2.1: catalogs": "/api/2.1/unity-catalog/catalogs",
    "2.1: schemas": f"/api/2.1/unity-catalog/schemas?catalog_name={CATALOG}",
    "2.1: grants": f"/api/2.1/unity-catalog/permissions/FUNCTION/{BIG}",
    "2.1: effective grants": f"/api/2.1/unity-catalog/effective-permissions/FUNCTION/{BIG}",
}
ASKERS = ("admin", "reader", "narrow", "owner")
MOST = 13
"""What the dearest read asks: who calls, what it may see, a narrowed search, a page, and what hangs on its rows."""


def counts(client, *, models: int, versions: int, schema_count: int) -> dict[tuple[str, str], int]:
    """How many queries each read makes for each asker on a tree of this size; the tree is gone afterwards."""
    found = {}
    with undone():
        tree = make_tree(models=models, versions=versions, schema_count=schema_count)
        for asker in ASKERS:
            headers = {"Authorization": f"Bearer {tree.tokens[asker]}"}
            for title, path in READS.items():
                # The first use of a token is noted.
                client.get(path, headers=headers)
                with CaptureQueriesContext(connection) as queries:
                    answer = client.get(path, headers=headers)
                assert answer.status_code == 200, (asker, title, answer.content)
                found[asker, title] = len(queries)
    return found


def test_no_read_asks_more_often_for_more_rows(client):
    with transaction.atomic():
        few = counts(client, models=1, versions=1, schema_count=1)
        many = counts(client, models=60, versions=30, schema_count=6)
    assert many == few
    assert max(many.values()) <= MOST, max(many.items(), key=lambda item: item[1])
