"""A pending and a ready version, credentials for them, and a client that signs as stock ones do."""

import hashlib
from dataclasses import dataclass
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from django.test import Client

from registry.models import ModelVersion, VersionStatus
from registry.privileges import Privilege, SecurableType
from registry.services import catalogs, grants, model_versions, registered_models, schemas
from registry.services.grants import Change
from registry.services.model_versions import NewVersion
from registry.services.temporary_credentials import Operation, create_temporary_credentials
from registry.services.tokens import authenticate_token, create_token

MODEL = "prod.ml.iris"
HOST = "http://testserver"


@pytest.fixture(autouse=True)
def stores(settings, tmp_path):
    settings.ARTIFACT_ROOT = str(tmp_path / "artifacts")
    settings.TRACKING_ROOT = str(tmp_path / "tracking")
    settings.ROOT_URLCONF = "registry.api.s3.urls"
    settings.STATIC_ROOT = str(tmp_path)
    return tmp_path


def grant(people, type_, name, principal, *add, remove=()):
    grants.update_grants(
        actor=people.metastore_admin, type_=type_, full_name=name, changes=[Change(principal, add, tuple(remove))]
    )


@pytest.fixture
def model(people, stores):
    """`prod.ml.iris`, owned by owner; reader may load it."""
    catalogs.create_catalog(actor=people.metastore_admin, name="prod")
    grant(people, SecurableType.CATALOG, "prod", "owner@example.com", Privilege.USE_CATALOG, Privilege.CREATE_SCHEMA)
    grant(people, SecurableType.CATALOG, "prod", "reader@example.com", Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
    schemas.create_schema(actor=people.owner, catalog="prod", name="ml")
    made = registered_models.create_model(actor=people.owner, name=MODEL)
    grant(people, SecurableType.REGISTERED_MODEL, MODEL, "reader@example.com", Privilege.EXECUTE)
    return made


@pytest.fixture
def pending(people, model):
    return model_versions.begin_version(actor=people.owner, name=MODEL, new=NewVersion())


@pytest.fixture
def writer(people, pending):
    return S3(people, "owner", pending, Operation.READ_WRITE)


@pytest.fixture
def ready(writer, pending):
    """The version with two files, READY without the checks of finalize, which are tested elsewhere."""
    assert writer.put("MLmodel", b"0123456789").status_code == 200
    assert writer.put("data/model.pkl", b"pickled").status_code == 200
    ModelVersion.objects.filter(pk=pending.pk).update(status=VersionStatus.READY)
    pending.refresh_from_db()
    return pending


@pytest.fixture
def reader(people, ready):
    return S3(people, "reader", ready, Operation.READ)


@dataclass(frozen=True)
class Signed:
    """A signed request that has not been sent."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes

    def send(self, *, method=None, url=None, body=None, headers=None, drop=()):
        """Send it, perhaps with something changed after it was signed."""
        sent = {name: value for name, value in {**self.headers, **(headers or {})}.items() if name not in drop}
        content_type = sent.pop("Content-Type", "")
        path = (url or self.url).removeprefix(HOST)
        return Client(raise_request_exception=False).generic(
            method or self.method, path, self.body if body is None else body, content_type=content_type, headers=sent
        )


class Chosen(S3SigV4Auth):
    """Stock signing, at a time and over a payload hash that the test chooses."""

    def __init__(self, credentials, *, payload=None, region="us-east-1"):
        super().__init__(credentials, "s3", region)
        self._payload = payload

    def payload(self, request):
        return self._payload or hashlib.sha256(request.body or b"").hexdigest()

    def _should_sha256_sign_payload(self, request):
        return True


class S3:
    """One holder of temporary credentials to one version."""

    def __init__(self, people, name, version, operation):
        self.token = create_token(actor=getattr(people, name))
        actor = authenticate_token(self.token.value, context=getattr(people, name).context)
        made = create_temporary_credentials(actor=actor, name=MODEL, version=version.version, operation=operation)
        self.given = made
        self.credentials = Credentials(made.access_key_id, made.secret_access_key, made.session_token)
        self.root = f"{version.model.securable_id}/{version.version}/"
        self.people = people

    def url(self, path, query=""):
        return f"{HOST}/s3/modelkeep/{quote(self.root + path)}" + (f"?{query}" if query else "")

    def sign(self, method, url, body=b"", *, headers=None, payload=None, auth=None):
        request = AWSRequest(method=method, url=url, data=body, headers={"Host": "testserver", **(headers or {})})
        (auth or Chosen(self.credentials, payload=payload)).add_auth(request)
        return Signed(method, request.url, dict(request.headers.items()), body)

    def presign(self, method, url, *, expires=300):
        request = AWSRequest(method=method, url=url, headers={"Host": "testserver"})
        S3SigV4QueryAuth(self.credentials, "s3", "us-east-1", expires=expires).add_auth(request)
        return Signed(method, request.url, {"Host": "testserver"}, b"")

    def put(self, path, body=b"", **extra):
        return self.sign("PUT", self.url(path), body, **extra).send()

    def get(self, path, **extra):
        return self.sign("GET", self.url(path), **extra).send()

    def head(self, path, **extra):
        return self.sign("HEAD", self.url(path), **extra).send()

    def delete(self, path):
        return self.sign("DELETE", self.url(path)).send()

    def bucket(self, query="", method="GET", body=b"", **extra):
        return self.sign(method, f"{HOST}/s3/modelkeep?{query}", body, **extra).send()


def code_of(response):
    """The code of an XML error."""
    return response.content.decode().partition("<Code>")[2].partition("</Code>")[0]


def refused(response, status, code):
    assert (response.status_code, code_of(response)) == (status, code), response.content
    assert response["Content-Type"] == "application/xml"


def content_of(response):
    return b"".join(response.streaming_content) if response.streaming else response.content


def files_of(version):
    return dict(version.files.values_list("path", "blob__size"))
