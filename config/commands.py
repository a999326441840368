"""Which program answers a command of manage.py. Imports nothing heavy: `up` and `status` need no Django."""

from __future__ import annotations

import os
from collections.abc import Sequence

DASHED = {"client-env": "client_env"}


def run(arguments: Sequence[str]) -> int:
    """Run one command inside the ready environment; answer its exit code."""
    command = arguments[0] if arguments else "help"
    if command in {"test", "lint", "lock", "screenshots"}:
        from config import development

        return development.COMMANDS[command](arguments[1:])
    if command in {"up", "status"}:
        from config.stack import cli

        return cli.main(command, arguments[1:])
    return _django([DASHED.get(command, command), *arguments[1:]])


def _django(arguments: Sequence[str]) -> int:
    """Run a Django command, on the databases of a running `up` when the environment names none."""
    from django.core.management import execute_from_command_line

    from config.stack.attach import attach

    remaining, folder = take_data_dir(arguments)
    attach(folder)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    execute_from_command_line(["manage.py", *remaining])
    return 0


def take_data_dir(arguments: Sequence[str]) -> tuple[list[str], str | None]:
    """Take `--data-dir D` out of a command's arguments: any of them may name its installation."""
    remaining: list[str] = []
    folder: str | None = None
    pending = iter(arguments)
    for argument in pending:
        if argument == "--data-dir":
            folder = next(pending, None)
        elif argument.startswith("--data-dir="):
            folder = argument.partition("=")[2]
        else:
            remaining.append(argument)
    return remaining, folder
