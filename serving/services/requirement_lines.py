"""Requirement lines as data: what a model may ask for, and what is refused because it would be more than a name.

A line names a package and its releases. Everything that would fetch, run or read something else (`-r`, indexes,
version control, URLs, paths) is refused by name, before anything is resolved.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from serving.services.environment_errors import EnvironmentFailed

MAX_LINES = 2000
MAX_LINE_LENGTH = 1000
_COMMENT = re.compile(r"(^|\s)#.*$")
_VERSION_CONTROL = re.compile(r"\b(git|hg|svn|bzr)\+", re.IGNORECASE)
_OWN_CODE = "Build a wheel of it and have the operator offer it, or log it with code_paths."
_SOURCES = "The operator of this server chooses where packages come from: leave it out."
_REMEDIES = {
    **dict.fromkeys(("-r", "--requirement"), "Write the lines of that file here."),
    **dict.fromkeys(
        ("-c", "--constraint"), "MLflow keeps such a file as constraints.txt beside the model: name that."
    ),
    **dict.fromkeys(("-e", "--editable"), _OWN_CODE),
    **dict.fromkeys(
        ("-i", "--index-url", "--extra-index-url", "-f", "--find-links", "--trusted-host", "--no-index"), _SOURCES
    ),
}


@dataclass(frozen=True)
class RequirementLine:
    """A package and its releases. `origin` says where the author wrote it, for messages."""

    text: str
    name: str
    origin: str

    def __str__(self) -> str:
        return self.text


def parse_lines(lines: Iterable[str], *, origin: str) -> list[RequirementLine]:
    """Read the lines of a requirements file. `origin` names it in messages.

    Raises:
        EnvironmentFailed: a line is more than a package with its releases, or cannot be read.
    """
    found = []
    for number, text in _joined(lines):
        if number > MAX_LINES:
            raise EnvironmentFailed(f"{origin} has more than {MAX_LINES:,} lines.")
        if text:
            found.append(parse_line(text, origin=f"{origin}, line {number}"))
    return found


def _joined(lines: Iterable[str]) -> Iterable[tuple[int, str]]:
    """Lines without comments, continued ones as one, with their numbers from 1."""
    begun, pending = 0, ""
    for number, raw in enumerate(lines, start=1):
        text = _COMMENT.sub("", raw.strip())
        begun = begun if pending else number
        if text.endswith("\\"):
            pending += text[:-1] + " "
            continue
        yield begun, (pending + text).strip()
        pending = ""
    if pending:
        yield begun, pending.strip()


def parse_line(text: str, *, origin: str) -> RequirementLine:
    """Read one line.

    Raises:
        EnvironmentFailed: as `parse_lines`.
    """
    if len(text) > MAX_LINE_LENGTH:
        raise EnvironmentFailed(f"{origin} is longer than {MAX_LINE_LENGTH:,} characters.", line=text[:100])
    _refuse_more_than_a_name(text, origin)
    try:
        parsed = Requirement(text)
    except InvalidRequirement as error:
        reason = str(error).partition("\n")[0]
        raise EnvironmentFailed(
            f"{origin}, cannot be read: '{text}' ({reason}).", line=text, suggestion="Write it as name==version."
        ) from error
    return RequirementLine(text=str(parsed), name=canonicalize_name(parsed.name), origin=origin)


def _refuse_more_than_a_name(text: str, origin: str) -> None:
    what, remedy = "", ""
    if text.startswith("-"):
        option = re.split(r"[=\s]", text, maxsplit=1)[0]
        # Short options take their value without a space too.
        option = option if option.startswith("--") else option[:2]
        what, remedy = f"the option {option}", _REMEDIES.get(option, "Leave it out.")
    elif _VERSION_CONTROL.search(text):
        what, remedy = "version control", _OWN_CODE
    elif "://" in text or "@" in text.partition(";")[0]:
        what, remedy = "a URL", "Name the package and its release, as name==version."
    elif text.startswith((".", "/", "~")) or re.search(r"[/\\]|\.(whl|zip|tar\.gz)\b", text.partition(";")[0]):
        what, remedy = "a local path", _OWN_CODE
    elif "--" in text.partition(";")[0]:
        what, remedy = "an option after the requirement", "Leave it out: hashes are found and kept here."
    if what:
        raise EnvironmentFailed(
            f"{origin}, is refused: '{text}' uses {what}; only packages and their releases can be asked for.",
            line=text,
            suggestion=remedy,
        )


def add_lines(old: Sequence[RequirementLine], new: Sequence[RequirementLine]) -> list[RequirementLine]:
    """The old lines with new ones, which replace those of the same package in their place."""
    latest = {line.name: line for line in new}
    kept = [latest.pop(line.name, line) for line in old]
    return [*dict.fromkeys(kept), *latest.values()]


def remove_lines(old: Sequence[RequirementLine], names: Iterable[str]) -> list[RequirementLine]:
    """The old lines without these packages; names that are not there are ignored."""
    given = list(names)
    gone = {*given, *(canonicalize_name(name) for name in given)}
    return [line for line in old if line.name not in gone]
