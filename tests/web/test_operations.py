"""Operations on the screens: lists scoped and filtered, one as it goes on, canceled and asked for again, the bell."""

import pytest
from django.utils import timezone

from registry.models import Operation, OperationState
from registry.services.operations import submit_operation
from tests.web.factories import make_model

pytestmark = pytest.mark.django_db


def ask(actor, subject="prod.flights.delay version 3", kind="sweep_artifacts", **fields):
    """An operation as its worker would have left it."""
    operation = Operation.objects.create(
        kind=kind,
        params={"dry_run": True},
        actor=actor.principal,
        subject=subject,
        created_at=timezone.now(),
        **fields,
    )
    if operation.state not in {OperationState.PENDING, OperationState.RUNNING}:
        operation.finished_at = timezone.now()
        operation.save()
    return operation


def test_the_list_holds_ones_own_and_what_one_administers(sign_in, people, flights):
    model = make_model(people.metastore_admin, "prod.flights.delay")
    ask(people.reader, "the reader's own")
    ask(people.metastore_admin, "on a model", securable=model.securable)
    assert b"the reader" in sign_in("reader").get("/operations").content
    assert b"on a model" not in sign_in("reader").get("/operations?whose=all").content
    owner_sees = sign_in("metastore_admin").get("/operations?whose=all").content
    assert b"on a model" in owner_sees
    assert b"the reader&#x27;s own" in owner_sees
    assert b"Nothing was asked for yet" in sign_in("outsider").get("/operations").content


def test_the_list_is_filtered_by_state_and_kind(sign_in, people):
    ask(people.reader, "broken one", state=OperationState.FAILED, error="The disk is full.")
    ask(people.reader, "going one", state=OperationState.RUNNING)
    browser = sign_in("reader")
    failed = browser.get("/operations?state=failed").content
    assert b"broken one" in failed
    assert b"The disk is full." in failed
    assert b"going one" not in failed
    assert b"No such operation" in browser.get("/operations?kind=register_model_version").content
    assert browser.get("/operations?state=odd").status_code == 400


def test_rows_are_asked_for_again_only_while_one_goes_on(sign_in, people):
    browser = sign_in("reader")
    going = ask(people.reader, state=OperationState.RUNNING, progress=40, step="Copying model.pkl")
    assert b"load delay:1s" in browser.get("/operations").content
    rows = browser.get("/operations?wait=4", HTTP_HX_REQUEST="true").content
    assert b"load delay:7s" in rows
    assert b"Copying model.pkl" in rows
    assert b"<html" not in rows
    Operation.objects.filter(pk=going.pk).update(state="SUCCEEDED", finished_at=timezone.now())
    assert b"load delay" not in browser.get("/operations?wait=4", HTTP_HX_REQUEST="true").content


def test_a_list_costs_the_same_with_many_rows(sign_in, people, flights, django_assert_num_queries):
    model = make_model(people.metastore_admin, "prod.flights.delay")
    browser = sign_in("metastore_admin")
    ask(people.reader, securable=model.securable)
    with django_assert_num_queries(4):
        browser.get("/operations?whose=all")
    for _ in range(30):
        ask(people.reader, securable=model.securable)
    with django_assert_num_queries(4):
        browser.get("/operations?whose=all")


def test_one_that_goes_on_shows_news_of_its_log_only(sign_in, people):
    operation = ask(people.reader, state=OperationState.RUNNING, progress=10)
    first = operation.log.create(at=timezone.now(), text="first line")
    browser = sign_in("reader")
    page = browser.get(f"/operations/{operation.pk}").content.decode()
    assert "first line" in page
    assert f"after={first.pk}" in page
    assert "dry run" in page.lower()
    second = operation.log.create(at=timezone.now(), text="<script>second</script>")
    news = browser.get(f"/operations/{operation.pk}/live?after={first.pk}", HTTP_HX_REQUEST="true").content.decode()
    assert "first line" not in news
    assert "&lt;script&gt;second" in news
    assert f"after={second.pk}" in news
    Operation.objects.filter(pk=operation.pk).update(state="SUCCEEDED", finished_at=timezone.now())
    over = browser.get(f"/operations/{operation.pk}/live?after={second.pk}", HTTP_HX_REQUEST="true")
    assert over.status_code == 204
    assert str(operation.pk) in over["HX-Location"]


def test_others_do_not_find_it(sign_in, people):
    operation = ask(people.reader, "secret subject")
    for path in ("", "/live", "/progress", "/log", "/cancel"):
        answer = sign_in("outsider").get(f"/operations/{operation.pk}{path}")
        assert answer.status_code == 404
        assert b"secret subject" not in answer.content
    assert sign_in("outsider").post(f"/operations/{operation.pk}/cancel").status_code == 404


def test_it_is_canceled_after_a_question_and_asked_for_again(sign_in, people):
    operation = submit_operation(actor=people.reader, kind="sweep_artifacts", params={}, subject="artifacts")
    browser = sign_in("reader")
    assert b"Stop it" in browser.get(f"/operations/{operation.pk}/cancel").content
    browser.post(f"/operations/{operation.pk}/cancel")
    operation.refresh_from_db()
    assert operation.state == OperationState.CANCELED
    page = browser.get(f"/operations/{operation.pk}").content
    assert b"Try again" in page
    assert b"/cancel" not in page
    browser.post(f"/operations/{operation.pk}/retry")
    again = Operation.objects.get(retry_of=operation)
    page = browser.get(f"/operations/{operation.pk}").content.decode()
    assert str(again.pk) in page
    assert "Try again" not in page
    assert str(operation.pk) in browser.get(f"/operations/{again.pk}").content.decode()


def test_canceling_what_is_over_says_why_not(sign_in, people):
    operation = ask(people.reader, state=OperationState.SUCCEEDED)
    answer = sign_in("reader").post(f"/operations/{operation.pk}/cancel")
    assert answer.status_code == 400
    assert b"cannot be canceled" in answer.content


def test_the_bell_counts_failures_until_they_were_seen(sign_in, people):
    ask(people.reader, "broken one", state=OperationState.FAILED, error="The disk is full.")
    browser = sign_in("reader")
    badge = browser.get("/bell/badge").content
    assert b"1 new failure." in badge
    assert b"load delay" not in badge
    panel = browser.get("/bell").content
    assert b"broken one" in panel
    assert b"New" in panel
    assert b"/bell/seen" in panel
    assert b"new failure" not in browser.post("/bell/seen").content
    assert b"new failure" not in browser.get("/bell/badge").content
    assert b"failure" not in sign_in("outsider").get("/bell/badge").content


def test_the_bell_asks_again_only_while_something_goes_on(sign_in, people, django_assert_num_queries):
    browser = sign_in("reader")
    assert b"Nothing goes on" in browser.get("/bell").content
    ask(people.reader, state=OperationState.RUNNING)
    assert b"load delay:1s" in browser.get("/bell/badge").content
    for _ in range(20):
        ask(people.reader, state=OperationState.RUNNING)
    with django_assert_num_queries(5):
        assert b"21 operations going on" in browser.get("/bell/badge").content
