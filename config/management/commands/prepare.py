"""`manage.py prepare`: bring a database up to this release. `up` runs it at every start."""

import json
import sys
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

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

    def _prepare(self) -> dict[str, str | None]:
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
