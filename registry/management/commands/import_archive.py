"""Reads models out of an archive file."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError, CommandParser

from registry.errors import ModelkeepError
from registry.services.archive_imports import import_archive
from registry.services.shell_actors import actor_for_command


class Command(BaseCommand):
    """Exit code 0: everything is here. 1: the archive is of no use, or something in it is not allowed."""

    help = "Bring the models of an archive here. Run it again to go on: what is here is skipped."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what and where to."""
        parser.add_argument("file", metavar="FILE.tar", help="the archive; - for standard input")
        parser.add_argument("--into", default="", metavar="CATALOG.SCHEMA", help="default: under the same names")
        parser.add_argument("--as", dest="user", default="", metavar="USER", help="default: the first administrator")

    def handle(self, **options: Any) -> None:
        """Import and tell."""
        try:
            actor = actor_for_command("import_archive", user=options["user"])
            with ExitStack() as stack:
                source = _open(options["file"], stack)
                reports = import_archive(actor=actor, source=source, into=options["into"])
        except ModelkeepError as error:
            raise CommandError(error.message) from error
        except OSError as error:
            raise CommandError(f"The archive cannot be read: {error}") from error
        for report in reports:
            self.stdout.write(report.summary())
            for line in [*report.notes, *(version.reason for version in report.versions if version.reason)]:
                self.stdout.write(f"  {line}")


def _open(file: str, stack: ExitStack) -> BinaryIO:
    return sys.stdin.buffer if file == "-" else stack.enter_context(Path(file).open("rb"))
