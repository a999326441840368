"""Server time of the main pages on many rows, beside the same pages on a tenth of them.

    .venv/bin/python -m benchmarks.screens [--quick] [--rounds 5] [--seconds 1] [--folder DIR] [--only TEXT]

Fills 100,000 models and 200,000 versions of one of them, and a second set with 10,000 models, starts our server on
each, and lets one client ask for whole pages, signed in with a token, in windows that take turns. What counts is the
ratio: a page that costs the same on both sets does not grow with the installation. --quick: a tenth of the rows.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import Generator, Task, Window
from benchmarks.rows import BIG_MODEL, ModelRow, Sizes
from benchmarks.seed import People, seed_ours
from benchmarks.servers import Server, migrate, start_ours, start_postgres
from config.stack import postgres

PEOPLE = People()
_MODEL = ModelRow(234)


@dataclass(frozen=True)
class Site:
    """Our server on one set of rows."""

    name: str
    server: Server
    database: int

    def page(self, path: str, token: str) -> Task:
        """Asking for a page as somebody."""
        return Task(self.server.port, [path], token, (self.server.process.pid, self.database))


def model_path(full_name: str) -> str:
    """The address of a model's page."""
    return "/explore/data/models/" + full_name.replace(".", "/")


def pages() -> dict[str, str]:
    """The pages that people open all day, and the ones that hold the longest lists."""
    catalog, schema, _ = _MODEL.full_name.split(".")
    model, big = model_path(_MODEL.full_name), model_path(BIG_MODEL)
    return {
        "home": "/",
        "catalogs": "/explore/data",
        "a catalog": f"/explore/data/{catalog}",
        "a schema and its models": f"/explore/data/{catalog}/{schema}",
        "the same, filtered by name": f"/explore/data/{catalog}/{schema}?q={_MODEL.subject}",
        "a model": model,
        "its permissions": f"{model}?tab=permissions",
        "a version": f"{model}/version/1",
        "the model with 200,000 versions": big,
        "its versions": f"{big}?tab=versions",
        "search as one types": f"/search?q={_MODEL.subject}",
        "users": "/settings/users",
        "audit": "/audit",
    }


def sites(folder: Path, *, quick: bool, workers: int) -> tuple[Site, Site]:
    """Both sets of rows with a server on each; what an earlier run left in the folder is used again."""
    sockets, database = start_postgres(folder)
    many = Sizes(models=10_000, versions=20_000) if quick else Sizes()
    few = Sizes(models=many.models // 10, versions=1_000)
    return tuple(  # type: ignore[return-value]
        _site(name, folder, sockets, database, sizes, workers) for name, sizes in (("many", many), ("few", few))
    )


def _site(name: str, folder: Path, sockets: Path, database: int, sizes: Sizes, workers: int) -> Site:
    url = postgres.url(sockets, f"screens_{name}")
    postgres.create_database(sockets, f"screens_{name}")
    migrate(folder, url)
    mark = folder / f"screens_{name}.{sizes.models}.{sizes.versions}"
    if not mark.exists():
        began = time.monotonic()
        seed_ours(url, sizes)
        print(f"{name}: {sizes.models} models in {time.monotonic() - began:.0f} s", flush=True)
        mark.touch()
    return Site(name, start_ours(f"screens-{name}", folder, url, workers=workers), database)


def measure(
    generator: Generator, title: str, path: str, pair: tuple[Site, Site], options: argparse.Namespace
) -> None:
    """Windows of both sites in turn, and a line of medians."""
    tasks = [site.page(path, PEOPLE.admin) for site in pair]
    windows: list[list[Window]] = [[], []]
    for task in tasks:
        generator.window(task, clients=1, seconds=0.3)
    for turn in range(options.rounds):
        for number in (0, 1) if turn % 2 else (1, 0):
            windows[number].append(generator.window(tasks[number], clients=1, seconds=options.seconds))
    many, few = windows
    ratios = [one.median / other.median for one, other in zip(many, few, strict=True)]
    costs = [one.cost / other.cost for one, other in zip(many, few, strict=True)]
    print(
        f"{title:34}{statistics.median(one.median for one in many):8.1f} ms"
        f"{statistics.median(one.median for one in few):8.1f} ms"
        f"   x{statistics.median(ratios):.2f} [{min(ratios):.2f}..{max(ratios):.2f}]"
        f"   cpu x{statistics.median(costs):.2f}",
        flush=True,
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    generator = Generator()
    with tempfile.TemporaryDirectory() as temporary:
        pair = sites(options.folder or Path(temporary), quick=options.quick, workers=options.workers)
        print(f"{'page':34}{'many':>11}{'few':>11}   many to few")
        for title, path in pages().items():
            if options.only in title:
                measure(generator, title, path, pair, options)


if __name__ == "__main__":
    main()
