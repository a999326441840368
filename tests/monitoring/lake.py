"""A small governed lake with tables of a few rows, and an engine that is run by hand."""

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake
from django.test import Client

from monitoring.models import Monitor, MonitorRefresh
from monitoring.services.monitor_settings import MonitorSettings
from monitoring.services.monitors import create_monitor
from registry.models import Grant, Operation, Securable
from registry.privileges import Privilege, SecurableType
from registry.services.catalogs import create_catalog
from registry.services.operation_runner import run_operation
from registry.services.schemas import create_schema
from registry.services.securables import find_securable
from registry.services.table_data import adopt_table, folder_of, staging_folder
from registry.services.tokens import create_token
from registry.sql.rendering import columns_of

NOW = datetime(2030, 3, 15, 12, tzinfo=UTC)
FLIGHTS = "prod.ml.flights"
PROFILES = f"{FLIGHTS}_profile_metrics"
DRIFT = f"{FLIGHTS}_drift_metrics"
SNAPSHOT = MonitorSettings(kind="SNAPSHOT", output_schema_name="prod.ml")
SERIES = MonitorSettings(
    kind="TIME_SERIES", output_schema_name="prod.ml", timestamp_column="at", granularities=("1 day",)
)


def flights(days: int = 2, rows: int = 12, *, until: datetime | None = None) -> pa.Table:
    """Rows of the last days: when, who, how late."""
    last = until or datetime.now(UTC)
    moments = [last - timedelta(days=day, minutes=row) for day in range(days) for row in range(rows)]
    return pa.table(
        {
            "at": pa.array(moments, pa.timestamp("us", tz="UTC")),
            "carrier": [("AA", "UA", "DL")[n % 3] for n in range(len(moments))],
            "delay": [float(n % 7) for n in range(len(moments))],
        }
    )


@dataclass
class Lake:
    """People, a schema, and what tests do in it."""

    people: Any
    client: Client = field(default_factory=Client)
    tokens: dict[str, str] = field(default_factory=dict)

    def table(self, name: str = "flights", rows: pa.Table | None = None, *, who: str = "owner") -> Securable:
        """A governed table of that person with some rows."""
        rows = flights() if rows is None else rows
        staging = staging_folder(uuid.uuid4())
        staging.parent.mkdir(parents=True, exist_ok=True)
        write_deltalake(str(staging), rows)
        made = adopt_table(
            actor=getattr(self.people, who),
            catalog="prod",
            schema="ml",
            name=name,
            staging=staging,
            columns=columns_of(rows.schema),
        )
        return made.securable

    def append(self, name: str, rows: pa.Table) -> None:
        """More rows, in a commit of their own."""
        table = find_securable(SecurableType.TABLE, f"prod.ml.{name}")
        write_deltalake(str(folder_of(table.pk)), rows, mode="append")

    def grant(self, full_name: str, who: str, *privileges: Privilege) -> None:
        """Some privileges on a catalog, schema or table."""
        levels = (SecurableType.CATALOG, SecurableType.SCHEMA, SecurableType.TABLE)
        securable = find_securable(levels[full_name.count(".")], full_name)
        for privilege in privileges:
            Grant.objects.get_or_create(
                securable=securable, principal=self.people.principals[who], privilege=privilege
            )

    def revoke(self, full_name: str, who: str) -> None:
        """All privileges on a table."""
        securable = find_securable(SecurableType.TABLE, full_name)
        Grant.objects.filter(securable=securable, principal=self.people.principals[who]).delete()

    def monitor(self, settings: MonitorSettings = SNAPSHOT, *, table: str = FLIGHTS, who: str = "owner") -> Monitor:
        """A monitor, with a first refresh that waits for a worker."""
        return create_monitor(actor=getattr(self.people, who), table=table, settings=settings)

    def work(self) -> list[Operation]:
        """Run every operation that waits, as a worker would, and those that they start."""
        done = []
        while (waiting := Operation.objects.filter(state="PENDING").order_by("created_at").first()) is not None:
            run_operation(operation_id=waiting.pk, worker="test")
            waiting.refresh_from_db()
            done.append(waiting)
        return done

    def last_refresh(self) -> MonitorRefresh:
        return MonitorRefresh.objects.order_by("-pk").first()

    def send(self, who: str, method: str, path: str, body: dict | None = None):
        """A request of a person, as REST clients send it."""
        if who not in self.tokens:
            self.tokens[who] = create_token(actor=getattr(self.people, who)).value
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        return self.client.generic(
            method, path, data=json.dumps(body or {}), content_type="application/json", headers=headers
        )


def make_lake(people: Any) -> Lake:
    """`prod.ml`: `owner` may make tables there, `reader` may go in."""
    create_catalog(actor=people.metastore_admin, name="prod")
    create_schema(actor=people.metastore_admin, catalog="prod", name="ml")
    lake = Lake(people)
    for who in ("owner", "reader", "steward"):
        lake.grant("prod", who, Privilege.USE_CATALOG)
        lake.grant("prod.ml", who, Privilege.USE_SCHEMA)
    lake.grant("prod.ml", "owner", Privilege.CREATE_TABLE)
    return lake
