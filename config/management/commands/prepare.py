"""`manage.py prepare`: bring a database up to this release. `up` runs it at every start."""

import json
import os
import sys
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import ProgrammingError, connection
from django.db.migrations.executor import MigrationExecutor

from config.stack.environment import TRACKING_DATABASE
from registry.services import setup

# Any fixed number: two that prepare one database at the same time take turns.
LOCK = 7474_0001


class Command(BaseCommand):
    """Migrate, make the built-ins and the first administrator; print the result as one line of JSON."""

    help = "Bring the database up to this release and make the first administrator."
    requires_system_checks = ()

    def handle(self, **_options: Any) -> None:
        """Print {"migrations": ..., "admin_name": ..., "secret": ...}; the secret only when just made."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
            try:
                result = self._prepare()
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
        sys.stdout.write(json.dumps(result) + "\n")

    def _ensure_tracking_database(self) -> None:
        """Create MLflow's own database beside ours, unless another place is named for it."""
        if os.environ.get("MODELKEEP_MLFLOW_DATABASE_URL"):
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TRACKING_DATABASE])
            if cursor.fetchone() is not None:
                return
            try:
                cursor.execute(f"CREATE DATABASE {connection.ops.quote_name(TRACKING_DATABASE)}")
            except ProgrammingError as error:
                raise CommandError(
                    f"The database {TRACKING_DATABASE!r} for MLflow could not be created ({error}). Create it, "
                    "or name another in MODELKEEP_MLFLOW_DATABASE_URL."
                ) from error

    def _prepare(self) -> dict[str, str | None]:
        self._ensure_tracking_database()
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if plan:
            call_command("migrate", interactive=False, verbosity=1, stdout=sys.stderr)
        first_run = setup.ensure_first_run()
        return {
            "migrations": f"{len(plan)} migrations applied" if plan else "up to date",
            "admin_name": first_run.admin_name,
            "secret": first_run.secret,
        }
