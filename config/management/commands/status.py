"""`manage.py status`. Answered before Django is loaded; this entry lists it under `help`."""

import sys
from typing import Any

from django.core.management.base import BaseCommand

from config.stack import cli


class Command(BaseCommand):
    """Hand over to the stack."""

    help = "Show what runs."

    def run_from_argv(self, argv: list[str]) -> None:
        """Pass the arguments on as they are."""
        sys.exit(cli.main("status", argv[2:]))

    def print_help(self, prog_name: str, subcommand: str) -> None:  # noqa: ARG002  (Django's signature)
        """Show the options that the command line really takes."""
        cli.main(subcommand, ["--help"])

    def handle(self, *args: str, **_options: Any) -> None:
        """Run it from code, with the options spelled as on the command line."""
        sys.exit(cli.main("status", args))
