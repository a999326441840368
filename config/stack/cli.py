"""The commands that start and show the stack. They run without Django."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace

from config.stack import messages, preflight, state, storage, supervisor
from config.stack.errors import StackError
from config.stack.options import parse_status, parse_up
from config.stack.status import report

PRIVATE = 0o077


def main(command: str, arguments: Sequence[str]) -> int:
    """Run `up` or `status`; answer the exit code."""
    try:
        return {"up": up, "status": status}[command](arguments)
    except StackError as error:
        sys.stderr.write(f"manage.py {command}: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 1


def up(arguments: Sequence[str]) -> int:
    """Start everything and stay until Ctrl-C or SIGTERM. Raises StackError."""
    options = parse_up(arguments)
    # What the installation writes is nobody else's to read.
    os.umask(PRIVATE)
    options.folder.prepare()
    lock = state.acquire(options.folder)
    preflight.require_space(options.folder.root)
    storage.require_usable(os.environ)
    port = preflight.free_port(options.host, options.port)
    return supervisor.run(replace(options, port=port), lock=lock)


def status(arguments: Sequence[str]) -> int:
    """Show what runs; the exit code is 0 only when all of it is ready."""
    text, ready = report(parse_status(arguments))
    messages.say(text)
    return 0 if ready else 1
