"""Registered models, their tags and aliases."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.mlflow_unity_catalog.shapes import model_version, registered_model
from registry.api.wire import actor_of, number_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.privileges import SecurableType
from registry.services import aliases, model_versions, registered_models
from registry.services.model_lookup import canonical_name
from registry.services.securables import Changes
from registry.services.tags import Tags, tag_securable


def tags_in(parameters: dict[str, Any]) -> dict[str, Any]:
    """The `tags` list of a create call as a mapping.

    Raises:
        InvalidParameter: not a list of {key, value}.
    """
    tags = parameters.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, dict) for tag in tags):
        raise InvalidParameter("'tags' must be a list of objects with 'key' and 'value'.", field="tags")
    return {tag.get("key"): tag.get("value") for tag in tags}


class Create(APIView):
    """POST registered-models/create."""

    def post(self, request: Request) -> Response:
        """Make a model."""
        parameters = parameters_of(request)
        actor, name = actor_of(request), text_of(parameters, "name", required=True)
        registered_models.create_model(
            actor=actor,
            name=name,
            comment=text_of(parameters, "description"),
            tags=tags_in(parameters),
            deployment_job_id=text_of(parameters, "deployment_job_id"),
        )
        model = registered_models.get_model(actor=actor, name=name)
        return object_response({"registered_model": registered_model(model)})


class Get(APIView):
    """GET registered-models/get."""

    def get(self, request: Request) -> Response:
        """Show a model."""
        name = text_of(parameters_of(request), "name", required=True)
        model = registered_models.get_model(actor=actor_of(request), name=name)
        return object_response({"registered_model": registered_model(model)})


class Update(APIView):
    """PATCH registered-models/update: description, deployment job, or a new name."""

    def patch(self, request: Request) -> Response:
        """Change a model."""
        parameters = parameters_of(request)
        job = parameters.get("deployment_job_id")
        model = registered_models.update_model(
            actor=actor_of(request),
            name=text_of(parameters, "name", required=True),
            changes=Changes(
                new_name=text_of(parameters, "new_name") or None,
                comment=text_of(parameters, "description") if "description" in parameters else None,
            ),
            deployment_job_id=None if job is None else str(job),
        )
        return object_response({"registered_model": registered_model(model)})


class Delete(APIView):
    """DELETE registered-models/delete."""

    def delete(self, request: Request) -> Response:
        """Delete a model with all versions."""
        name = text_of(parameters_of(request), "name", required=True)
        registered_models.delete_model(actor=actor_of(request), name=name)
        return object_response({})


class Search(APIView):
    """GET registered-models/search: pages of what the caller may see."""

    def get(self, request: Request) -> Response:
        """List models."""
        parameters = parameters_of(request)
        for unsupported in ("filter", "filter_string", "order_by"):
            if parameters.get(unsupported):
                raise InvalidParameter(
                    f"'{unsupported}' is not part of this API: list without it.", field=unsupported
                )
        page = registered_models.list_models(
            actor=actor_of(request),
            max_results=number_of(parameters, "max_results", default=100),
            page_token=text_of(parameters, "page_token"),
        )
        return object_response(
            {"registered_models": page.map(registered_model), "next_page_token": page.next_page_token}
        )


class Tag(APIView):
    """POST registered-models/set-tag, DELETE registered-models/delete-tag."""

    def post(self, request: Request) -> Response:
        """Set one tag."""
        parameters = parameters_of(request)
        key = text_of(parameters, "key", required=True)
        return self._change(request, parameters, Tags(set={key: text_of(parameters, "value")}))

    def delete(self, request: Request) -> Response:
        """Remove one tag."""
        parameters = parameters_of(request)
        return self._change(request, parameters, Tags(remove=(text_of(parameters, "key", required=True),)))

    def _change(self, request: Request, parameters: dict[str, Any], change: Tags) -> Response:
        name = canonical_name(text_of(parameters, "name", required=True))
        tag_securable(actor=actor_of(request), type_=SecurableType.REGISTERED_MODEL, full_name=name, change=change)
        return object_response({})


class Alias(APIView):
    """POST, DELETE and GET registered-models/alias."""

    def post(self, request: Request) -> Response:
        """Point an alias at a version."""
        parameters = parameters_of(request)
        aliases.set_alias(
            actor=actor_of(request),
            name=text_of(parameters, "name", required=True),
            alias=text_of(parameters, "alias", required=True),
            version=parameters.get("version"),
        )
        return object_response({})

    def delete(self, request: Request) -> Response:
        """Take an alias away."""
        parameters = parameters_of(request)
        aliases.delete_alias(
            actor=actor_of(request),
            name=text_of(parameters, "name", required=True),
            alias=text_of(parameters, "alias", required=True),
        )
        return object_response({})

    def get(self, request: Request) -> Response:
        """The version that an alias points at."""
        parameters = parameters_of(request)
        version = model_versions.get_version_by_alias(
            actor=actor_of(request),
            name=text_of(parameters, "name", required=True),
            alias=text_of(parameters, "alias", required=True),
        )
        return object_response({"model_version": model_version(version)})
