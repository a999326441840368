"""`python -m serving.host --sockets S --root R`: hold the processes of models until SIGTERM."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from serving.host.server import Host

KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "TMPDIR", "MODELKEEP_SERVING_SANDBOX")


def main(arguments: list[str]) -> None:
    """Run one host."""
    parser = argparse.ArgumentParser(prog="model-host")
    parser.add_argument("--sockets", type=Path, required=True, help="folder in which replicas listen")
    parser.add_argument("--root", type=Path, required=True, help="the folder of serving")
    options = parser.parse_args(arguments)
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    if kept.keys() != os.environ.keys() - {"LC_CTYPE"}:
        # Begun anew, so that not even its /proc/…/environ holds the platform's secrets.
        os.execve(sys.executable, [sys.executable, "-m", "serving.host", *arguments], kept)  # noqa: S606  (ourselves)
    asyncio.run(Host(sockets=options.sockets, root=options.root).run())


if __name__ == "__main__":
    main(sys.argv[1:])
