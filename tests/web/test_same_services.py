"""Whatever the screens change, REST changes by the same function: told from the source, by who refers to whom."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

REGISTRY = Path(__file__).resolve().parents[2] / "registry"
SERVICES = "registry.services"
Function = tuple[str, str]
"""A function of a service: its module and its name."""

ONLY_ON_SCREENS = {
    ("aliases", "move_aliases"): "one step of a board with its undo; clients move one alias at a time, by set_alias",
    ("description_suggestions", "_facts_of_model"): "changes nothing, is noted; a draft is for a person to look at",
    ("description_suggestions", "_facts_of_version"): "as for a model",
    ("ownership", "transfer_ownership"): "tells who owned it before, for an undo; REST takes an owner in any update",
    ("passwords", "change_password"): "a password is typed by a person; programs have tokens and secrets",
    ("passwords", "reset_password"): "handed over by a person, to be replaced at the first sign-in",
    ("provisioning", "enroll_user"): "create_user and reset_password in one step, for a person to hand over",
}
"""Changes that no API offers, and why."""


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _names(tree: ast.Module, own: str = "") -> dict[str, Function]:
    """What each name in a file means: functions of services, or, with an empty name, modules of services."""
    known = {one.name: (own, one.name) for one in tree.body if own and isinstance(one, ast.FunctionDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(SERVICES):
            module = node.module.removeprefix(SERVICES).lstrip(".")
            for alias in node.names:
                known[alias.asname or alias.name] = (module, alias.name) if module else (alias.name, "")
    return known


def _referred(node: ast.AST, names: dict[str, Function]) -> Iterator[Function]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and part.id in names and names[part.id][1]:
            yield names[part.id]
        elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id in names:
            module, name = names[part.value.id]
            if not name:
                yield module, part.attr


@cache
def services() -> tuple[dict[Function, frozenset[Function]], frozenset[Function]]:
    """Whom each function of the services refers to, and which of them write an audit row for a change."""
    graph: dict[Function, frozenset[Function]] = {}
    changing = set()
    for path in sorted((REGISTRY / "services").glob("*.py")):
        names = _names(_tree(path), path.stem)
        for one in _tree(path).body:
            if not isinstance(one, ast.FunctionDef):
                continue
            graph[path.stem, one.name] = frozenset(_referred(one, names))
            decorators = {ast.unparse(decorator).partition("(")[0] for decorator in one.decorator_list}
            if "audited" in decorators:
                changing.add((path.stem, one.name))
    return graph, frozenset(changing)


def reached_from(files: Iterable[Path]) -> set[Function]:
    """Every function of the services that some files come to, directly or through others."""
    graph, _ = services()
    waiting = [found for path in files for found in _referred(_tree(path), _names(_tree(path)))]
    reached: set[Function] = set()
    while waiting:
        function = waiting.pop()
        if function not in reached:
            reached.add(function)
            waiting += graph.get(function, ())
    return reached


def test_every_change_of_the_screens_is_offered_over_rest():
    _, changing = services()
    on_screens = reached_from((REGISTRY / "web").glob("*.py")) & changing
    over_rest = reached_from((REGISTRY / "api").rglob("*.py")) & changing
    assert len(on_screens) > 30, "the screens change things"
    missing = on_screens - over_rest - set(ONLY_ON_SCREENS)
    assert not missing, f"no API calls {sorted(missing)}: add it there, or say above why not"


def test_the_exceptions_are_still_exceptions():
    _, changing = services()
    over_rest = reached_from((REGISTRY / "api").rglob("*.py"))
    on_screens = reached_from((REGISTRY / "web").glob("*.py"))
    assert set(ONLY_ON_SCREENS) <= (changing & on_screens) - over_rest
