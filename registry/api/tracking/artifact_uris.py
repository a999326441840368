"""One place on disk, two spellings: clients of the workspace kind refuse `mlflow-artifacts:` URIs.

`mlflow-artifacts:/E/models/m-x/artifacts` is `dbfs:/databricks/mlflow-tracking/E/logged_models/m-x/artifacts` there.
"""

import re

from django.http import HttpRequest

_FIELD = re.compile(
    rb'("(?:artifact_uri|artifact_location|root_uri|mlflow\.artifactLocation)":\s*")mlflow-artifacts:/([^"]*)'
)
_TAG = re.compile(rb'("key":\s*"mlflow\.artifactLocation",\s*"value":\s*")mlflow-artifacts:/([^"]*)')
_LOGGED_MODEL = re.compile(rb"([^/]+)/models/(m-[^/]+)")
_TRACE = re.compile(rb"([^/]+)/traces/(tr-[^/]+)")
_WORKSPACE_ROOT = b"dbfs:/databricks/mlflow-tracking/"


def speaks_workspace_uris(request: HttpRequest) -> bool:
    """Whether this client reads artifacts through the workspace's files API."""
    return "databricks-sdk" in request.headers.get("User-Agent", "")


def spell_for_workspace(body: bytes) -> bytes:
    """A JSON answer with its artifact URIs respelled; text that merely looks like one inside a value stays."""
    return _TAG.sub(_respell, _FIELD.sub(_respell, body))


def _respell(match: re.Match[bytes]) -> bytes:
    path = _LOGGED_MODEL.sub(rb"\1/logged_models/\2", match[2], count=1)
    # These clients know the place of a trace by the prefix of its id.
    return match[1] + _WORKSPACE_ROOT + _TRACE.sub(rb"\1/\2", path, count=1)
