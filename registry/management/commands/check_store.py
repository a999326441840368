"""Checks the object store that ARTIFACT_ROOT names: `up` asks this before it starts anything."""

import logging
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from registry.storage.s3.bucket import is_s3


class Command(BaseCommand):
    """Exit code 0: files can be kept. 1: they cannot, and the reason is printed."""

    help = "Write, read, copy, list and remove a small object where ARTIFACT_ROOT says, and say what is not possible."
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Add --make-bucket."""
        parser.add_argument("--make-bucket", action="store_true", help="make the bucket first, if it is not there")

    def handle(self, *_args: Any, make_bucket: bool, **_options: Any) -> None:
        """Check both roots, and fail on the first fault."""
        for root in dict.fromkeys((str(settings.ARTIFACT_ROOT), str(settings.TRACKING_ROOT))):
            if not is_s3(root):
                self.stdout.write(f"{root}: a folder of this machine")
                continue
            # Here and not above: it brings the client library, and most commands need none.
            from registry.storage.s3.probe import ensure_bucket, find_fault

            # What would be a line of a server's log is the answer here.
            logging.disable(logging.ERROR)
            try:
                fault = (ensure_bucket(root) if make_bucket else "") or find_fault(root)
            except ImproperlyConfigured as error:
                fault = str(error)
            finally:
                logging.disable(logging.NOTSET)
            if fault:
                raise CommandError(fault, returncode=1)
            self.stdout.write(f"{root}: can be used")
