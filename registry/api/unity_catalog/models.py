"""Registered models and their aliases."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.unity_catalog import shapes
from registry.api.unity_catalog.catalogs import browse_only_in, changes_in
from registry.api.wire import actor_of, flag_of, number_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.services import aliases, model_versions, registered_models


def tag_list(parameters: dict[str, Any]) -> dict[str, Any]:
    """The `tags` of a create call as a mapping.

    Raises:
        InvalidParameter: not a list of {key, value}.
    """
    given = parameters.get("tags") or []
    if not isinstance(given, list) or not all(isinstance(tag, dict) for tag in given):
        raise InvalidParameter("'tags' must be a list of objects with 'key' and 'value'.", field="tags")
    return {tag.get("key"): tag.get("value") for tag in given}


class Models(APIView):
    """POST and GET models."""

    def post(self, request: Request) -> Response:
        """Make a model."""
        parameters = parameters_of(request)
        parts = [text_of(parameters, key) for key in ("catalog_name", "schema_name", "name")]
        name = ".".join(part for part in parts if part)
        actor = actor_of(request)
        registered_models.create_model(
            actor=actor,
            name=name,
            comment=text_of(parameters, "comment"),
            tags=tag_list(parameters),
            deployment_job_id=text_of(parameters, "deployment_job_id"),
        )
        return object_response(shapes.registered_model(registered_models.get_model(actor=actor, name=name)))

    def get(self, request: Request) -> Response:
        """List models: of one schema, or all that the caller may see."""
        parameters = parameters_of(request)
        page = registered_models.list_models(
            actor=actor_of(request),
            catalog=text_of(parameters, "catalog_name"),
            schema=text_of(parameters, "schema_name"),
            max_results=number_of(parameters, "max_results", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        found = browse_only_in(request, [model.securable for model in page.items]) or set()
        listed = [shapes.registered_model(model, browse_only=model.securable.pk in found) for model in page.items]
        return object_response({"registered_models": listed, "next_page_token": page.next_page_token})


class Model(APIView):
    """GET, PATCH and DELETE models/{full_name}."""

    def get(self, request: Request, full_name: str) -> Response:
        """Show a model."""
        view = registered_models.browse_model(actor=actor_of(request), name=full_name)
        include_aliases = flag_of(parameters_of(request), "include_aliases")
        return object_response(
            shapes.registered_model(view.model, include_aliases=include_aliases, browse_only=view.browse_only)
        )

    def patch(self, request: Request, full_name: str) -> Response:
        """Change a model."""
        parameters = parameters_of(request)
        job = parameters.get("deployment_job_id")
        model = registered_models.update_model(
            actor=actor_of(request),
            name=full_name,
            changes=changes_in(parameters),
            deployment_job_id=None if job is None else str(job),
        )
        return object_response(shapes.registered_model(model))

    def delete(self, request: Request, full_name: str) -> Response:
        """Delete a model with all versions."""
        registered_models.delete_model(actor=actor_of(request), name=full_name)
        return object_response({})


class Alias(APIView):
    """PUT, GET and DELETE models/{full_name}/aliases/{alias}."""

    def put(self, request: Request, full_name: str, alias: str) -> Response:
        """Point an alias at a version."""
        version = parameters_of(request).get("version_num")
        found = aliases.set_alias(actor=actor_of(request), name=full_name, alias=alias, version=version)
        catalog_name, schema_name, model_name = found.model.securable.full_name.split(".")
        return object_response(
            {
                "alias_name": found.name,
                "version_num": found.version.version,
                "id": str(found.pk),
                "catalog_name": catalog_name,
                "schema_name": schema_name,
                "model_name": model_name,
            }
        )

    def get(self, request: Request, full_name: str, alias: str) -> Response:
        """The version that an alias points at."""
        version = model_versions.get_version_by_alias(actor=actor_of(request), name=full_name, alias=alias)
        return object_response(shapes.model_version(version))

    def delete(self, request: Request, full_name: str, alias: str) -> Response:
        """Take an alias away."""
        aliases.delete_alias(actor=actor_of(request), name=full_name, alias=alias)
        return object_response({})
