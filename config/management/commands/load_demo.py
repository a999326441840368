"""`manage.py load_demo`: fill a running installation with real flights. `up --demo` runs it."""

import argparse
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from registry.models import ADMINS, Principal
from registry.services.actors import load_actor
from registry.services.tokens import create_token, revoke_token

PER_DAY = 60
_TOKEN_SECONDS = 6 * 3600


class Command(BaseCommand):
    """Train, register, serve, replay and monitor; safe to run again."""

    help = "Load the demonstration into a running installation: real flights, models, an endpoint and a monitor."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """How many flights of a day are taken."""
        parser.add_argument("--per-day", type=int, default=PER_DAY, help="flights of each day (default: %(default)s)")

    def handle(self, *, per_day: int, **_options: Any) -> None:
        """Load it, and tell each step.

        Raises:
            CommandError: the package with the flights is missing, or a step failed.
        """
        try:
            from config.demo.client import Client, DemoError
            from config.demo.flights import load_flights
            from config.demo.story import moment, speak_as, tell_story
        except ImportError as error:
            raise CommandError(f"{error}: start with `python3 manage.py up --demo`, which installs it.") from error
        actor = load_actor(_first_admin())
        made = create_token(actor=actor, comment="demonstration", lifetime_seconds=_TOKEN_SECONDS)
        try:
            speak_as(settings.PUBLIC_URL, made.value)
            flights = load_flights(now=moment(), per_day=per_day)
            client = Client(settings.PUBLIC_URL, made.value)
            tell_story(actor=actor, client=client, flights=flights, say=self._say)
        except DemoError as error:
            raise CommandError(str(error)) from error
        finally:
            revoke_token(actor=actor, token_id=str(made.token.pk))

    def _say(self, text: str) -> None:
        self.stdout.write(f"demo: {text}")
        self.stdout.flush()


def _first_admin() -> Principal:
    """The oldest active administrator.

    Raises:
        CommandError: there is none.
    """
    admins = Principal.objects.filter(group_links__group__key=ADMINS, is_active=True)
    found = admins.order_by("created_at", "pk").first()
    if found is None:
        raise CommandError("There is no administrator to load the demonstration as.")
    return found
