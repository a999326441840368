"""The screens of serving: what they show and offer to whom, and that they change what REST changes."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from registry.models import AuditEvent
from serving.models import ConfigUpdate, EndpointEvent, EndpointLevel, EndpointPermission, ServingEndpoint
from serving.services.endpoint_grantees import grant_level
from serving.services.endpoint_updates import roll_back, stop_endpoint, update_config
from serving.services.endpoints import NewEndpoint, create_endpoint
from tests.serving.endpoints.conftest import (  # noqa: F401  (fixtures)
    MODEL,
    deploy,
    iris,
    served,
    split,
    supervisor,
)

NAME = "rides"
PAGE = f"/serving/{NAME}"
TABS = ["overview", "metrics", "quality", "events", "logs", "table", "configs", "permissions", "settings"]
HTMX = {"hx-request": "true", "hx-current-url": f"http://testserver{PAGE}"}


@pytest.fixture
def rides(people, iris, supervisor):  # noqa: F811
    """An endpoint of the owner that answers: version 1 with 90 %, version 2 with 10 %. The reader may query it."""
    config = {
        "served_entities": [served(1, name="one", environment_vars={"LEVEL": "info"}), served(2, name="two")],
        "traffic_config": split(one=90, two=10),
    }
    create_endpoint(
        actor=people.owner, new=NewEndpoint(name=NAME, config=config, description="For the **booking** page")
    )
    deploy(NAME)
    grant_level(actor=people.owner, name=NAME, who="reader@example.com", level=EndpointLevel.CAN_QUERY)
    return ServingEndpoint.objects.get(name=NAME)


def entities(*rows, **more):
    """The fields of the form of an endpoint."""
    found = {"entities-TOTAL_FORMS": len(rows), "entities-INITIAL_FORMS": 0, **more}
    for number, row in enumerate(rows):
        usual = {"model": MODEL, "traffic": 100, "role": "LIVE", "size": "Small", "compute": "CPU", "to_zero": "on"}
        found |= {f"entities-{number}-{name}": value for name, value in {**usual, **row}.items()}
    return found


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("who", ["owner", "reader"])
def test_every_tab_opens_for_who_may_see_it(sign_in, rides, who, tab):
    answer = sign_in(who).get(f"{PAGE}?tab={tab}")
    assert answer.status_code == 200
    assert NAME in answer.content.decode()


def test_an_outsider_finds_nothing(sign_in, rides):
    browser = sign_in("outsider")
    assert browser.get(PAGE).status_code == 404
    assert NAME not in browser.get("/serving").content.decode()
    assert browser.post(f"{PAGE}/stop", headers=HTMX).status_code in {204, 404}
    assert not ServingEndpoint.objects.get(name=NAME).is_stopped


def test_only_what_is_allowed_is_offered(sign_in, people, rides):
    own, theirs = (sign_in(who).get(PAGE).content.decode() for who in ("owner", "reader"))
    assert f"{PAGE}/edit" in own
    assert f"{PAGE}/edit" not in theirs
    assert "data-query-form" in own
    assert "data-query-form" in theirs
    EndpointPermission.objects.filter(principal=people.reader.principal).update(level=EndpointLevel.CAN_VIEW)
    assert "data-query-form" not in sign_in("reader").get(PAGE).content.decode()


def test_the_list_tells_states_and_is_narrowed_down(sign_in, people, rides):
    browser = sign_in("owner")
    page = browser.get("/serving").content.decode()
    assert "Ready" in page
    assert MODEL in page
    assert NAME in browser.get("/serving?q=iris").content.decode()
    assert NAME not in browser.get("/serving?q=nothing").content.decode()
    assert NAME not in browser.get("/serving?state=stopped").content.decode()
    stop_endpoint(actor=people.owner, name=NAME)
    assert NAME in browser.get("/serving?state=stopped").content.decode()
    assert browser.get("/serving?state=asleep").status_code == 400


def test_the_list_costs_the_same_for_many(sign_in, people, rides):
    browser = sign_in("owner")

    def make(number):
        config = {"served_entities": [served(1), served(2)], "traffic_config": split(**{"iris-1": 50, "iris-2": 50})}
        create_endpoint(actor=people.owner, new=NewEndpoint(name=f"more-{number}", config=config))

    def queries():
        with CaptureQueriesContext(connection) as seen:
            assert browser.get("/serving").status_code == 200
        return len(seen)

    make(0)
    browser.get("/serving")
    few = queries()
    for number in range(1, 12):
        make(number)
    assert queries() == few


def test_an_endpoint_is_created_with_a_form(sign_in, people, rides):
    browser = sign_in("owner")
    plan = browser.post("/serving/create/endpoint-plan", entities({"version": "3"}, name="fares"))
    assert "You have" in plan.content.decode()
    assert "need-missing" not in plan.content.decode()
    answer = browser.post("/serving/create/endpoint", entities({"version": "3"}, name="fares", description="Prices"))
    assert answer.status_code == 302
    made = ServingEndpoint.objects.get(name="fares")
    entity = made.pending_config.entities.get()
    assert (entity.name, entity.traffic_percentage, entity.scale_to_zero) == ("iris-3", 100, True)
    assert made.description == "Prices"
    page = browser.get("/serving/fares").content.decode()
    assert "Not ready (Updating)" in page
    assert "hx-get" in page


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"version": "1", "traffic": 60}, {"version": "2", "traffic": 60}], "120 % together"),
        ([{"version": "1", "variables": "no sign"}], "NAME=value"),
        ([{"version": ""}], "This field is required"),
        ([{"version": "9"}], "does not exist"),
        ([{"version": "1", "size": "custom", "least": 3, "most": 8}], "multiples of 4"),
        ([{"version": "1", "name": "<script>x</script>"}], "letters, digits"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_lost(sign_in, people, rides, rows, said):
    answer = sign_in("owner").post("/serving/create/endpoint", entities(*rows, name="fares"))
    page = answer.content.decode()
    assert 400 <= answer.status_code < 500
    assert said in page
    assert "<script>x" not in page
    assert 'value="fares"' in page
    assert not ServingEndpoint.objects.filter(name="fares").exists()


def test_entities_are_added_and_removed_before_anything_is_sent(sign_in, rides):
    browser = sign_in("owner")
    two = browser.post("/serving/create/endpoint", entities({"version": "1"}, name="fares", add="1")).content.decode()
    assert "entities-1-model" in two
    assert "This field is required" not in two
    rows = [{"version": "1", "traffic": 30}, {"version": "2", "traffic": 70}]
    one = browser.post("/serving/create/endpoint", entities(*rows, remove="0")).content.decode()
    assert "entities-1-model" not in one
    assert 'value="2"' in one
    assert 'value="100"' in one


def test_a_plan_names_the_right_that_is_missing(sign_in, rides):
    page = sign_in("outsider").post("/serving/create/endpoint-plan", entities({"version": "1"}, name="x"))
    assert "need-missing" in page.content.decode()


def test_editing_shows_what_changes_and_begins_an_update(sign_in, rides):
    browser = sign_in("owner")
    form = browser.get(f"{PAGE}/edit").content.decode()
    assert "LEVEL=info" in form
    rows = [{"version": "1", "name": "one", "traffic": 50, "to_zero": "", "variables": "LEVEL=info"}]
    rows += [{"version": "3", "name": "three", "traffic": 50, "to_zero": ""}]
    plan = browser.post(f"{PAGE}/plan", entities(*rows)).content.decode()
    assert "Starts processes for 1 served entity" in plan
    assert "difference-removed" in plan
    assert "90 %" in plan
    only_split = [{**rows[0], "traffic": 20}, {"version": "2", "name": "two", "traffic": 80, "to_zero": ""}]
    assert "Starts nothing" in browser.post(f"{PAGE}/plan", entities(*only_split)).content.decode()
    assert browser.post(f"{PAGE}/edit", entities(*rows)).status_code == 302
    endpoint = deploy(NAME)
    assert [one.name for one in endpoint.active_config.entities.all()] == ["one", "three"]


def test_a_stepwise_rollout_is_asked_for_in_words(sign_in, rides):
    rows = [
        {"version": "1", "name": "one", "traffic": 40, "to_zero": ""},
        {"version": "3", "name": "three", "traffic": 60, "to_zero": ""},
    ]
    steps = {"rollout-stepwise": "on", "rollout-entity": "three", "rollout-steps": "5 % for 5 min, 25% for 1 h"}
    assert sign_in("owner").post(f"{PAGE}/edit", entities(*rows, **steps)).status_code == 302
    rollout = ServingEndpoint.objects.get(name=NAME).pending_config.rollout
    assert rollout["steps"] == [{"percent": 5, "seconds": 300}, {"percent": 25, "seconds": 3600}]
    deploy(NAME)
    assert "is rolled out: step 1 of 2, 5 %" in " ".join(sign_in("owner").get(PAGE).content.decode().split())
    wrong = sign_in("owner").post(f"{PAGE}/edit", entities(*rows, **{**steps, "rollout-steps": "soon"}))
    assert wrong.status_code == 400
    assert "is no step" in wrong.content.decode()


def test_a_failed_update_says_why_and_what_still_answers(sign_in, people, rides, supervisor):  # noqa: F811
    supervisor.unbuildable["3"] = "Line 'scikit-lern==1.7.0' names a package that does not exist."
    update_config(actor=people.owner, name=NAME, config={"served_entities": [served(3, name="three")]})
    deploy(NAME)
    page = sign_in("reader").get(PAGE).content.decode()
    assert "Configuration 2 could not be deployed" in page
    assert "Configuration 1 keeps answering" in page
    assert "scikit-lern==1.7.0" in page
    log = sign_in("owner").get(f"{PAGE}?tab=logs&config=2&kind=build").content.decode()
    assert "Resolving version 3" in log
    assert "scikit-lern" in log


def test_rolling_back_shows_the_difference_first(sign_in, people, rides):
    browser = sign_in("owner")
    update_config(actor=people.owner, name=NAME, config={"served_entities": [served(3, name="three")]})
    deploy(NAME)
    history = browser.get(f"{PAGE}?tab=configs").content.decode()
    assert f"{PAGE}/roll-back/1" in history
    dialog = browser.get(f"{PAGE}/roll-back/1", headers=HTMX).content.decode()
    assert "difference-removed" in dialog
    done = browser.post(f"{PAGE}/roll-back/1", {"reason": "too slow"}, headers=HTMX)
    assert done.status_code in {200, 204}
    endpoint = deploy(NAME)
    assert {one.name for one in endpoint.active_config.entities.all()} == {"one", "two"}
    assert "too slow" in endpoint.active_config.reason


def test_stop_start_and_cancel(sign_in, people, rides):
    browser = sign_in("owner")
    assert browser.get(f"{PAGE}/stop", headers=HTMX).status_code == 200
    assert browser.post(f"{PAGE}/stop", headers=HTMX).status_code == 204
    page = browser.get(PAGE).content.decode()
    assert "Stopped: queries are answered with 400" in page
    assert browser.post(f"{PAGE}/start", headers=HTMX).status_code == 204
    assert "is being made ready" in browser.get(PAGE).content.decode()
    assert browser.post(f"{PAGE}/cancel", headers=HTMX).status_code == 204
    assert ServingEndpoint.objects.get(name=NAME).config_update == ConfigUpdate.UPDATE_CANCELED
    refused = browser.post(f"{PAGE}/cancel", headers=HTMX)
    assert refused.status_code >= 400
    assert "nothing to cancel" in refused.content.decode()


def test_deleting_takes_the_name(sign_in, rides):
    browser = sign_in("owner")
    assert browser.post(f"{PAGE}/delete", {"typed": "another"}, headers=HTMX).status_code == 400
    browser.post(f"{PAGE}/delete", {"typed": NAME}, headers=HTMX)
    assert not ServingEndpoint.objects.filter(name=NAME).exists()


def test_access_is_given_and_taken_with_a_way_back(sign_in, people, rides):
    browser = sign_in("owner")
    given = browser.post(f"{PAGE}/access", {"who": "outsider@example.com", "level": "CAN_VIEW"}, headers=HTMX)
    assert given.status_code == 204
    toast = json.loads(given.headers["HX-Trigger"])["toast"]
    assert toast["undo"]["url"] == f"{PAGE}/access/revoke"
    assert sign_in("outsider").get(PAGE).status_code == 200
    taken = browser.post(f"{PAGE}/access/revoke", {"who": "outsider@example.com"}, headers=HTMX)
    assert json.loads(taken.headers["HX-Trigger"])["toast"]["undo"]["values"]["level"] == "CAN_VIEW"
    assert sign_in("outsider").get(PAGE).status_code == 404
    creator = browser.post(f"{PAGE}/access/revoke", {"who": "owner@example.com"}, headers=HTMX)
    assert "cannot be taken away" in creator.headers["HX-Trigger"]
    actions = AuditEvent.objects.filter(action="changeServingEndpointAcl", decision="ALLOW")
    assert actions.count() == 3
    assert "reader@example.com" in browser.get(f"{PAGE}/access/principals?q=read").content.decode()
    assert sign_in("reader").get(f"{PAGE}/access/principals?q=read").status_code == 403


def test_settings_are_changed_in_dialogs(sign_in, people, rides):
    browser = sign_in("owner")
    browser.post(f"{PAGE}/description", {"description": "<b>x</b> **bold**"}, headers=HTMX)
    browser.post(f"{PAGE}/tag", {"key": "team", "value": "<i>ops</i>"}, headers=HTMX)
    browser.post(f"{PAGE}/limits", {"endpoint": "60", "user": ""}, headers=HTMX)
    browser.post(f"{PAGE}/notifications", {"failure": "ops@example.com"}, headers=HTMX)
    page = browser.get(f"{PAGE}?tab=settings").content.decode()
    for shown in ("<strong>bold</strong>", "&lt;i&gt;ops", "60 a minute for all together", "ops@example.com"):
        assert shown in page
    assert "<b>x</b>" not in page
    removed = browser.post(f"{PAGE}/untag", {"key": "team"}, headers=HTMX)
    assert json.loads(removed.headers["HX-Trigger"])["toast"]["undo"]["values"] == {
        "key": "team",
        "value": "<i>ops</i>",
    }
    for address in ("description", "tag", "limits", "notifications"):
        assert sign_in("reader").get(f"{PAGE}/{address}").status_code == 403


def test_the_page_asks_again_while_it_moves_and_is_shown_anew_when_it_is_another(sign_in, people, rides):
    browser = sign_in("owner")
    update_config(actor=people.owner, name=NAME, config={"served_entities": [served(3, name="three")]})
    page = browser.get(PAGE).content.decode()
    mark = page.partition("mark=")[2].partition('"')[0]
    same = browser.get(f"{PAGE}/live?wait=2&mark={mark}", headers=HTMX)
    assert same.status_code == 200
    deploy(NAME)
    other = browser.get(f"{PAGE}/live?wait=2&mark={mark}", headers=HTMX)
    assert other.status_code == 204
    assert json.loads(other.headers["HX-Location"])["path"] == PAGE
    assert "hx-get" not in browser.get(PAGE).content.decode().partition('id="endpoint-live"')[2].partition(">")[0]


def test_events_of_an_endpoint_are_text(sign_in, rides):
    EndpointEvent.objects.create(endpoint=rides, at=rides.created_at, kind="ODD", message="<script>alert(1)</script>")
    page = sign_in("owner").get(f"{PAGE}?tab=events").content.decode()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


def test_the_palette_finds_endpoints(sign_in, rides):
    assert PAGE in sign_in("reader").get("/search?q=rid").content.decode()
    assert PAGE not in sign_in("outsider").get("/search?q=rid").content.decode()


def test_a_version_leads_to_its_endpoint_and_can_be_served(sign_in, rides):
    address = reverse("version", args=["prod", "ml", "iris", 1])
    page = sign_in("owner").get(address).content.decode()
    assert "Can I deploy this?" in page
    assert "/serving/create/endpoint?model=prod.ml.iris&amp;version=1" in page
    assert PAGE in sign_in("owner").get(f"{address}?tab=uses").content.decode()
    form = sign_in("owner").get("/serving/create/endpoint?model=prod.ml.iris&version=1").content.decode()
    assert 'value="prod.ml.iris"' in form
    of_model = reverse("model", args=["prod", "ml", "iris"])
    assert "Serve this model" in sign_in("owner").get(of_model).content.decode()


def test_an_earlier_configuration_comes_back_by_rest_and_shows_here(sign_in, people, rides):
    update_config(actor=people.owner, name=NAME, config={"served_entities": [served(3, name="three")]})
    deploy(NAME)
    roll_back(actor=people.owner, name=NAME)
    assert "roll back to configuration 1" in sign_in("owner").get(PAGE).content.decode()
