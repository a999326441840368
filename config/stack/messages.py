"""What `up` says at the terminal."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping

from config.stack.options import DEFAULT_FOLDER, UpOptions


def say(text: str) -> None:
    """Print a line at once; a terminal that has gone away does not stop the stack."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def step(name: str, text: str) -> None:
    """Print one line of progress."""
    say(f"  {name:<15} {text}")


def welcome(options: UpOptions, *, url: str, first_run: Mapping[str, str | None], seconds: float) -> str:
    """Answer the closing lines of a start: where it is, how to sign in, what to do next."""
    name, secret = first_run.get("admin_name"), first_run.get("secret")
    lines = ["", f"Modelkeep is ready at {url}   (after {seconds:.1f} s)", ""]
    if secret:
        lines += [
            f"  Sign in as      {name}",
            f"  First password  {secret}     shown this once: keep it",
            "",
        ]
    elif name:
        lines += [f"  Sign in as      {name}", ""]
    return "\n".join(
        [
            *lines,
            "  Point a client at it, in another shell:",
            f'    set -a; eval "$(python3 manage.py client-env{_flags(options)})"; set +a',
            "",
            f"  State  python3 manage.py status{_flags(options)}",
            f"  Logs   {options.folder.logs}",
            "  Stop   Ctrl-C",
            "",
        ]
    )


def _flags(options: UpOptions) -> str:
    return "" if options.folder.root == DEFAULT_FOLDER else f" --data-dir {options.folder.root}"
