"""One small tree of securables for a whole module, rolled back at its end."""

import io
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import transaction
from django.test import override_settings

from registry.models import ADMINS, Grant, ModelVersion, Principal, Securable, VersionStatus
from registry.privileges import Privilege, SecurableType
from registry.services import aliases, catalogs, model_versions, registered_models, schemas, tables
from registry.services.actors import load_actor
from registry.services.artifacts import place_file
from registry.services.model_versions import NewVersion
from registry.services.tables import NewTable
from registry.services.tokens import create_token
from registry.storage.blobs import blob_store
from tests.access.cells import Names, World
from tests.conftest import make_group, make_user

WITNESS = "witness@example.com"
"""Holds BROWSE wherever it can be held; who reads its name in an answer was shown other people's grants."""


@contextmanager
def undone() -> Iterator[None]:
    """What happens inside is rolled back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    with (
        django_db_blocker.unblock(),
        override_settings(
            ARTIFACT_ROOT=str(folder / "artifacts"), TRACKING_ROOT=str(folder / "tracking"), STATIC_ROOT=str(folder)
        ),
        undone(),
    ):
        yield build_world()


def build_world() -> World:
    admin = make_user("root@example.com", Principal.objects.get(key=ADMINS))
    keeper, subject, witness = make_user("keeper@example.com"), make_user("subject@example.com"), make_user(WITNESS)
    inner = make_group("inner team")
    outer = make_group("outer team", inner)
    ready, pending = _make_tree(admin)
    objects = _objects()
    tree = [one.pk for kind, one in objects.items() if kind != SecurableType.METASTORE]
    Securable.objects.filter(pk__in=tree).update(owner=keeper)
    Grant.objects.bulk_create(
        Grant(
            securable=securable,
            principal=witness,
            privilege=Privilege.CREATE_CATALOG if kind == SecurableType.METASTORE else Privilege.BROWSE,
        )
        for kind, securable in objects.items()
    )
    ModelVersion.objects.filter(pk=ready.pk).update(status=VersionStatus.READY)
    token = create_token(actor=load_actor(subject)).value
    return World(objects, subject, token, admin, outer, inner, pending)


def _make_tree(admin: Principal) -> tuple[ModelVersion, ModelVersion]:
    actor, names = load_actor(admin), Names()
    catalogs.create_catalog(actor=actor, name=names.catalog)
    schemas.create_schema(actor=actor, catalog=names.catalog, name=names.schema)
    registered_models.create_model(actor=actor, name=names.model_full, tags={"task": "ranking"})
    tables.create_table(actor=actor, catalog=names.catalog, schema=names.schema, name=names.table, new=NewTable())
    ready = model_versions.begin_version(actor=actor, name=names.model_full, new=NewVersion())
    received = blob_store().receive(io.BytesIO(b"flavors: {}"), limit=100)
    with transaction.atomic():
        place_file(version_id=ready.pk, path="MLmodel", received=received)
    received.discard()
    pending = model_versions.begin_version(actor=actor, name=names.model_full, new=NewVersion())
    aliases.set_alias(actor=actor, name=names.model_full, alias="champion", version=1)
    return ready, pending


def _objects() -> dict[SecurableType, Securable]:
    names = Names()
    keys = {
        SecurableType.METASTORE: "metastore",
        SecurableType.CATALOG: names.catalog,
        SecurableType.SCHEMA: names.schema,
    }
    keys |= {SecurableType.REGISTERED_MODEL: names.model, SecurableType.TABLE: names.table}
    return {kind: Securable.objects.get(type=kind, key=key) for kind, key in keys.items()}
