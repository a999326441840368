"""The page of a model: its tabs, what is offered to whom, and the changes made from it."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from registry.models import AliasMove, AuditEvent, ModelAlias, RegisteredModel
from registry.privileges import Privilege, SecurableType
from registry.services.aliases import set_alias
from registry.services.grants import Change, update_grants
from registry.services.tag_policies import create_policy
from registry.services.tags import Tags, tag_version
from tests.web.factories import make_model, make_version

pytestmark = pytest.mark.django_db
MODEL = "/explore/data/models/prod/flights/delay"
NAME = "prod.flights.delay"
XSS = '<script>alert("x")</script><img src=x onerror=alert(1)>'
HTMX = {"HTTP_HX_REQUEST": "true", "HTTP_HX_CURRENT_URL": f"http://testserver{MODEL}?tab=versions"}
TABS = ["overview", "versions", "aliases", "lineage", "permissions", "details", "activity"]


def grant(people, type_, name, who, *privileges):
    change = Change(f"{who}@example.com", tuple(privileges))
    update_grants(actor=people.metastore_admin, type_=type_, full_name=name, changes=[change])


@pytest.fixture
def delay(people, flights):
    """A model of the owner's with four versions; the reader may load it, the outsider sees nothing."""
    admin = people.metastore_admin
    for who in ("owner", "reader"):
        grant(people, SecurableType.CATALOG, "prod", who, Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
    model = make_model(admin, NAME, comment="Predicts **delay**.", team="ops")
    model.securable.owner = people.principals["owner"]
    model.securable.save()
    grant(people, SecurableType.REGISTERED_MODEL, NAME, "reader", Privilege.EXECUTE)
    for number in range(1, 5):
        make_version(people.owner, model, metrics=[{"key": "rmse", "value": 2.0 - number / 10, "step": 0}])
    set_alias(actor=people.owner, name=NAME, alias="Champion", version=2)
    return model


def moves(browser, now, before=None, **more):
    values = {"moves": json.dumps(now), **({"expected": json.dumps(before)} if before is not None else {})}
    return browser.post(f"{MODEL}/aliases", values, **HTMX, **more)


def toast(response):
    return json.loads(response.headers["HX-Trigger"])["toast"]


def champion():
    return ModelAlias.objects.get(key="champion").version.version


# --- What is shown ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tab", TABS)
def test_every_tab_shows_and_costs_the_same_for_many_versions(sign_in, people, delay, tab):
    browser = sign_in("owner")
    few = _queries(browser, tab)
    for number in range(20):
        version = make_version(people.owner, delay)
        tag_version(actor=people.owner, name=NAME, version=version.version, change=Tags(set={"k": str(number)}))
        set_alias(actor=people.owner, name=NAME, alias="Champion", version=version.version)
    assert _queries(browser, tab) == few


def _queries(browser, tab):
    with CaptureQueriesContext(connection) as queries:
        response = browser.get(f"{MODEL}?tab={tab}")
    assert response.status_code == 200
    return len(queries)


def test_what_is_offered_follows_ones_rights(sign_in, people, delay):
    versions = sign_in("owner").get(f"{MODEL}?tab=versions").content.decode()
    assert 'draggable="true" data-alias="Champion"' in versions
    assert f"{MODEL}/delete" in versions
    for tab in TABS:
        shown = sign_in("reader").get(f"{MODEL}?tab={tab}").content.decode()
        assert 'draggable="true" data-alias' not in shown
        for verb in ("delete", "rename", "description", "tag", "aliases/Champion"):
            assert f"{MODEL}/{verb}" not in shown, (tab, verb)
    assert ">Activity<" not in sign_in("reader").get(MODEL).content.decode()
    assert sign_in("outsider").get(MODEL).status_code == 404


def test_the_overview_names_champion_and_newest_and_how_to_load_it_from_here(sign_in, people, delay):
    text = sign_in("reader").get(MODEL, headers={"host": "keep.example:8443"}).content.decode()
    assert "models:/prod.flights.delay@Champion" in text
    assert "http://keep.example:8443" in text
    assert f'href="{MODEL}/version/2"' in text
    assert f'href="{MODEL}/version/4"' in text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [4, 3, 2, 1]),
        ("order=version", [1, 2, 3, 4]),
        ("q=@champ", [2]),
        ("q=v3", [3]),
        ("q=stage=gold", [3]),
        ("q=gold", [3]),
        ("q=weather", [1]),
        ("status=FAILED_REGISTRATION", []),
        ("q=nothing-like-it", []),
    ],
)
def test_versions_are_filtered_and_ordered_by_the_address(sign_in, people, delay, query, expected):
    tag_version(actor=people.owner, name=NAME, version=3, change=Tags(set={"stage": "gold"}))
    delay.versions.filter(version=1).update(comment="Adds weather.")
    page = sign_in("reader").get(f"{MODEL}?tab=versions&{query}").context["page"]
    assert [version.version for version in page.items] == expected


def test_an_order_or_a_state_that_is_not_known_is_refused(sign_in, delay):
    for query in ("order=color", "status=GREEN"):
        assert sign_in("reader").get(f"{MODEL}?tab=versions&{query}").status_code == 400


def test_nothing_that_people_write_runs(sign_in, people, flights):
    admin = people.metastore_admin
    model = make_model(admin, "prod.flights.xss", comment=XSS, note=XSS)
    hostile = {"metrics": [{"key": XSS, "value": 1.0}], "params": [{"key": XSS, "value": XSS}], "comment": XSS}
    for _ in range(2):
        make_version(admin, model, **hostile)
    base = "/explore/data/models/prod/flights/xss"
    pages = [f"{base}?tab={tab}" for tab in TABS]
    pages += [f"{base}/version/1?tab={tab}" for tab in ("overview", "checks", "activity")]
    pages += [f"{base}/compare?versions=1,2", f"{base}/description"]
    for page in pages:
        text = sign_in("metastore_admin").get(page).content.decode()
        assert "<script>alert" not in text, page
        assert "<img src=x" not in text, page


# --- Aliases ----------------------------------------------------------------------------------------------


def test_an_alias_is_moved_and_the_toast_takes_it_back(sign_in, people, delay):
    browser = sign_in("owner")
    response = moves(browser, {"Champion": 4}, {"Champion": 2})
    assert response.status_code == 204
    assert champion() == 4
    undo = toast(response)["undo"]
    assert browser.post(undo["url"], undo["values"], **HTMX).status_code == 204
    assert champion() == 2
    rows = AuditEvent.objects.filter(action="setRegisteredModelAlias").order_by("id")
    assert [row.after["version"] for row in rows] == [2, 4, 2]


def test_undo_does_not_overwrite_what_somebody_did_since(sign_in, people, delay):
    browser = sign_in("owner")
    undo = toast(moves(browser, {"Champion": 4}))["undo"]
    set_alias(actor=people.metastore_admin, name=NAME, alias="Champion", version=3)
    refused = toast(browser.post(undo["url"], undo["values"], **HTMX))
    assert refused["kind"] == "error"
    assert "is on version 3 now" in refused["text"]
    assert champion() == 3


def test_a_page_that_is_out_of_date_moves_nothing(sign_in, people, delay):
    assert toast(moves(sign_in("owner"), {"Champion": 4}, {"Champion": 1}))["kind"] == "error"
    assert champion() == 2


@pytest.mark.parametrize("who", ["reader", "outsider"])
def test_who_does_not_own_the_model_moves_nothing(sign_in, people, delay, who):
    assert toast(moves(sign_in(who), {"Champion": 4}))["kind"] == "error"
    assert champion() == 2
    assert sign_in(who).post(f"{MODEL}/version/4/aliases", {"others": "Gold"}).status_code in {403, 404}
    assert not ModelAlias.objects.filter(key="gold").exists()


@pytest.mark.parametrize("text", ["", "x", "[]", '{"a": "1"}', '{"a": true}', '{"a": 1.5}'])
def test_moves_that_cannot_be_read_are_refused(sign_in, delay, text):
    response = sign_in("owner").post(f"{MODEL}/aliases", {"moves": text}, **HTMX)
    assert "must be a JSON object" in toast(response)["text"]
    assert sign_in("owner").post(f"{MODEL}/aliases", {"moves": text}).status_code == 400


def test_the_dialog_of_a_version_sets_several_and_removes(sign_in, people, delay):
    browser = sign_in("owner")
    page = browser.get(f"{MODEL}/version/4/aliases").content.decode()
    assert "@Champion (now on version 2)" in page
    assert "The model has 1 of 10" in page
    browser.post(f"{MODEL}/version/4/aliases", {"chosen": ["Champion"], "others": "Gold, @Silver"}, **HTMX)
    on = dict(ModelAlias.objects.values_list("name", "version__version"))
    assert on == {"Champion": 4, "Gold": 4, "Silver": 4}
    undo = toast(browser.post(f"{MODEL}/version/4/aliases", {"chosen": ["Silver"]}, **HTMX))["undo"]
    assert dict(ModelAlias.objects.values_list("name", "version__version")) == {"Silver": 4}
    browser.post(undo["url"], undo["values"], **HTMX)
    assert dict(ModelAlias.objects.values_list("name", "version__version")) == on


def test_a_refused_alias_is_said_in_the_dialog_and_nothing_changes(sign_in, people, delay):
    response = sign_in("owner").post(f"{MODEL}/version/4/aliases", {"chosen": ["Champion"], "others": "Gold, latest"})
    assert response.status_code == 400
    assert "latest" in response.content.decode()
    assert dict(ModelAlias.objects.values_list("name", "version__version")) == {"Champion": 2}


def test_the_keyboard_moves_an_alias_by_its_dialog(sign_in, people, delay):
    browser = sign_in("owner")
    assert "It is on version 2 now" in browser.get(f"{MODEL}/aliases/Champion").content.decode()
    assert browser.post(f"{MODEL}/aliases/Champion", {"version": "3"}, **HTMX).status_code == 204
    assert champion() == 3
    missing = browser.post(f"{MODEL}/aliases/Champion", {"version": "99"})
    assert missing.status_code == 404
    assert "Version 99" in missing.content.decode()


def test_the_history_tells_who_was_champion_and_offers_to_roll_back(sign_in, people, delay):
    set_alias(actor=people.owner, name=NAME, alias="Champion", version=4)
    now = timezone.now()
    for number, move in enumerate(AliasMove.objects.order_by("id")):
        AliasMove.objects.filter(pk=move.pk).update(moved_at=now - timedelta(days=20 - 10 * number))
    browser = sign_in("owner")
    text = browser.get(f"{MODEL}?tab=aliases").content.decode()
    assert "Roll back @Champion to version 2" in text
    assert "Roll back @Champion to version 4" not in text
    at = f"{now - timedelta(days=15):%Y-%m-%dT%H:%M}"
    assert browser.get(f"{MODEL}?tab=aliases&who=champion&at={at}").context["answer"] == 2
    early = browser.get(f"{MODEL}?tab=aliases&who=champion&at=2001-01-01T00:00")
    assert "was not set" in early.content.decode()
    assert "no date" in browser.get(f"{MODEL}?tab=aliases&at=yesterday").content.decode()
    lanes = browser.get(f"{MODEL}?tab=aliases").context["timeline"].lanes
    assert [(span.version, round(span.width)) for span in lanes[0].spans] == [(2, 50), (4, 50)]


# --- Texts, tags, names -----------------------------------------------------------------------------------


def test_a_description_is_written_with_a_preview(sign_in, people, delay):
    browser = sign_in("owner")
    shown = browser.post("/explore/preview", {"comment": f"*new* {XSS}"}, **HTMX).content.decode()
    assert "<em>new</em>" in shown
    assert "<script>" not in shown
    assert browser.post(f"{MODEL}/description", {"comment": "*new*"}, **HTMX).status_code == 204
    assert "<em>new</em>" in browser.get(MODEL).content.decode()
    assert sign_in("reader").post(f"{MODEL}/description", {"comment": "mine"}).status_code == 403


def test_tags_are_set_changed_and_removed_and_policies_hold(sign_in, people, delay):
    create_policy(actor=people.metastore_admin, key="tier", values=["gold", "silver"])
    browser = sign_in("owner")
    assert browser.post(f"{MODEL}/tag", {"key": "team", "value": "risk"}, **HTMX).status_code == 204
    undo = toast(browser.post(f"{MODEL}/untag", {"key": "team"}, **HTMX))["undo"]
    assert not delay.securable.tags.exists()
    browser.post(undo["url"], undo["values"], **HTMX)
    assert delay.securable.tags.get().value == "risk"
    refused = browser.post(f"{MODEL}/tag", {"key": "tier", "value": "gold"})
    assert refused.status_code == 403
    assert "tagPolicy.assigner" in refused.content.decode()
    admin = sign_in("metastore_admin")
    assert '<option value="silver">' in admin.get(f"{MODEL}/tag?key=tier").content.decode()
    assert admin.post(f"{MODEL}/tag", {"key": "tier", "value": "lead"}).status_code == 400
    assert admin.post(f"{MODEL}/version/1/tag", {"key": "tier", "value": "gold"}, **HTMX).status_code == 204


def test_a_rename_leads_to_the_new_address_and_can_be_undone(sign_in, people, delay):
    admin = sign_in("metastore_admin")
    response = admin.post(f"{MODEL}/rename", {"new_name": "lateness"}, **HTMX)
    assert "/prod/flights/lateness" in response.headers["HX-Location"]
    undo = toast(response)["undo"]
    assert admin.post(undo["url"], undo["values"], **HTMX).status_code == 204
    assert admin.get(MODEL).status_code == 200
    assert sign_in("reader").post(f"{MODEL}/rename", {"new_name": "x"}).status_code == 403


# --- Deleting ---------------------------------------------------------------------------------------------


def test_deleting_a_model_says_what_goes_and_wants_the_name(sign_in, people, delay):
    make_model(people.metastore_admin, "prod.flights.copy")
    browser = sign_in("owner")
    text = browser.get(f"{MODEL}/delete").content.decode()
    assert "@Champion" in text
    assert "Type delay to confirm" in text
    assert browser.post(f"{MODEL}/delete", {"typed": "Delay"}).status_code == 400
    assert RegisteredModel.objects.filter(pk=delay.pk).exists()
    response = browser.post(f"{MODEL}/delete", {"typed": "delay"}, **HTMX)
    assert "/explore/data/prod/flights" in response.headers["HX-Location"]
    assert not RegisteredModel.objects.filter(pk=delay.pk).exists()


def test_deleting_names_the_copies_that_stay(sign_in, people, delay, settings, tmp_path):
    grant(people, SecurableType.SCHEMA, "prod.flights", "owner", Privilege.CREATE_MODEL)
    source = delay.versions.get(version=1)
    copied = make_model(people.owner, "prod.flights.copied")
    make_version(people.owner, copied, copied_from=source)
    text = sign_in("owner").get(f"{MODEL}/version/1/delete").content.decode()
    assert "prod.flights.copied version 1" in text
    assert "other versions hold the same bytes" in text


def test_deleting_a_version_wants_its_aliases_confirmed(sign_in, people, delay):
    browser = sign_in("owner")
    assert "Remove @Champion too" in browser.get(f"{MODEL}/version/2/delete").content.decode()
    assert browser.post(f"{MODEL}/version/2/delete").status_code == 400
    assert browser.post(f"{MODEL}/version/2/delete", {"aliases": "on"}, **HTMX).status_code == 204
    assert browser.post(f"{MODEL}/version/1/delete", **HTMX).status_code == 204
    assert sorted(delay.versions.values_list("version", flat=True)) == [3, 4]


@pytest.mark.parametrize("path", [f"{MODEL}/delete", f"{MODEL}/version/2/delete"])
def test_who_may_not_delete_is_not_shown_the_plan(sign_in, delay, path):
    for who, status in (("reader", 403), ("outsider", 404)):
        assert sign_in(who).get(path).status_code == status
        assert sign_in(who).post(path, {"typed": "delay", "aliases": "on"}).status_code == status
    assert delay.versions.count() == 4


# --- Side by side -----------------------------------------------------------------------------------------


def test_versions_are_compared(sign_in, people, delay):
    make_version(
        people.owner,
        delay,
        requirements="mlflow==3.18.0\nnumpy\n",
        signature={"inputs": [{"name": "n", "type": "long"}]},
        params=[{"key": "depth", "value": "7"}],
        metrics=[{"key": "rmse", "value": 1.1}],
    )
    response = sign_in("reader").get(f"{MODEL}/compare?versions=1,2&versions=5")
    sections = {title: rows for title, _, rows, *_ in response.context["sections"]}
    metric = sections["Metrics"][0]
    assert metric.best == {2}
    assert metric.direction == "lower is better"
    requirements = {row.key: list(row.values) for row in sections["Requirements"]}
    assert requirements["mlflow"] == ["==3.17.2", "==3.17.2", "==3.18.0"]
    assert requirements["numpy"] == [None, None, ""]
    signature = {row.key: list(row.values) for row in sections["Signature"]}
    assert signature["Input n"] == [None, None, "long"]
    only = sign_in("reader").get(f"{MODEL}/compare?versions=1,2&only=differences").context["sections"]
    assert all(row.differs for _, _, rows, *_ in only for row in rows)


@pytest.mark.parametrize(
    ("numbers", "status"),
    [("", 400), ("1", 400), ("1,1", 400), ("1,99", 404), ("1,x", 400), (",".join(map(str, range(1, 12))), 400)],
)
def test_a_comparison_needs_from_two_to_ten_versions_that_exist(sign_in, delay, numbers, status):
    assert sign_in("reader").get(f"{MODEL}/compare?versions={numbers}").status_code == status


def test_a_comparison_is_for_who_sees_the_model_and_costs_a_fixed_number_of_queries(sign_in, people, delay):
    assert sign_in("outsider").get(f"{MODEL}/compare?versions=1,2").status_code == 404
    for _ in range(6):
        make_version(people.owner, delay)
    browser, counts = sign_in("reader"), []
    for numbers in ("1,2", "1,2,3,4,5,6,7,8,9,10"):
        with CaptureQueriesContext(connection) as queries:
            browser.get(f"{MODEL}/compare?versions={numbers}")
        counts.append(len(queries))
    assert counts[0] == counts[1]
