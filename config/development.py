"""The commands of those who change the product; they run in the development environment."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = ("registry", "serving", "monitoring", "templates")
LINTERS: Mapping[str, Sequence[str]] = {
    "ruff": ("-m", "ruff", "check", "."),
    "ruff format": ("-m", "ruff", "format", "--check", "."),
    # It has no module to run; its script in .venv/bin would name the place where it was installed.
    "import-linter": ("-c", "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"),
    "djlint": ("-m", "djlint", *TEMPLATES, "--lint", "--quiet", "--allow-empty-input"),
    "djlint format": ("-m", "djlint", *TEMPLATES, "--check", "--quiet", "--allow-empty-input"),
    "mypy": ("-m", "mypy"),
}
MOST_PROCESSES = 8
"""More of them wait for the one PostgreSQL of the run."""
LOCKS = {
    "requirements.in": "requirements.lock",
    "requirements-demo.in": "requirements-demo.lock",
    "requirements-dev.in": "requirements-dev.lock",
}


def test(arguments: Sequence[str]) -> int:
    """Become pytest, a process a core unless the caller chooses; PostgreSQL and Redis come with it."""
    chosen = any(argument.startswith(("-n", "--numprocesses")) for argument in arguments)
    # A group's tests share what is slow to start.
    processes = min(max(os.cpu_count() or 1, 2), MOST_PROCESSES)
    spread = [] if chosen else ["-n", str(processes), "--dist", "loadgroup"]
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *spread, *arguments])


def lint(arguments: Sequence[str]) -> int:
    """Run every static check, or only the named ones; answer 0 when all pass."""
    unknown = set(arguments) - set(LINTERS)
    if unknown:
        sys.stderr.write(f"manage.py lint: no check {sorted(unknown)}; there are {sorted(LINTERS)}\n")
        return 2
    failed = [name for name in arguments or LINTERS if not _passes(name)]
    if failed:
        sys.stdout.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


def _passes(name: str) -> bool:
    began = time.monotonic()
    result = subprocess.run([sys.executable, *LINTERS[name]], cwd=ROOT, capture_output=True, text=True, check=False)
    passed = result.returncode == 0
    sys.stdout.write(f"{'ok    ' if passed else 'FAILED'}  {name}   {time.monotonic() - began:.1f} s\n")
    if not passed:
        sys.stdout.write(result.stdout + result.stderr)
    sys.stdout.flush()
    return passed


def lock(arguments: Sequence[str]) -> int:
    """Resolve the requirements anew into hashed locks; `--upgrade` also takes newer versions."""
    options = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--no-header"]
    for source, target in LOCKS.items():
        command = [
            sys.executable,
            "-m",
            "uv",
            "pip",
            "compile",
            "--quiet",
            *options,
            source,
            "-o",
            target,
            *arguments,
        ]
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        if code != 0:
            return code
    return 0


def screenshots(arguments: Sequence[str]) -> int:
    """Become the program that renders every screen into a folder."""
    os.chdir(ROOT)
    os.execv(sys.executable, [sys.executable, "-m", "tests.screens.take", *arguments])


COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "test": test,
    "lint": lint,
    "lock": lock,
    "screenshots": screenshots,
}
