"""Two at once: secrets that go while they are used, limits, and rules that two change."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from registry.errors import Conflict, LimitExceeded, Unauthenticated
from registry.models import ApiToken, TagRole
from registry.services.access_tokens import issue_access_token
from registry.services.actors import RequestContext
from registry.services.service_principal_secrets import MAX_SECRETS, create_secret, delete_secret
from registry.services.tag_policies import create_policy, replace_roles

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(calls: list[Callable[[], object]]) -> list[object]:
    """What each call answers or raises, all of them started together, each on a connection of its own."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        try:
            start.wait()
            return call()
        except Exception as error:  # noqa: BLE001  (the test looks at what it was)
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_no_token_outlives_a_secret_that_goes_meanwhile(people, robot):
    admin, secret = people.metastore_admin, robot.secret

    def sign_in():
        return issue_access_token(client_id=robot.client_id, client_secret=secret.value, context=RequestContext())

    def delete():
        return delete_secret(actor=admin, principal_id=robot.principal.pk, secret_id=str(secret.secret.pk))

    *given, deleted = at_once([*[sign_in] * 7, delete])
    assert deleted is None
    assert all(hasattr(one, "value") or isinstance(one, Unauthenticated) for one in given), given
    assert not ApiToken.objects.filter(principal=robot.principal).exists()


def test_many_at_once_make_no_more_secrets_than_there_may_be(people, robot):
    admin = people.metastore_admin
    answers = at_once([lambda: create_secret(actor=admin, principal_id=robot.principal.pk)] * (MAX_SECRETS + 2))
    refused = [one for one in answers if isinstance(one, LimitExceeded)]
    assert (len(refused), robot.principal.secrets.count()) == (3, MAX_SECRETS)


def test_of_two_who_change_the_same_rules_one_wins(people):
    admin = people.metastore_admin
    policy = create_policy(actor=admin, key="stage")

    def change(name: str):
        names = {TagRole.ASSIGNER: [name]}
        return replace_roles(actor=admin, policy_id=str(policy.pk), revision="1", names=names)

    answers = at_once([lambda: change("reader@example.com"), lambda: change("owner@example.com")])
    assert sum(isinstance(one, Conflict) for one in answers) == 1
    assert policy.roles.filter(role=TagRole.ASSIGNER).count() == 1
