"""Who may see, query and manage an endpoint: decided by levels, in SQL, with a row for every denial."""

import pytest
from django.utils import timezone

from registry.errors import AccessDenied, NotFound
from registry.models import ACCOUNT_USERS, AuditEvent, Principal
from serving.models import EndpointLevel, EndpointPermission, ServingEndpoint
from serving.services.endpoint_access import level_on, require_endpoint, require_endpoint_by_id, visible_endpoints

pytestmark = pytest.mark.django_db
VIEW, QUERY, MANAGE = EndpointLevel.CAN_VIEW, EndpointLevel.CAN_QUERY, EndpointLevel.CAN_MANAGE


@pytest.fixture
def endpoint(people) -> ServingEndpoint:
    now = timezone.now()
    creator = people.owner.principal
    made = ServingEndpoint.objects.create(name="fraud", creator=creator, created_at=now, updated_at=now)
    EndpointPermission.objects.create(endpoint=made, principal=creator, level=MANAGE)
    return made


def _give(endpoint, key: str, level: EndpointLevel) -> None:
    EndpointPermission.objects.create(endpoint=endpoint, principal=Principal.objects.get(key=key), level=level)


DECISIONS = [
    # held directly, by the group, by everybody → the highest level that passes, None: hidden
    (None, None, None, None),
    (VIEW, None, None, VIEW),
    (QUERY, None, None, QUERY),
    (MANAGE, None, None, MANAGE),
    (None, VIEW, None, VIEW),
    (None, QUERY, None, QUERY),
    (None, MANAGE, None, MANAGE),
    (VIEW, QUERY, None, QUERY),
    (QUERY, VIEW, None, QUERY),
    (None, None, VIEW, VIEW),
    (None, None, QUERY, QUERY),
    (VIEW, MANAGE, QUERY, MANAGE),
]


@pytest.mark.parametrize(("direct", "group", "everybody", "held"), DECISIONS)
def test_levels(people, endpoint, direct, group, everybody, held):
    for key, level in (("steward@example.com", direct), ("stewards", group), (ACCOUNT_USERS, everybody)):
        if level is not None:
            _give(endpoint, key, level)
    order = [VIEW, QUERY, MANAGE]
    for level in order:
        if held is not None and order.index(level) <= order.index(held):
            assert require_endpoint(actor=people.steward, name="fraud", level=level) == endpoint
            continue
        expected = AccessDenied if held is not None else NotFound
        with pytest.raises(expected) as refused:
            require_endpoint(actor=people.steward, name="fraud", level=level)
        if held is not None:
            assert str(level) in refused.value.message
            assert "owner@example.com" in refused.value.message
    seen = list(visible_endpoints(people.steward))
    assert [level_on(row) for row in seen] == ([held] if held else [])


def test_creator_and_metastore_admin_manage(people, endpoint):
    for actor in (people.owner, people.metastore_admin):
        found = require_endpoint_by_id(actor=actor, endpoint_id=endpoint.pk.hex, level=MANAGE, lock=True)
        assert level_on(found) == MANAGE
        assert list(visible_endpoints(actor)) == [endpoint]


def test_hidden_reads_like_missing_and_only_hidden_is_a_denial(people, endpoint):
    with pytest.raises(NotFound) as hidden:
        require_endpoint(actor=people.outsider, name="fraud", level=QUERY)
    assert AuditEvent.objects.filter(decision="DENY", securable_name="fraud").count() == 1
    with pytest.raises(NotFound) as missing:
        require_endpoint(actor=people.outsider, name="absent", level=QUERY)
    assert hidden.value.message.replace("fraud", "absent") == missing.value.message
    assert not AuditEvent.objects.filter(securable_name="absent").exists()


def test_a_denial_tells_the_trail_what_was_tried(people, endpoint):
    _give(endpoint, "reader@example.com", VIEW)
    with pytest.raises(AccessDenied):
        require_endpoint(actor=people.reader, name="fraud", level=QUERY)
    event = AuditEvent.objects.latest("id")
    assert (event.decision, event.action, event.actor) == ("DENY", "queryServingEndpoint", "reader@example.com")
    assert (event.service_name, event.securable_type) == ("serverlessRealTimeInference", "SERVING_ENDPOINT")
    assert (event.securable_id, event.securable_name) == (endpoint.pk.hex, "fraud")


def test_one_question_to_the_database(people, endpoint, django_assert_num_queries):
    reader = people.reader
    _give(endpoint, "reader@example.com", QUERY)
    with django_assert_num_queries(1):
        require_endpoint(actor=reader, name="fraud", level=QUERY)


def test_what_is_no_id_is_no_endpoint(people):
    with pytest.raises(NotFound, match="'nonsense'"):
        require_endpoint_by_id(actor=people.metastore_admin, endpoint_id="nonsense", level=VIEW)
