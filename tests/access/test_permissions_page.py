"""docs/permissions.md says what the decision table says."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from registry.privileges import ACTIONS_ON, GRANTABLE, RULES, Action, Privilege, Right, Rule, SecurableType

PAGE = Path(settings.BASE_DIR, "docs", "permissions.md").read_text()
HEADINGS = {
    SecurableType.METASTORE: "### On the metastore",
    SecurableType.CATALOG: "### On a catalog",
    SecurableType.SCHEMA: "### On a schema",
    SecurableType.REGISTERED_MODEL: "### On a model and its versions",
    SecurableType.TABLE: "### On a table",
}
WORDS = {
    Right.OWNER: "is owner",
    Right.OWNS: "owns",
    Right.ADMINISTERS: "administers",
    Right.USER: "may use it",
    Right.BROWSER: "`BROWSE`",
}
PARENTS = {SecurableType.SCHEMA: "catalog", SecurableType.REGISTERED_MODEL: "both", SecurableType.TABLE: "both"}


def section(heading: str) -> str:
    return re.split(r"\n#{2,3} ", PAGE.split(f"{heading}\n", 1)[1])[0]


def table_rows(text: str) -> dict[str, list[str]]:
    """The lines of a table by the code in their first cell."""
    lines = [line.strip().strip("|").split("|") for line in text.splitlines() if line.startswith("| `")]
    return {cells[0].strip().strip("`"): [cell.strip() for cell in cells[1:]] for cells in lines}


def needs(rule: Rule) -> str:
    said = [WORDS[right] if isinstance(right, Right) else f"`{right}`" for right in rule.any_of]
    return " or ".join(said) + (f", and `{rule.also_on_schema}` on the schema" if rule.also_on_schema else "")


def parents(kind: SecurableType, rule: Rule) -> str:
    if rule.inside:
        return {SecurableType.CATALOG: "the catalog's own", SecurableType.SCHEMA: "catalog, and its own"}[kind]
    return PARENTS.get(kind, "none") if rule.parents else "none"


@pytest.mark.parametrize("kind", SecurableType)
def test_every_action_stands_there_with_its_rule(kind):
    rows = table_rows(section(HEADINGS[kind]))
    assert set(rows) == set(ACTIONS_ON[kind])
    for action, (words, need, parent) in rows.items():
        assert words, action
        assert need == needs(RULES[Action(action)]), action
        assert parent == parents(kind, RULES[Action(action)]), action


def test_every_privilege_stands_there_with_where_it_is_granted():
    order = list(SecurableType)
    rows = table_rows(section("## Privileges"))
    assert set(rows) == set(Privilege)
    for privilege, (words, *marks) in rows.items():
        assert words, privilege
        granted = {kind for kind, mark in zip(order, marks, strict=True) if mark == "yes"}
        assert granted == {kind for kind in SecurableType if privilege in GRANTABLE[kind]}, privilege
