"""Tags as assignments to an entity: the same tags that models carry in MLflow's dialects and in SQL."""

from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.wire import actor_of, number_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.models import SecurableTag
from registry.privileges import SecurableType
from registry.services import tag_assignments

_TYPES = {
    "catalogs": SecurableType.CATALOG,
    "schemas": SecurableType.SCHEMA,
    "tables": SecurableType.TABLE,
    "models": SecurableType.REGISTERED_MODEL,
    "functions": SecurableType.REGISTERED_MODEL,
}


def _type(text: str) -> SecurableType:
    found = _TYPES.get(text.lower())
    if found is None:
        raise InvalidParameter(f"'entity_type' is '{text}': use one of {', '.join(_TYPES)}.", field="entity_type")
    return found


def _shape(tag: SecurableTag, *, entity_type: str, entity_name: str) -> dict[str, Any]:
    return {
        "entity_type": entity_type,
        "entity_name": entity_name,
        "tag_key": tag.key,
        "tag_value": tag.value,
        "update_time": tag.updated_at.isoformat().replace("+00:00", "Z"),
        "updated_by": tag.updated_by.name if tag.updated_by else None,
    }


class Assignments(APIView):
    """POST entity-tag-assignments."""

    def post(self, request: Request) -> Response:
        """Tag an entity that has no such tag yet."""
        parameters = parameters_of(request)
        entity_type = text_of(parameters, "entity_type", required=True)
        entity_name = text_of(parameters, "entity_name", required=True)
        tag = tag_assignments.create_tag(
            actor=actor_of(request),
            type_=_type(entity_type),
            full_name=entity_name,
            key=text_of(parameters, "tag_key", required=True),
            value=text_of(parameters, "tag_value"),
        )
        return object_response(_shape(tag, entity_type=entity_type, entity_name=entity_name))


class EntityTags(APIView):
    """GET entity-tag-assignments/{entity_type}/{entity_name}/tags."""

    def get(self, request: Request, entity_type: str, entity_name: str) -> Response:
        """List the tags of an entity."""
        parameters = parameters_of(request)
        page = tag_assignments.list_tags(
            actor=actor_of(request),
            type_=_type(entity_type),
            full_name=entity_name,
            max_results=number_of(parameters, "max_results", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        shaped = [_shape(tag, entity_type=entity_type, entity_name=entity_name) for tag in page.items]
        return object_response({"tag_assignments": shaped, "next_page_token": page.next_page_token})


class EntityTag(APIView):
    """GET, PATCH and DELETE entity-tag-assignments/{entity_type}/{entity_name}/tags/{tag_key}."""

    def get(self, request: Request, entity_type: str, entity_name: str, tag_key: str) -> Response:
        """Show one tag."""
        tag = tag_assignments.get_tag(
            actor=actor_of(request), type_=_type(entity_type), full_name=entity_name, key=tag_key
        )
        return object_response(_shape(tag, entity_type=entity_type, entity_name=entity_name))

    def patch(self, request: Request, entity_type: str, entity_name: str, tag_key: str) -> Response:
        """Give the tag another value."""
        parameters = parameters_of(request)
        fields_in(parameters, known=("tag_value",))
        tag = tag_assignments.update_tag(
            actor=actor_of(request),
            type_=_type(entity_type),
            full_name=entity_name,
            key=tag_key,
            value=text_of(parameters, "tag_value"),
        )
        return object_response(_shape(tag, entity_type=entity_type, entity_name=entity_name))

    def delete(self, request: Request, entity_type: str, entity_name: str, tag_key: str) -> Response:
        """Take the tag off."""
        tag_assignments.delete_tag(
            actor=actor_of(request), type_=_type(entity_type), full_name=entity_name, key=tag_key
        )
        return object_response({})


def fields_in(parameters: Mapping[str, Any], *, known: tuple[str, ...]) -> set[str]:
    """The fields that an update is about: those of its mask, all for `*`, and those it sends where it has no mask.

    Raises:
        InvalidParameter: a field that cannot be updated.
    """
    mask = {field.strip() for field in text_of(parameters, "update_mask").split(",")} - {""}
    if "*" in mask:
        return set(known)
    unknown = mask - set(known)
    if unknown:
        raise InvalidParameter(f"'update_mask' names '{min(unknown)}': use {', '.join(known)}.", field="update_mask")
    return mask or {field for field in known if field in parameters}
