#!/usr/bin/env python3
"""Django's entry. On a bare Python it first builds .venv from the locked requirements, then goes on there."""

import sys


def main() -> int:
    """Run one command; answer its exit code."""
    if sys.version_info < (3, 11):  # noqa: UP036  (this is what tells it)
        found = ".".join(str(part) for part in sys.version_info[:2])
        sys.stderr.write(f"Modelkeep needs Python 3.11 or newer; {sys.executable} is {found}.\n")
        sys.stderr.write("Install a newer Python and run it again, for example: python3.12 manage.py up\n")
        return 1
    # Both use only the standard library until the environment is ready.
    from config.bootstrap import ensure_environment
    from config.commands import run

    ensure_environment(sys.argv[1:])
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
