"""Writes models with all their versions into one archive file."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from registry.errors import ModelkeepError
from registry.services.archives import export_models
from registry.services.shell_actors import actor_for_command


class Command(BaseCommand):
    """The file is there whole, or not at all."""

    help = "Write models with all their READY versions, files, tags and aliases into one tar file."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what and where to."""
        parser.add_argument("names", nargs="+", metavar="NAME", help="models as catalog.schema.model")
        parser.add_argument("--output", required=True, metavar="FILE.tar")
        parser.add_argument("--as", dest="user", default="", metavar="USER", help="default: the first administrator")

    def handle(self, **options: Any) -> None:
        """Export."""
        output = Path(options["output"])
        partial = output.with_name(f"{output.name}.partial")
        try:
            export = export_models(
                actor=actor_for_command("export_archive", user=options["user"]), names=options["names"]
            )
            with partial.open("wb") as file:
                for piece in export.pieces():
                    file.write(piece)
            partial.replace(output)
        except ModelkeepError as error:
            raise CommandError(error.message) from error
        except OSError as error:
            raise CommandError(f"The archive could not be written: {error}") from error
        finally:
            partial.unlink(missing_ok=True)
        self.stdout.write(f"{output}: {len(export.blobs)} contents, {export.size} bytes")
