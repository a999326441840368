"""Where the files of versions are, as object-store clients spell it: `s3://<bucket>/<model id>/<version>/<path>`.

Both ids outlive a rename, so a client that holds a location keeps it.
"""

from django.conf import settings

from registry.models import ModelVersion, RegisteredModel


def model_location(model: RegisteredModel) -> str:
    """The URI below which the versions of a model lie."""
    return f"s3://{settings.S3_DOOR_BUCKET}/{model.securable_id}"


def version_location(version: ModelVersion) -> str:
    """The URI of a version's root. Reads the model: select it with the row."""
    return f"{model_location(version.model)}/{version.version}"


def key_prefix(version: ModelVersion) -> str:
    """What the keys of a version's files begin with, with the slash. Reads the model: select it with the row."""
    return f"{version.model.securable_id}/{version.version}/"
