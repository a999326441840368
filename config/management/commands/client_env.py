"""`manage.py client-env`: what a stock client needs to talk to this installation."""

import os
import sys
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from config.stack.options import default_folder
from registry.errors import ModelkeepError
from registry.models import Principal
from registry.services.actors import RequestContext, load_actor
from registry.services.setup import first_administrator
from registry.services.tokens import create_token

DAYS = 30
RUNTIME_VERSION = "client.4.1"


class Command(BaseCommand):
    """Make a token and print NAME=value lines. Errors go to stderr, so stdout is always safe to evaluate."""

    help = "Print NAME=value lines for a client: for eval, source and env files. Makes a new token."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the options; `--data-dir` itself is read earlier, before the settings are."""
        parser.add_argument("--data-dir", metavar="D", help="data folder of the running installation")
        parser.add_argument("--port", type=int, help="port at which the client reaches it, where that differs")
        parser.add_argument("--user", metavar="NAME", help="whose token (default: the first administrator)")
        parser.add_argument("--days", type=int, default=DAYS, help="lifetime of the token (default: %(default)s)")

    def handle(self, **options: Any) -> None:
        """Print the lines."""
        url = os.environ.get("MODELKEEP_PUBLIC_URL")
        if "DATABASE_URL" not in os.environ or not url:
            raise CommandError(
                f"Modelkeep does not run on {default_folder()}. Start it with `python3 manage.py up`, "
                "name its folder with --data-dir, or set DATABASE_URL and MODELKEEP_PUBLIC_URL."
            )
        try:
            token = _new_token(options["user"], days=options["days"])
        except DatabaseError as error:
            raise CommandError(f"The database does not answer: {error}".strip()) from error
        except ModelkeepError as error:
            raise CommandError(str(error)) from error
        host = _with_port(url, options["port"])
        lines = {
            "DATABRICKS_HOST": host,
            "DATABRICKS_TOKEN": token,
            "MLFLOW_TRACKING_URI": "databricks",
            "MLFLOW_REGISTRY_URI": "databricks-uc",
            "DATABRICKS_RUNTIME_VERSION": RUNTIME_VERSION,
            # For the registry `uc:http://host`: it asks with this token, and moves files by S3.
            "MLFLOW_UC_OSS_TOKEN": token,
            "MLFLOW_S3_ENDPOINT_URL": f"{host.rstrip('/')}/s3",
        }
        sys.stdout.write("".join(f"{name}={value}\n" for name, value in lines.items()))


def _new_token(name: str | None, *, days: int) -> str:
    administrator = first_administrator()
    if administrator is None:
        raise CommandError("There is no active administrator. Run `python3 manage.py prepare` to make one.")
    principal = administrator
    if name is not None:
        found = Principal.objects.filter(key=name.strip().lower()).first()
        if found is None:
            raise CommandError(f"There is no user or service principal named {name!r}.")
        principal = found
    actor = load_actor(administrator, context=RequestContext(user_agent="manage.py client-env"))
    seconds = days * 24 * 3600
    new = create_token(actor=actor, comment="client-env", lifetime_seconds=seconds, principal=principal)
    return new.value


def _with_port(url: str, port: int | None) -> str:
    if port is None:
        return url
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return urlunsplit((parts.scheme, f"{host}:{port}", parts.path, "", ""))
