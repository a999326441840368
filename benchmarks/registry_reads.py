"""Reads of the registry beside `mlflow server` with the same rows on the same PostgreSQL.

    .venv/bin/python -m benchmarks.registry_reads [--quick] [--rounds 3] [--seconds 1] [--folder DIR] [--only TEXT]

Fills 100,000 models, 200,000 versions of one of them and 10,000 grants, and a second set with 10,000 models, starts
both products' servers on each, checks that they answer the same, and lets 1 and 8 clients ask in short windows that
take turns. Ours checks the token, groups and grants of every request; the other has no authentication at all. With
--folder the rows are kept there for the next run. --quick: a tenth of the rows.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import statistics
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from benchmarks.load import Generator, Task, Window
from benchmarks.rows import BIG_MODEL, ModelRow, Sizes, models, schema_name
from benchmarks.seed import ALIAS, NARROW_MODELS, READER_SCHEMA, People, seed_mlflow, seed_ours
from benchmarks.servers import Server, migrate, start_mlflow, start_ours, start_postgres
from config.stack import postgres
from config.stack.environment import tracking_database_url

PAGE = 100
DEEP_PAGE = 1000
NEEDLE = "churn"
PLAIN = "/api/2.0/mlflow"
UC = "/api/2.0/mlflow/unity-catalog"
PEOPLE = People()


@dataclass(frozen=True)
class Case:
    """One thing that is asked of several targets. The first is the one whose ratio to the last is printed."""

    title: str
    tasks: dict[str, Task]


@dataclass(frozen=True)
class Stage:
    """Both products' servers on one set of rows."""

    sizes: Sizes
    ours: Server
    mlflow: Server
    database: int
    """The process of the PostgreSQL that both work on."""

    def our(self, path: str | Sequence[str], token: str = PEOPLE.admin) -> Task:
        return self._task(self.ours, path, token)

    def their(self, path: str | Sequence[str]) -> Task:
        return self._task(self.mlflow, path, "")

    def _task(self, server: Server, path: str | Sequence[str], token: str) -> Task:
        paths = [path] if isinstance(path, str) else list(path)
        return Task(server.port, paths, token, (server.process.pid, self.database))


def main() -> None:
    """Seed, check, measure, print."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--quick", action="store_true")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=1.0)
    options.add_argument("--workers", type=int, default=2, help="our web server's processes")
    options.add_argument("--folder", type=Path, help="keep the rows here")
    options.add_argument("--only", default="", help="only cases whose title contains this")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="registry-reads-") as name:
        folder = given.folder or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        large, small = stages(folder, quick=given.quick, workers=given.workers)
        check(large)
        check(small)
        print("Both answer the same. Medians over the rounds: answers a second, latency, processor time of an answer")
        print("(server and database together). Ratios to mlflow server above 1 are in our favour.")
        generator = Generator()
        for case in cases(large, small):
            if given.only in case.title:
                for clients in (1, 8):
                    measure(generator, case, clients=clients, rounds=given.rounds, seconds=given.seconds)
        print(f"\nmemory after: ours {mib(large.ours)} ({given.workers} workers), mlflow server {mib(large.mlflow)}")


def mib(server: Server) -> str:
    """A server's memory for people."""
    return f"{server.memory() / 2**20:.0f} MiB"


# --- Servers and rows -------------------------------------------------------------------------------------


def stages(folder: Path, *, quick: bool, workers: int) -> tuple[Stage, Stage]:
    """Both sets of rows with their servers; what an earlier run left in the folder is used again."""
    sockets, database = start_postgres(folder)
    sizes = Sizes(models=10_000, versions=20_000) if quick else Sizes()
    large = _stage("large", folder, sockets, database, sizes, workers)
    few = Sizes(models=sizes.models // 10, versions=1_000)
    small = _stage("small", folder, sockets, database, few, workers)
    return large, small


def _stage(name: str, folder: Path, sockets: Path, database: int, sizes: Sizes, workers: int) -> Stage:
    ours_url = postgres.url(sockets, f"ours_{name}")
    peer = postgres.url(sockets, f"mlflow_{name}")
    mark = folder / f"{name}.{sizes.models}.{sizes.versions}"
    postgres.create_database(sockets, f"ours_{name}")
    postgres.create_database(sockets, f"mlflow_{name}")
    environment = {"DATABASE_URL": ours_url}
    migrate(folder, ours_url)
    alchemy = tracking_database_url(environment).replace("/mlflow?", f"/mlflow_{name}?")
    mlflow = start_mlflow(f"mlflow-{name}", folder, alchemy)
    if not mark.exists():
        began = time.monotonic()
        seed_ours(ours_url, sizes)
        middle = time.monotonic()
        seed_mlflow(peer, sizes)
        print(f"{name}: ours filled in {middle - began:.0f} s, MLflow's in {time.monotonic() - middle:.0f} s")
        mark.touch()
    return Stage(sizes, start_ours(f"ours-{name}", folder, ours_url, workers=workers), mlflow, database)


# --- What is asked ----------------------------------------------------------------------------------------


def path(root: str, call: str, **parameters: object) -> str:
    """A path with its query."""
    return f"{root}/{call}?{urlencode(parameters)}"


def some_names(sizes: Sizes) -> list[str]:
    """Models all over the tree."""
    numbers = random.Random(3).sample(range(sizes.models - 1), 200)
    return [ModelRow(number).full_name for number in numbers]


def reader_names(sizes: Sizes) -> list[str]:
    """All that the reader may see, in order."""
    return sorted(model.full_name for model in models(sizes) if model.schema_number == READER_SCHEMA)


def mlflow_token(page: int) -> str:
    """MLflow's page token is an offset."""
    return base64.b64encode(json.dumps({"offset": (page - 1) * PAGE}).encode()).decode()


def our_deep_token(stage: Stage, call: str, *, rows: int, **parameters: object) -> str:
    """The token behind the first rows of a list, walked to in long pages."""
    token = ""
    while rows:
        step = min(rows, 5_000)
        body = ask(stage.our(path(*call.split(" "), max_results=step, page_token=token, **parameters)))
        token, rows = body["next_page_token"], rows - step
    return str(token)


def cases(large: Stage, small: Stage) -> list[Case]:
    """Every comparison."""
    return [*_single_reads(large), *_pages(large, small), *_scoped(large), *_deep(large)]


def _single_reads(stage: Stage) -> list[Case]:
    names = some_names(stage.sizes)

    def compare(title: str, call: str, asked: list[str], **parameters: str) -> Case:
        paths = {root: [path(root, call, name=name, **parameters) for name in asked] for root in (PLAIN, UC)}
        return Case(
            title,
            {"ours": stage.our(paths[PLAIN]), "ours, uc": stage.our(paths[UC]), "mlflow": stage.their(paths[PLAIN])},
        )

    by_name = compare("R1 get by name", "registered-models/get", names)
    late = {name: replace(task, prompt=False) for name, task in by_name.tasks.items()}
    return [
        by_name,
        Case("get by name, as http.client acknowledges", late),
        compare("R1 get by alias", "registered-models/alias", names, alias=ALIAS),
        compare("get version", "model-versions/get", names, version="1"),
        compare("R1 get by alias, of 200k versions", "registered-models/alias", [BIG_MODEL], alias=ALIAS),
    ]


def _pages(large: Stage, small: Stage) -> list[Case]:
    found = []
    prefix = f"name LIKE '{schema_name(READER_SCHEMA)}.%'"
    listed = "registered-models/search"
    for stage, size in ((small, "10k"), (large, "100k")):
        plain = path(PLAIN, listed, max_results=PAGE)
        uc = path(UC, listed, max_results=PAGE)
        scoped = path(PLAIN, listed, max_results=PAGE, filter=prefix)
        ours = {"ours": stage.our(plain), "ours, uc": stage.our(uc), "mlflow": stage.their(plain)}
        found.append(Case(f"list page, {size} models", ours))
        search = {"ours": stage.our(scoped, PEOPLE.reader), "mlflow": stage.their(scoped)}
        found.append(Case(f"R2 search page of a user, {size} models", search))
    substring = path(PLAIN, listed, max_results=PAGE, filter=f"name ILIKE '%{NEEDLE}%'")
    rare = path(PLAIN, listed, max_results=PAGE, filter=f"name ILIKE '%{NEEDLE}_000%'")
    for title, asked in (("R3 substring search", substring), ("R3 rare substring", rare)):
        tasks = {"ours 100k": large.our(asked), "ours 10k": small.our(asked)}
        tasks |= {"mlflow 100k": large.their(asked), "mlflow 10k": small.their(asked)}
        found.append(Case(title, tasks))
    return found


def _scoped(stage: Stage) -> list[Case]:
    page = path(UC, "registered-models/search", max_results=PAGE)
    return [
        Case(
            "list by who asks",
            {
                "one schema": stage.our(page, PEOPLE.reader),
                "20 models": stage.our(page, PEOPLE.narrow),
                "admin": stage.our(page),
            },
        ),
    ]


def _deep(stage: Stage) -> list[Case]:
    rows, name = (min(DEEP_PAGE, stage.sizes.versions // PAGE - 1) - 1) * PAGE, f"name='{BIG_MODEL}'"
    page = rows // PAGE + 1
    found = []
    for title, call, filter_ in (
        ("versions", "model-versions/search", name),
        ("models", "registered-models/search", ""),
    ):
        given = {"filter": filter_} if filter_ else {}
        far = rows if filter_ else min(rows, stage.sizes.models - 2 * PAGE)
        for root, dialect in ((UC, "uc"), (PLAIN, "plain")):
            token = our_deep_token(stage, f"{root} {call}", rows=far, **given)
            first = path(root, call, max_results=PAGE, **given)
            tasks = {f"page {page}": stage.our(f"{first}&page_token={quote(token)}"), "page 1": stage.our(first)}
            found.append(Case(f"R4 {title}, {dialect}", tasks))
        theirs = path(PLAIN, call, max_results=PAGE, **given)
        deep = f"{theirs}&page_token={quote(mlflow_token(far // PAGE + 1))}"
        found.append(
            Case(f"   {title}, mlflow server", {f"page {page}": stage.their(deep), "page 1": stage.their(theirs)})
        )
    return found


# --- Are the answers right? -------------------------------------------------------------------------------


def ask(task: Task) -> dict[str, Any]:
    """One answer."""
    request = urllib.request.Request(f"http://127.0.0.1:{task.port}{task.paths[0]}")
    if task.token:
        request.add_header("Authorization", f"Bearer {task.token}")
    with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
        return dict(json.load(answer))


def check(stage: Stage) -> None:
    """Both servers say the same of the same rows, and nobody sees more than the grants allow."""
    for name in some_names(stage.sizes)[:3]:
        asked = path(PLAIN, "registered-models/get", name=name)
        agree(ask(stage.our(asked)), ask(stage.their(asked)))
        asked = path(PLAIN, "registered-models/alias", name=name, alias=ALIAS)
        agree(ask(stage.our(asked)), ask(stage.their(asked)))
    wanted = reader_names(stage.sizes)[:PAGE]
    prefix = f"name LIKE '{schema_name(READER_SCHEMA)}.%'"
    search = path(PLAIN, "registered-models/search", max_results=PAGE, filter=prefix)
    agree(ask(stage.our(search, PEOPLE.reader)), ask(stage.their(search)))
    assert names_in(ask(stage.our(search, PEOPLE.reader))) == wanted
    substring = path(PLAIN, "registered-models/search", max_results=1000, filter=f"name ILIKE '%{NEEDLE}_000%'")
    assert sorted(names_in(ask(stage.our(substring)))) == names_in(ask(stage.their(substring)))
    everything = path(UC, "registered-models/search", max_results=10_000)
    assert sorted(names_in(ask(stage.our(everything, PEOPLE.reader)))) == reader_names(stage.sizes)
    assert len(names_in(ask(stage.our(everything, PEOPLE.narrow)))) == NARROW_MODELS
    versions = path(PLAIN, "model-versions/search", max_results=PAGE, filter=f"name='{BIG_MODEL}'")
    agree(ask(stage.our(versions)), ask(stage.their(versions)))


def names_in(body: dict[str, Any]) -> list[str]:
    return [model["name"] for model in body.get("registered_models", [])]


def agree(ours: Any, theirs: Any, where: str = "") -> None:
    """All that the other server says is in our answer, with the same value; tokens and users differ by design."""
    if isinstance(theirs, dict):
        for key, value in theirs.items():
            if key not in {"next_page_token", "user_id"}:
                assert key in ours, f"{where}.{key} is missing"
                agree(ours[key], value, f"{where}.{key}")
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs), f"{where}: {len(ours)} instead of {len(theirs)}"
        ordered = [sorted(rows, key=json.dumps) if "tags" in where else rows for rows in (ours, theirs)]
        for one, other in zip(*ordered, strict=True):
            agree(one, other, where)
    else:
        assert str(ours) == str(theirs), f"{where}: {ours!r} instead of {theirs!r}"


# --- Windows ----------------------------------------------------------------------------------------------


def measure(generator: Generator, case: Case, *, clients: int, rounds: int, seconds: float) -> None:
    """Windows of every target in turn, and one line of medians."""
    windows: dict[str, list[Window]] = {name: [] for name in case.tasks}
    for task in case.tasks.values():
        generator.window(task, clients=clients, seconds=0.3)
    for turn in range(rounds):
        order = list(case.tasks.items())
        for name, task in order[turn % len(order) :] + order[: turn % len(order)]:
            windows[name].append(generator.window(task, clients=clients, seconds=seconds))
    print(f"\n{case.title}, {clients} client{'s' if clients > 1 else ''}")
    for name, found in windows.items():
        rate, latency, cost = (statistics.median(getattr(each, what) for each in found) for what in FIGURES)
        print(
            f"  {name:14}{rate:8.0f}/s {latency:9.1f} ms {cost:9.2f} ms cpu   {comparison(name, windows)}", flush=True
        )


FIGURES = ("rate", "median", "cost")


def comparison(name: str, windows: dict[str, list[Window]]) -> str:
    """Ours against the other product, in answers a second and in processor time; or against the last of our own."""
    last = list(windows)[-1]
    if name.startswith("mlflow"):
        return ""
    if last.startswith("mlflow"):
        peer = name.replace("ours, uc", "ours").replace("ours", "mlflow")
        text = f"rate {_ratio(windows, name, peer, 'rate')}  cpu {_ratio(windows, peer, name, 'cost')}"
        if name == "ours 100k":
            text += f"  latency to 10k {_ratio(windows, name, 'ours 10k', 'median')}"
        return text
    if name == last:
        return ""
    return f"to {last}: latency {_ratio(windows, name, last, 'median')}  cpu {_ratio(windows, name, last, 'cost')}"


def _ratio(windows: dict[str, list[Window]], name: str, other: str, figure: str) -> str:
    pairs = zip(windows[name], windows[other], strict=True)
    found = [getattr(one, figure) / getattr(two, figure) for one, two in pairs]
    return f"x{statistics.median(found):.2f} [{min(found):.2f}..{max(found):.2f}]"


if __name__ == "__main__":
    main()
