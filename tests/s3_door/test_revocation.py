"""What credentials rest on may end at any time: the next request is refused."""

import pytest

from registry.errors import ModelkeepError
from registry.models import AuditEvent, Principal
from registry.privileges import Privilege, SecurableType
from registry.services import principals, s3_door, tokens
from registry.services.temporary_credentials import Operation, create_temporary_credentials, read_lease
from tests.s3_door.conftest import MODEL, S3, content_of, files_of, grant, refused

pytestmark = pytest.mark.django_db


def everything(s3):
    """One request of each kind, the way that it stands."""
    return [
        s3.get("MLmodel"),
        s3.head("MLmodel"),
        s3.bucket(f"list-type=2&prefix={s3.root.replace('/', '%2F')}"),
        s3.presign("GET", s3.url("MLmodel")).send(),
    ]


def test_a_revoked_token(reader, people):
    assert {one.status_code for one in everything(reader)} == {200}
    tokens.revoke_token(actor=people.reader, token_id=str(reader.token.token.pk))
    assert {one.status_code for one in everything(reader)} == {403}
    refused(reader.bucket(method="GET"), 403, "AccessDenied")


def test_a_disabled_user(reader, people):
    Principal.objects.filter(key="reader@example.com").update(is_active=False)
    assert {one.status_code for one in everything(reader)} == {403}


def test_a_deleted_user(reader, people):
    principals.delete_principal(actor=people.metastore_admin, principal_id=people.reader.principal.pk)
    assert {one.status_code for one in everything(reader)} == {403}


def test_a_right_that_was_taken(reader, people):
    presigned = reader.presign("GET", reader.url("MLmodel"))
    assert content_of(presigned.send()) == b"0123456789"
    grant(people, SecurableType.REGISTERED_MODEL, MODEL, "reader@example.com", remove=[Privilege.EXECUTE])
    assert {one.status_code for one in everything(reader)} <= {403, 404}
    assert presigned.send().status_code in {403, 404}
    assert AuditEvent.objects.filter(actor="reader@example.com", decision="DENY").exists()


def test_a_right_above_that_was_taken(reader, people):
    grant(people, SecurableType.CATALOG, "prod", "reader@example.com", remove=[Privilege.USE_CATALOG])
    assert {one.status_code for one in everything(reader)} <= {403, 404}


def test_an_uploader_that_lost_its_right(writer, pending, people):
    grant(people, SecurableType.CATALOG, "prod", "owner@example.com", remove=[Privilege.USE_CATALOG])
    assert writer.put("f", b"x").status_code in {403, 404}
    assert files_of(pending) == {}


def test_nobody_gets_credentials_without_the_right(people, ready):
    for name in ("outsider", "steward"):
        with pytest.raises(ModelkeepError, match="does not exist"):
            S3(people, name, ready, Operation.READ)
    with pytest.raises(ModelkeepError, match=r"CREATE_MODEL_VERSION|READY"):
        S3(people, "reader", ready, Operation.READ_WRITE)


def test_giving_credentials_is_on_the_audit_trail(people, ready):
    create_temporary_credentials(actor=people.reader, name=MODEL, version=1, operation=Operation.READ)
    row = AuditEvent.objects.filter(actor="reader@example.com").latest("id")
    assert row.params["operation"] == "READ"


def test_somebody_elses_upload_is_left_alone(people, pending):
    """Two may create versions; each fills its own."""
    grant(people, SecurableType.CATALOG, "prod", "steward@example.com", Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
    grant(people, SecurableType.REGISTERED_MODEL, MODEL, "steward@example.com", Privilege.CREATE_MODEL_VERSION)
    steward = S3(people, "steward", pending, Operation.READ_WRITE)
    refused(steward.put("f", b"x"), 403, "AccessDenied")
    assert files_of(pending) == {}


def test_credentials_say_nothing_and_the_secret_is_stored_nowhere(people, ready):
    made = create_temporary_credentials(actor=people.reader, name=MODEL, version=1, operation=Operation.READ)
    assert str(ready.pk) not in made.session_token
    assert read_lease(made.session_token).version == ready.pk
    assert made.secret_access_key not in made.session_token
    again = create_temporary_credentials(actor=people.reader, name=MODEL, version=1, operation=Operation.READ)
    assert again.secret_access_key != made.secret_access_key


def test_credentials_end_with_the_token_that_asked(people, ready):
    made = tokens.create_token(actor=people.reader, lifetime_seconds=120)
    actor = tokens.authenticate_token(made.value, context=people.reader.context)
    given = create_temporary_credentials(actor=actor, name=MODEL, version=1, operation=Operation.READ)
    assert given.expires_at <= made.token.expires_at


def test_a_right_lost_while_bytes_arrive(writer, pending, people):
    """The end of a long upload asks again."""

    class Slow:
        def __init__(self):
            self.left = [b"ab", b"cd"]

        def read(self, size):
            if len(self.left) == 1:
                grant(people, SecurableType.CATALOG, "prod", "owner@example.com", remove=[Privilege.USE_CATALOG])
            return self.left.pop(0) if self.left else b""

    lease = read_lease(writer.given.session_token)
    with pytest.raises(ModelkeepError, match=r"USE_CATALOG|does not exist"):
        s3_door.write_object(actor=people.owner, lease=lease, key=f"{writer.root}f", source=Slow(), expected=4)
    assert files_of(pending) == {}
