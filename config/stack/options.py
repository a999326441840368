"""What the person at the terminal asked for, with the defaults filled in."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from config.stack.paths import DataFolder

ROOT = Path(__file__).resolve().parent.parent.parent
DEFAULT_FOLDER = ROOT / ".modelkeep"
DEFAULT_PORT = 8000
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  (compared, not bound)


@dataclass(frozen=True)
class UpOptions:
    """The options of `up`."""

    folder: DataFolder
    host: str
    port: int
    workers: int
    demo: bool = False

    @property
    def probe_host(self) -> str:
        """The address at which this machine reaches the server."""
        return WILDCARDS.get(self.host, self.host)

    @property
    def local_url(self) -> str:
        """The URL at which this machine reaches the server."""
        host = self.probe_host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def parse_up(arguments: Sequence[str]) -> UpOptions:
    """Read the options of `up`; ends the program with the usage when they are wrong."""
    parser = argparse.ArgumentParser(prog="manage.py up", description="Start the whole product on this machine.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port",
        type=_port,
        default=DEFAULT_PORT,
        help="port to listen on; 0: any free one (default: %(default)s)",
    )
    parser.add_argument("--workers", type=_positive, default=1, help="web server processes (default: %(default)s)")
    parser.add_argument(
        "--demo", action="store_true", help="fill it with real flights, models, an endpoint and a monitor"
    )
    add_folder(parser)
    found = parser.parse_args(arguments)
    return UpOptions(DataFolder.at(found.data_dir), found.host, found.port, found.workers, found.demo)


def parse_status(arguments: Sequence[str]) -> DataFolder:
    """Read the options of `status`."""
    parser = argparse.ArgumentParser(prog="manage.py status", description="Show what runs; exit code 0 when all is.")
    add_folder(parser)
    return DataFolder.at(parser.parse_args(arguments).data_dir)


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the data folder."""
    parser.add_argument(
        "--data-dir",
        default=default_folder(),
        metavar="D",
        help="folder of all data and logs (default: %(default)s)",
    )


def default_folder() -> str:
    """Answer the data folder of a command that names none."""
    return os.environ.get("MODELKEEP_DATA_DIR") or str(DEFAULT_FOLDER)


def _port(text: str) -> int:
    return _between(text, 0, 65535)


def _positive(text: str) -> int:
    return _between(text, 1, 256)


def _between(text: str, low: int, high: int) -> int:
    if not text.isdecimal() or not low <= int(text) <= high:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low} to {high}")
    return int(text)
