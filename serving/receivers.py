"""What serving does when the registry tells it something."""

import logging
from typing import Any
from uuid import UUID

from django.db import Error
from django.dispatch import receiver

from registry.events import alias_moved, model_version_deleted, model_version_ready
from registry.models import ModelVersion, RegisteredModel
from serving.services.endpoint_aliases import follow_aliases, tell_alias_removed, tell_version_deleted

logger = logging.getLogger(__name__)


@receiver(alias_moved, dispatch_uid="serving.alias_moved")
def follow_alias(model: RegisteredModel, alias: str, version: ModelVersion | None, **_: Any) -> None:
    """Endpoints that follow the alias are asked to serve what it names now."""
    try:
        if version is None:
            tell_alias_removed(model_id=model.pk, alias=alias)
        else:
            follow_aliases(model_id=model.pk)
    except Error:
        logger.exception("endpoints could not follow @%s; the next sweep tries again", alias)


@receiver(model_version_ready, dispatch_uid="serving.model_version_ready")
def follow_ready_version(version: ModelVersion, **_: Any) -> None:
    """An alias may have been pointed at a version before that was READY."""
    try:
        follow_aliases(model_id=version.model_id)
    except Error:
        logger.exception("endpoints could not follow version %s; the next sweep tries again", version.pk)


@receiver(model_version_deleted, dispatch_uid="serving.model_version_deleted")
def tell_of_deletion(model_id: UUID, version_id: UUID, **_: Any) -> None:  # noqa: ARG001  (the signal's own words)
    """Whoever serves a deleted version is told."""
    try:
        tell_version_deleted()
    except Error:
        logger.exception("the deletion of version %s could not be told to its endpoints", version_id)
