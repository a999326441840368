"""What this installation is: its release, what it is made of, how its parts are, and what it takes up."""

import functools
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from urllib.parse import urlsplit

from celery import current_app
from django.conf import settings
from django.db import connection
from django.db.models import Sum
from kombu.exceptions import OperationalError

from registry.errors import ModelkeepError
from registry.models import Blob
from registry.services.actors import Actor
from registry.services.directory import require_administrator
from registry.services.tracking import ask

_PROBE_SECONDS = 1.0
_LICENCE = "License :: "


@dataclass(frozen=True)
class Package:
    """An installed package of Python, and the licence that it says it has."""

    name: str
    version: str
    licence: str


@dataclass(frozen=True)
class Part:
    """One part of the installation: whether it answers, and what it says of itself."""

    title: str
    ok: bool
    text: str


@dataclass(frozen=True)
class Usage:
    """Bytes that are taken up. Files that versions share count once."""

    storage: str
    place: str
    files: int
    file_bytes: int
    database_bytes: int


@functools.cache
def release() -> str:
    """The release of Modelkeep."""
    with (settings.BASE_DIR / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])


@functools.cache
def packages() -> tuple[Package, ...]:
    """Every installed package, by name. Read once a process: a tenth of a second."""
    found = {one.metadata["Name"]: one for one in metadata.distributions() if one.metadata["Name"]}
    return tuple(
        Package(name, found[name].version, _licence(found[name].metadata)) for name in sorted(found, key=str.lower)
    )


def _licence(facts: metadata.PackageMetadata) -> str:
    """The short name: some packages put the whole text where its name should be."""
    expression = (facts.get_all("License-Expression") or [""])[0]
    classifiers = [one.rpartition(" :: ")[2] for one in facts.get_all("Classifier") or [] if one.startswith(_LICENCE)]
    written = re.split(r"[\r\n]", (facts.get_all("License") or [""])[0].strip())[0][:60]
    return expression or ", ".join(classifiers) or written or "not stated"


def installation_health(*, actor: Actor) -> list[Part]:
    """Ask each part whether it answers. Takes a second: workers get that long to say that they are there.

    Raises:
        AccessDenied: not a metastore admin.
    """
    require_administrator(actor)
    return [
        _part("Database", _database),
        _part("Tracking server", _tracking),
        _part("Workers", _workers),
    ]


def _part(title: str, probe: Callable[[], str]) -> Part:
    try:
        return Part(title, ok=True, text=probe())
    except ModelkeepError as error:
        return Part(title, ok=False, text=error.message)
    except OSError as error:
        return Part(title, ok=False, text=f"It does not answer: {error.strerror or 'no connection'}.")


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return f"PostgreSQL {cursor.fetchone()[0]}"


def _tracking() -> str:
    ask("GET", "/api/2.0/mlflow/experiments/get", query=[("experiment_id", "0")])
    return f"mlflow {metadata.version('mlflow')}"


def _workers() -> str:
    try:
        queues = current_app.control.inspect(timeout=_PROBE_SECONDS).active_queues()
    except OperationalError as error:
        raise OSError(0, "the broker is away") from error
    if not queues:
        raise OSError(0, "no worker said that it is there within a second")
    names = sorted({str(queue["name"]) for served in queues.values() for queue in served})
    return f"{len(queues)}, for {', '.join(names)}"


def installation_usage(*, actor: Actor) -> Usage:
    """What is stored, and where. Two queries, one of which adds up all files.

    Raises:
        AccessDenied: not a metastore admin.
    """
    require_administrator(actor)
    root = settings.ARTIFACT_ROOT
    at_store = root.startswith("s3://")
    total = Blob.objects.aggregate(size=Sum("size"))["size"] or 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database()), (SELECT count(*) FROM registry_blob)")
        database_bytes, files = cursor.fetchone()
    return Usage(
        storage="Object storage" if at_store else "A folder",
        place=f"{urlsplit(root).netloc}{urlsplit(root).path}" if at_store else root,
        files=files,
        file_bytes=total,
        database_bytes=database_bytes,
    )
