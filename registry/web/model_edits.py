"""What may be done to a model or a version from its page, and where the dialogs for it are."""

from collections.abc import Collection
from typing import Any

from django.urls import reverse

from registry.models import Securable
from registry.privileges import Action, SecurableType
from registry.web.template_tags import path_of


def model_edits(may: Collection[Action], securable: Securable) -> dict[str, Any]:
    """What the parts of every object's page read: `edit` with the addresses, `may_…` for what is offered."""
    parts = path_of(securable)
    routes = {"describe": "description", "tag": "tag", "untag": "untag", "rename": "rename", "delete": "delete"}
    edit = {verb: reverse(f"model-{route}", args=parts) for verb, route in routes.items()}
    edit["transfer"] = reverse("transfer-owner", args=[SecurableType(securable.type), securable.full_name])
    return {
        "edit": edit,
        "may": may,
        "may_edit": Action.UPDATE_MODEL in may,
        "may_tag": Action.TAG_MODEL in may,
        "may_rename": Action.RENAME_MODEL in may,
        "may_transfer": Action.TRANSFER in may,
        "may_delete": Action.DELETE_MODEL in may,
        "may_move": Action.SET_ALIAS in may,
    }


def version_edits(may: Collection[Action], securable: Securable, number: int) -> dict[str, Any]:
    """As `model_edits`, for a version; its aliases and files besides."""
    parts = [*path_of(securable), number]
    routes = {"describe": "description", "tag": "tag", "untag": "untag", "delete": "delete", "aliases": "aliases"}
    return {
        "edit": {verb: reverse(f"version-{route}", args=parts) for verb, route in routes.items()},
        "may": may,
        "may_edit": Action.UPDATE_VERSION in may,
        "may_tag": Action.TAG_VERSION in may,
        "may_delete": Action.DELETE_VERSION in may,
        "may_move": Action.SET_ALIAS in may,
        "may_load": Action.LOAD_VERSION in may,
        "may_register": Action.CREATE_VERSION in may,
    }
