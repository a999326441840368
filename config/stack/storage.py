"""Where files are kept: folders of the data folder, or an object store that the environment names."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from config.stack.errors import StackError

SCHEME = "s3://"
_ROOT = Path(__file__).resolve().parent.parent.parent
_PREFIXES = ("AWS_", "MODELKEEP_S3_")
_CHECK_SECONDS = 60


def tracking_root(environment: Mapping[str, str], *, default: str) -> str:
    """Answer where runs keep their files: as named, else beside the artifacts of an object store, else `default`."""
    named, artifacts = environment.get("MODELKEEP_TRACKING_ROOT"), environment.get("ARTIFACT_ROOT", "")
    if named:
        return named
    return f"{artifacts.rstrip('/')}/tracking" if artifacts.startswith(SCHEME) else default


def storage_environment(given: Mapping[str, str]) -> dict[str, str]:
    """Answer the variables that name the place of files, and those that open an object store, its keys included."""
    root = {"ARTIFACT_ROOT": given["ARTIFACT_ROOT"]} if given.get("ARTIFACT_ROOT") else {}
    if not any(place.startswith(SCHEME) for place in _roots(given)):
        return root
    return root | {name: value for name, value in given.items() if name.startswith(_PREFIXES)}


def mlflow_environment(given: Mapping[str, str]) -> dict[str, str]:
    """Answer what MLflow's server must be told besides, to reach the object store that the rest of us reaches."""
    endpoint = given.get("AWS_ENDPOINT_URL_S3") or given.get("AWS_ENDPOINT_URL")
    if not endpoint:
        return {}
    wanted = {
        "MLFLOW_S3_ENDPOINT_URL": endpoint,
        "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE": "path",
        # Stores other than AWS reject the newer checksums.
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
    }
    return {name: value for name, value in wanted.items() if not given.get(name)}


def _roots(environment: Mapping[str, str]) -> tuple[str, str]:
    return environment.get("ARTIFACT_ROOT", ""), environment.get("MODELKEEP_TRACKING_ROOT", "")


def require_usable(environment: Mapping[str, str]) -> None:
    """Raise StackError when files cannot be kept where the environment says, and say why."""
    for name in ("MODELKEEP_TABLE_ROOT", "MODELKEEP_SQL_ROOT"):
        if environment.get(name, "").startswith(SCHEME):
            raise StackError(f"{name} must be a folder: queries run without a network, on files of this machine.")
    fault = find_fault(environment)
    if fault:
        raise StackError(fault)


def find_fault(environment: Mapping[str, str]) -> str:
    """Answer why the object store that the environment names cannot be used; nothing when it can, or when none is.

    Asks in a process of its own: this one is small, and has no Django.
    """
    if not any(root.startswith(SCHEME) for root in _roots(environment)):
        return ""
    command = [sys.executable, str(_ROOT / "manage.py"), "check_store"]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=_CHECK_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"The object store of ARTIFACT_ROOT did not answer within {_CHECK_SECONDS} s."
    # The reason comes last, after whatever the process wrote besides.
    said = done.stderr.strip().splitlines() or ["The object store of ARTIFACT_ROOT could not be checked."]
    return "" if done.returncode == 0 else said[-1].removeprefix("CommandError: ")
