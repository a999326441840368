"""Where files are kept: folders of the data folder, or an object store that the environment names."""

from __future__ import annotations

from collections.abc import Mapping

SCHEME = "s3://"


def tracking_root(environment: Mapping[str, str], *, default: str) -> str:
    """Answer where runs keep their files: as named, else beside the artifacts of an object store, else `default`."""
    named, artifacts = environment.get("MODELKEEP_TRACKING_ROOT"), environment.get("ARTIFACT_ROOT", "")
    if named:
        return named
    return f"{artifacts.rstrip('/')}/tracking" if artifacts.startswith(SCHEME) else default
