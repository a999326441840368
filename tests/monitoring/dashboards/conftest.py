"""A monitored table with three weeks of answers, of which the last week is unlike the others."""

import pytest

from registry.privileges import Privilege, SecurableType
from registry.services.catalogs import create_catalog
from registry.services.grants import Change, update_grants
from registry.services.schemas import create_schema
from tests.screens.monitored import add_monitor


@pytest.fixture
def watched(people, settings, tmp_path):
    """prod.flights, in which the owner may make tables; the owner's monitor there has been refreshed once."""
    settings.TABLE_ROOT = str(tmp_path / "tables")
    settings.DATA_DIR = tmp_path
    # The heartbeat, on a connection of its own, does not see the rows of this transaction.
    settings.OPERATION_LEASE_SECONDS = settings.OPERATION_HEARTBEAT_SECONDS = 3600
    create_catalog(actor=people.metastore_admin, name="prod")
    create_schema(actor=people.metastore_admin, catalog="prod", name="flights")
    privileges = (Privilege.USE_CATALOG, Privilege.USE_SCHEMA, Privilege.CREATE_TABLE)
    changes = [Change("owner@example.com", privileges)]
    update_grants(actor=people.metastore_admin, type_=SecurableType.CATALOG, full_name="prod", changes=changes)
    add_monitor(people.owner)
    return people
