"""From requirement lines to a lock: every package with its release and hashes, or the line that stands in the way."""

import hashlib
import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

from serving.services.environment_errors import EnvironmentFailed
from serving.services.interpreters import Interpreter
from serving.services.package_names import meant_package
from serving.services.requirement_lines import RequirementLine
from serving.services.uv_process import Canceled, Log, UvResult, never, run_uv, silent
from serving.services.wanted_environments import CONSTRAINTS, WantedEnvironment

_MISSING = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*) was not found in the (?:package registry|provided package)")
_NO_RELEASE = re.compile(r"(?:there (?:is|are) no versions? of|only) ([A-Za-z0-9][A-Za-z0-9._-]*)")
_NO_WHEEL = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:[=<>!~][^ ]*)? has no (?:usable )?wheels")
_NO_NETWORK = re.compile(r"(?:Failed to fetch|error sending request|dns error|Request failed)[^\n]*", re.IGNORECASE)
_LOCKED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+)", re.MULTILINE)
_FORBIDDEN_HINT = "Ask for a release that has a wheel"


def question_key(wanted: WantedEnvironment, interpreter: Interpreter) -> str:
    """The hash of all that the answer depends on: lines, Python, platform, and where packages come from."""
    facts = [
        wanted.text,
        interpreter.version,
        interpreter.platform,
        settings.SERVING_INDEX_URL,
        settings.SERVING_WHEELS,
        settings.SERVING_NO_INDEX,
        settings.SERVING_SOURCE_BUILDS,
        *([wanted.constraints_text] if wanted.constraints else []),
    ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def environment_digest(lock: str, interpreter: Interpreter) -> str:
    """The hash of interpreter, platform and lock: equal environments have equal ones."""
    return hashlib.sha256("\0".join((interpreter.version, interpreter.platform, lock)).encode()).hexdigest()


def locked_packages(lock: str) -> list[tuple[str, str]]:
    """Name and release of every package of a lock."""
    return _LOCKED.findall(lock)


def source_arguments() -> list[str]:
    """Where packages come from, as arguments of uv."""
    arguments = []
    if settings.SERVING_WHEELS:
        arguments += ["--find-links", str(Path(settings.SERVING_WHEELS).resolve())]
    if settings.SERVING_NO_INDEX:
        arguments.append("--no-index")
    elif settings.SERVING_INDEX_URL:
        arguments += ["--default-index", settings.SERVING_INDEX_URL]
    if not settings.SERVING_SOURCE_BUILDS:
        arguments += ["--only-binary", ":all:"]
    return arguments


def resolve_packages(
    wanted: WantedEnvironment, interpreter: Interpreter, *, log: Log = silent, canceled: Canceled = never
) -> str:
    """The lock of what was asked for. Installs nothing and runs no code of any package.

    Raises:
        EnvironmentFailed: a package or release that does not exist, or lines that contradict each other.
        BuildCanceled, Unavailable.
    """
    result = _compile(
        wanted.text,
        interpreter,
        ["--generate-hashes"],
        constraints=wanted.constraints_text,
        log=log,
        canceled=canceled,
    )
    if result.code != 0:
        raise _explained(result.messages, wanted, interpreter)
    return result.output.strip() + "\n"


def _compile(
    text: str,
    interpreter: Interpreter,
    arguments: Sequence[str],
    *,
    constraints: str = "",
    log: Log = silent,
    canceled: Canceled = never,
) -> UvResult:
    # A folder of its own: uv reads project files where it runs.
    with tempfile.TemporaryDirectory(prefix="resolve-", dir=settings.SERVING_ROOT) as folder:
        bounds = Path(folder, CONSTRAINTS)
        bounds.write_text(constraints, encoding="utf-8")
        return run_uv(
            [
                *("pip", "compile", "-", "--python", interpreter.path, "--no-header", "--no-annotate"),
                *("--no-emit-index-url", "--no-emit-find-links"),
                *("--constraints", str(bounds)),
                *source_arguments(),
                *arguments,
            ],
            log=log,
            canceled=canceled,
            text=text,
            cwd=Path(folder),
        )


def _explained(messages: str, wanted: WantedEnvironment, interpreter: Interpreter) -> EnvironmentFailed:
    """What uv said, as the line at fault and what to do."""
    told = " ".join(messages.split())
    if match := _MISSING.search(told):
        return _missing(match.group(1), wanted)
    if match := _NO_WHEEL.search(told):
        return _no_release(match.group(1), wanted, interpreter, what="has no wheel")
    if (match := _NO_RELEASE.search(told)) and "and you require" in told and "depends on" not in told:
        return _no_release(match.group(1), wanted, interpreter, what="does not exist")
    if match := _NO_NETWORK.search(messages):
        return EnvironmentFailed(
            f"The package index does not answer ({match.group(0).strip()[:200]}).",
            suggestion="Try again later, or have the operator give a folder of wheels (MODELKEEP_SERVING_WHEELS).",
        )
    lines = [line for line in (*wanted.lines, *wanted.constraints) if re.search(rf"\b{re.escape(line.name)}\b", told)]
    reason = told.partition("cause: ")[2].partition(" hint:")[0] or told
    return EnvironmentFailed(
        f"The requirements contradict each other: {reason[:1500]}",
        line="; ".join(line.text for line in lines),
        suggestion="Loosen " + " or ".join(f"'{line.text}'" for line in lines) + "." if lines else "",
    )


def _line_about(name: str, wanted: WantedEnvironment) -> RequirementLine | None:
    canonical = name.lower().replace("_", "-").replace(".", "-")
    return next((line for line in (*wanted.lines, *wanted.constraints) if line.name == canonical), None)


def _where(line: RequirementLine | None, name: str) -> str:
    return f"{line.origin}, '{line.text}'" if line else f"'{name}', which another package needs"


def _sources() -> str:
    return f"the folder {settings.SERVING_WHEELS}" if settings.SERVING_NO_INDEX else "the package index"


def _missing(name: str, wanted: WantedEnvironment) -> EnvironmentFailed:
    line = _line_about(name, wanted)
    meant = meant_package(name)
    return EnvironmentFailed(
        f"{_where(line, name)}: there is no package '{name}' in {_sources()}.",
        line=line.text if line else name,
        suggestion=f"Did you mean '{meant}'?" if meant else "Check its spelling, or leave it out.",
    )


def _no_release(name: str, wanted: WantedEnvironment, interpreter: Interpreter, *, what: str) -> EnvironmentFailed:
    line = _line_about(name, wanted)
    nearest = _nearest_releases(line, interpreter) if line else []
    python = f"Python {interpreter.version}"
    return EnvironmentFailed(
        f"{_where(line, name)}: this release {what} for {python} in {_sources()}.",
        line=line.text if line else name,
        suggestion=(
            "Nearest that can be had: " + ", ".join(f"{name}=={release}" for release in nearest) + "."
            if nearest
            else f"{_FORBIDDEN_HINT} for {python}."
        ),
    )


def _nearest_releases(line: RequirementLine, interpreter: Interpreter) -> list[str]:
    """The releases next below and next above the one that was named, as far as they can be had."""
    named = [_version_of(one.version) for one in Requirement(line.text).specifier]
    pivot = next((version for version in named if version is not None), None)
    if pivot is None:
        return []
    found = []
    for text, order in ((f"{line.name}<{pivot}", "highest"), (f"{line.name}>{pivot}", "lowest-direct")):
        result = _compile(text, interpreter, ["--no-deps", "--resolution", order])
        found += [release for _, release in locked_packages(result.output)] if result.code == 0 else []
    return found


def _version_of(text: str) -> Version | None:
    try:
        return Version(text.removesuffix(".*"))
    except InvalidVersion:
        return None
