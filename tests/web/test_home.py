"""Home: what changed since yesterday that one may see, one's own models, and what goes on."""

from datetime import timedelta

import pytest
from django.utils import timezone

from registry.models import Membership, Operation, OperationState, Principal, PrincipalKind
from registry.privileges import Privilege, SecurableType
from registry.services.actors import load_actor
from registry.services.aliases import set_alias
from registry.services.grants import Change, update_grants
from registry.services.home_feed import list_news, yesterday
from tests.web.factories import make_model, make_version

pytestmark = pytest.mark.django_db


@pytest.fixture
def delay(people, flights):
    """A model of the administrator with two versions, of which the second is Champion."""
    model = make_model(people.metastore_admin, "prod.flights.delay", versions=2)
    set_alias(actor=people.metastore_admin, name="prod.flights.delay", alias="Champion", version=1)
    set_alias(actor=people.metastore_admin, name="prod.flights.delay", alias="Champion", version=2)
    return model


def grant(people, type_, name, to, *privileges):
    update_grants(actor=people.metastore_admin, type_=type_, full_name=name, changes=[Change(to, add=privileges)])


def kinds(actor):
    return [news.kind for news in list_news(actor=load_actor(actor.principal), since=yesterday())]


def test_news_are_what_one_may_see(people, delay):
    assert sorted(kinds(people.metastore_admin)) == ["alias", "alias", "version", "version"]
    assert kinds(people.reader) == []
    grant(people, SecurableType.REGISTERED_MODEL, "prod.flights.delay", people.reader.name, Privilege.BROWSE)
    assert sorted(kinds(people.reader)) == ["alias", "alias", "grant", "version", "version"]
    assert kinds(people.outsider) == []


def test_old_news_are_none(people, delay):
    in_two_days = yesterday(timezone.now() + timedelta(days=2))
    assert list_news(actor=people.metastore_admin, since=in_two_days) == []


def test_grants_through_a_group_and_failures_are_told_on_the_page(sign_in, people, delay):
    group = Principal.objects.create(name="analysts", key="analysts", kind=PrincipalKind.GROUP)
    Membership.objects.create(group=group, member=people.reader.principal)
    grant(people, SecurableType.CATALOG, "prod", "analysts", Privilege.USE_CATALOG)
    grant(people, SecurableType.REGISTERED_MODEL, "prod.flights.delay", people.reader.name, Privilege.BROWSE)
    now = timezone.now()
    common = {"kind": "sweep_artifacts", "actor": people.reader.principal, "created_at": now}
    Operation.objects.create(state=OperationState.FAILED, finished_at=now, error="<b>full</b>", **common)
    Operation.objects.create(state=OperationState.RUNNING, progress=30, step="Copying", **common)
    page = sign_in("reader").get("/").content.decode()
    assert "analysts, which you are in, was" in page
    assert "You were" in page
    assert "moved from version 1 to" in page
    assert "&lt;b&gt;full" in page
    assert "Going on" in page
    assert "Copying" in page
    assert "My models" not in page


def test_ones_own_models_come_first_directly_or_by_a_group(sign_in, people, delay):
    page = sign_in("metastore_admin").get("/").content.decode()
    assert "My models" in page
    assert "Changed last" not in page
    make_model(people.metastore_admin, "prod.flights.other")
    delay.securable.owner = people.reader.principal
    delay.securable.save()
    page = sign_in("metastore_admin").get("/").content.decode()
    assert "My models" in page
    assert "Changed last" in page


def test_home_costs_the_same_with_much_news(sign_in, people, delay, django_assert_max_num_queries):
    browser = sign_in("metastore_admin")

    def queries():
        with django_assert_max_num_queries(30) as captured:
            browser.get("/")
        return len(captured)

    few = queries()
    for number in range(8):
        model = make_model(people.metastore_admin, f"prod.flights.m{number}")
        make_version(people.metastore_admin, model)
        set_alias(actor=people.metastore_admin, name=f"prod.flights.m{number}", alias="Champion", version=1)
    assert queries() == few


def test_news_are_bounded(people, delay):
    for _ in range(15):
        make_version(people.metastore_admin, delay)
    assert len(list_news(actor=people.metastore_admin, since=yesterday(), most=5)) == 5
