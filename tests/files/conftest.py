"""A store of its own for every test, a model to fill, and clients that speak the Files API."""

import io
import json
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from django.test import Client

from registry.models import ModelVersion, VersionStatus
from registry.privileges import Privilege, SecurableType
from registry.services import catalogs, grants, model_versions, registered_models, schemas
from registry.services.grants import Change
from registry.services.model_versions import NewVersion
from registry.services.tokens import create_token
from registry.storage.s3.bucket import Bucket
from tests.s3store import running_store

MODEL = "prod.ml.iris"
FILES = "/api/2.0/fs/files/Models/prod/ml/iris"
DIRECTORIES = "/api/2.0/fs/directories/Models/prod/ml/iris"
GRANTS = [
    (SecurableType.CATALOG, "prod", "owner@example.com", (Privilege.USE_CATALOG, Privilege.CREATE_SCHEMA)),
    (SecurableType.CATALOG, "prod", "reader@example.com", (Privilege.USE_CATALOG, Privilege.USE_SCHEMA)),
    (SecurableType.CATALOG, "prod", "steward@example.com", (Privilege.USE_CATALOG, Privilege.USE_SCHEMA)),
]


@pytest.fixture(scope="session")
def object_store():
    """An object store of this process, spoken to over HTTP."""
    with running_store() as store:
        yield store


@pytest.fixture(params=["disk", "s3"])
def kind(request):
    """Every test runs once a kind of store."""
    return request.param


@pytest.fixture(autouse=True)
def stores(settings, tmp_path, kind, request):
    """The folder that both roots lie in; with an object store, it stands for a prefix of the bucket."""
    settings.STATIC_ROOT = str(tmp_path)
    settings.ROOT_URLCONF = "registry.api.files.urls"
    if kind == "disk":
        settings.ARTIFACT_ROOT = str(tmp_path / "artifacts")
        settings.TRACKING_ROOT = str(tmp_path / "tracking")
        return Place(tmp_path)
    store = request.getfixturevalue("object_store")
    store.use(settings)
    prefix = uuid.uuid4().hex
    settings.ARTIFACT_ROOT = f"s3://{store.bucket}/{prefix}/artifacts"
    settings.TRACKING_ROOT = f"s3://{store.bucket}/{prefix}/tracking"
    return Place(tmp_path, Bucket(f"s3://{store.bucket}/{prefix}"))


@dataclass(frozen=True)
class Place:
    """Where a test's files lie: a folder, or a prefix of a bucket."""

    folder: Path
    bucket: Bucket | None = None
    below: str = ""

    def __truediv__(self, name):
        return replace(self, below=f"{self.below}{name}/")


def grant(people, type_, name, principal, *privileges):
    grants.update_grants(
        actor=people.metastore_admin, type_=type_, full_name=name, changes=[Change(principal, privileges)]
    )


@pytest.fixture
def model(people, stores):
    """`prod.ml.iris`, owned by owner; reader may load it, steward may add versions."""
    catalogs.create_catalog(actor=people.metastore_admin, name="prod")
    for type_, name, principal, privileges in GRANTS:
        grant(people, type_, name, principal, *privileges)
    schemas.create_schema(actor=people.owner, catalog="prod", name="ml")
    made = registered_models.create_model(actor=people.owner, name=MODEL)
    grant(people, SecurableType.REGISTERED_MODEL, MODEL, "reader@example.com", Privilege.EXECUTE)
    grant(people, SecurableType.REGISTERED_MODEL, MODEL, "steward@example.com", Privilege.CREATE_MODEL_VERSION)
    return made


@pytest.fixture
def version(people, model):
    return begin(people.owner)


def begin(actor):
    return model_versions.begin_version(actor=actor, name=MODEL, new=NewVersion())


def make_ready(version):
    """READY without the checks of finalize, which are tested elsewhere."""
    ModelVersion.objects.filter(pk=version.pk).update(status=VersionStatus.READY)
    version.refresh_from_db()


class FilesClient:
    """One person's client."""

    def __init__(self, actor):
        self.token = create_token(actor=actor).value

    def send(self, method, path, body=b"", **extra):
        extra.setdefault("HTTP_AUTHORIZATION", f"Bearer {self.token}")
        return anonymous(method, path, body, **extra)

    def put(self, path, body=b"", **extra):
        query = "" if "?" in path else "?overwrite=true"
        return self.send("PUT", f"{FILES}/{path}{query}", body, **extra)

    def get(self, path, **extra):
        return self.send("GET", f"{FILES}/{path}", **extra)

    def post(self, path, body=None, **extra):
        return self.send("POST", path, b"" if body is None else json.dumps(body).encode(), **extra)

    def link(self, kind, path):
        response = self.post(f"/api/2.0/fs/create-{kind}-url", {"path": path})
        assert response.status_code == 200, response.content
        return response.json()["url"].removeprefix("http://testserver")


def anonymous(method, path, body=b"", **extra):
    """A request with just these headers, e.g. on a signed link."""
    client = Client(raise_request_exception=False)
    return client.generic(method, path, body, content_type="application/octet-stream", **extra)


def broken_off(body, announced):
    """What a server hands over when the client goes away in the middle of a body."""
    return {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(announced)}


@pytest.fixture
def owner(people, model):
    return FilesClient(people.owner)


@pytest.fixture
def reader(people, model):
    return FilesClient(people.reader)


@pytest.fixture
def steward(people, model):
    return FilesClient(people.steward)


@pytest.fixture
def outsider(people, model):
    return FilesClient(people.outsider)


def left_behind(place):
    """Every file, by path; in an object store the uploads in parts that did not end as well."""
    if not isinstance(place, Place):
        place = Place(Path(place))
    if place.bucket is None:
        root = place.folder / place.below
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    names = [found.name for found in place.bucket.objects(place.below)]
    names += [found.name for found in place.bucket.open_uploads(place.below)]
    return sorted(name.removeprefix(place.below) for name in names)


def write_below(place, path, content):
    """A file, as another process would write it."""
    if place.bucket is None:
        file = place.folder / place.below / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    else:
        place.bucket.put(f"{place.below}{path}", content)


def remove_below(place, path):
    """What another process would remove."""
    if place.bucket is None:
        (place.folder / place.below / path).unlink()
    else:
        place.bucket.delete(f"{place.below}{path}")
