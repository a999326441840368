"""`manage.py run_supervisor`: make the replicas that run equal those that are wanted, until SIGTERM."""

import asyncio
import logging
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Supervise the replicas of this machine. One acts; others wait."""

    help = "Start, watch and end the processes of served models. Needs a model host: python -m serving.host."

    def handle(self, **_options: Any) -> None:
        """Run until asked to stop. Replicas go on."""
        from serving.supervisor.backends.local import LocalBackend
        from serving.supervisor.loop import Supervisor

        logging.getLogger("serving").setLevel(logging.INFO)
        sockets = Path(settings.SERVING_SOCKETS)

        async def run() -> None:
            backend = LocalBackend(sockets)
            supervisor = Supervisor(root=Path(settings.SERVING_ROOT), sockets=sockets, backend=backend)
            await supervisor.run(on_ready=lambda: print("The supervisor is ready", flush=True))
            await backend.close()

        asyncio.run(run())
