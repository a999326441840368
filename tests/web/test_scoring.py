"""Scoring a table from the screens: offered to who may load, planned before it begins, followed as an operation."""

import pytest
from django.urls import reverse

from registry.models import Operation, OperationState
from registry.privileges import Privilege, SecurableType
from registry.services.aliases import set_alias
from tests.serving.conftest import serving_root  # noqa: F401  (a fixture)
from tests.serving.scoring.conftest import MODEL, SOURCE, TARGET, field, stand_in  # noqa: F401  (fixtures)
from tests.sql.conftest import lake  # noqa: F401  (a fixture)

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/explore/data"}
PAGE = "/explore/data/models/prod/ml/ranker"


def test_it_is_offered_planned_begun_and_leads_to_the_table(sign_in, field):  # noqa: F811
    set_alias(actor=field.lake.people.owner, name=MODEL, alias="Champion", version=1)
    field.lake.grant(SecurableType.REGISTERED_MODEL, MODEL, "reader", Privilege.MANAGE)
    owner, reader = sign_in("owner"), sign_in("reader")
    assert "version=prod.ml.ranker%40Champion" in owner.get(PAGE).content.decode()
    assert "version=prod.ml.ranker%2F1" in owner.get(f"{PAGE}/version/1").content.decode()
    shown = owner.get(reverse("score"), {"version": f"{MODEL}/1"}, headers=HTMX).content.decode()
    assert "Score a table" in shown
    ask = {"version": f"{MODEL}@Champion", "source": SOURCE, "target": TARGET, "mode": "create"}
    plan = owner.get(reverse("score-plan"), ask).content.decode()
    for words in ("3, of version 0", "<code>distance</code> as double", "(double)", "CREATE_TABLE", "is made first"):
        assert words in plan
    assert "You lack" in reader.get(reverse("score-plan"), ask).content.decode()
    assert "Write catalog" in owner.get(reverse("score-plan"), ask | {"target": "x"}).content.decode().replace(
        "write", "Write"
    )
    assert owner.get(reverse("score-plan"), {}).content.strip() == b""
    assert reader.post(reverse("score"), ask, headers=HTMX).status_code in {403, 404}
    vague = owner.post(reverse("score"), ask | {"version": MODEL}, headers=HTMX)
    assert (vague.status_code, "Say which version" in vague.content.decode()) == (400, True)
    begun = owner.post(reverse("score"), ask, headers=HTMX)
    operation = Operation.objects.get(kind="score_table")
    assert begun.headers["HX-Redirect"] == f"/operations/{operation.pk}"
    operation.state, operation.result = OperationState.SUCCEEDED, {"table": SOURCE, "rows": 3}
    operation.save()
    assert (
        f'href="{reverse("table", args=SOURCE.split("."))}"'
        in owner.get(f"/operations/{operation.pk}").content.decode()
    )


def test_pickers_name_what_the_viewer_may_see(sign_in, field):  # noqa: F811
    owner, outsider = sign_in("owner"), sign_in("outsider")
    for route in ("score-tables", "score-targets"):
        assert SOURCE in owner.get(reverse(route), {"q": "flig"}).content.decode()
        assert SOURCE not in outsider.get(reverse(route), {"q": "flig"}).content.decode()
    assert "prod.ml.new" in owner.get(reverse("score-targets"), {"q": "prod.ml.new"}).content.decode()
