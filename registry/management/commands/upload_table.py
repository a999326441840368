"""Brings a CSV or Parquet file into a governed table."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError, CommandParser

from registry.errors import ModelkeepError
from registry.services.shell_actors import actor_for_command
from registry.services.table_uploads import CREATE, MODES, form_of, upload_rows


class Command(BaseCommand):
    """Exit code 0: all rows are in. 1: none is, and the message says why."""

    help = "Make a table of a CSV or Parquet file, add its rows to one, or replace all rows by them."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what and where to."""
        parser.add_argument("file", metavar="FILE", help="a .csv or .parquet file; - for standard input")
        parser.add_argument("table", metavar="CATALOG.SCHEMA.TABLE")
        parser.add_argument("--mode", choices=MODES, default=CREATE)
        parser.add_argument("--format", default="", help="csv or parquet; default: by the file's name")
        parser.add_argument("--comment", default="")
        parser.add_argument("--as", dest="user", default="", metavar="USER", help="default: the first administrator")

    def handle(self, **options: Any) -> None:
        """Upload and tell."""
        try:
            actor = actor_for_command("upload_table", user=options["user"])
            with ExitStack() as stack:
                uploaded = upload_rows(
                    actor=actor,
                    full_name=options["table"],
                    source=_open(options["file"], stack),
                    form=form_of(options["format"] or options["file"]),
                    mode=options["mode"],
                    comment=options["comment"],
                )
        except ModelkeepError as error:
            raise CommandError(error.message) from error
        except OSError as error:
            raise CommandError(f"The file cannot be read: {error}") from error
        self.stdout.write(f"{uploaded.full_name}: {uploaded.rows} rows, {len(uploaded.columns)} columns")


def _open(file: str, stack: ExitStack) -> BinaryIO:
    return sys.stdin.buffer if file == "-" else stack.enter_context(Path(file).open("rb"))
