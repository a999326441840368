"""Registered models, their tags and aliases."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.mlflow_registry import shapes
from registry.api.mlflow_registry.names import Spell, flat_schema, name_of, order_of, page_size_of, spelling_of_search
from registry.api.wire import actor_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter, NotFound, NotImplementedHere
from registry.models import RegisteredModel
from registry.privileges import SecurableType
from registry.services import aliases, model_search, model_versions, registered_models
from registry.services.securables import Changes
from registry.services.tags import Tags, tag_securable

_STAGES = "Stages are not offered: give a version an alias with registered-models/alias and find it by that alias."

_PROMPTS = "Prompts are not kept here: the registry holds models. Keep prompts in files that you log with your runs."
_IS_PROMPT = "mlflow.prompt.is_prompt"
_MOST_MODELS = 1000
"""On a page, as with MLflow's own server."""


def tags_in(parameters: dict[str, Any]) -> dict[str, Any]:
    """The `tags` list of a create call as a mapping.

    Raises:
        InvalidParameter: not a list of {key, value}.
    """
    tags = parameters.get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, dict) for tag in tags):
        raise InvalidParameter("'tags' must be a list of objects with 'key' and 'value'.", field="tags")
    return {tag.get("key"): tag.get("value") for tag in tags}


def _answer(model: RegisteredModel, spell: Spell) -> Response:
    latest = model_search.latest_versions([model])
    return object_response({"registered_model": shapes.registered_model(model, latest.get(model.pk), spell)})


class Create(APIView):
    """POST registered-models/create."""

    def post(self, request: Request) -> Response:
        """Make a model."""
        parameters = parameters_of(request)
        actor, name, tags = actor_of(request), name_of(parameters), tags_in(parameters)
        if tags.get(_IS_PROMPT) == "true":
            raise NotImplementedHere(_PROMPTS)
        registered_models.create_model(
            actor=actor,
            name=name.full,
            comment=text_of(parameters, "description"),
            tags=tags,
            deployment_job_id=text_of(parameters, "deployment_job_id"),
        )
        return _answer(registered_models.get_model(actor=actor, name=name.full), name.spell)


class Get(APIView):
    """GET registered-models/get."""

    def get(self, request: Request) -> Response:
        """Show a model."""
        name = name_of(parameters_of(request))
        return _answer(registered_models.get_model(actor=actor_of(request), name=name.full), name.spell)


class Rename(APIView):
    """POST registered-models/rename."""

    def post(self, request: Request) -> Response:
        """Give a model another name in its schema."""
        parameters = parameters_of(request)
        name, new_name = name_of(parameters), name_of(parameters, "new_name")
        model = registered_models.update_model(
            actor=actor_of(request), name=name.full, changes=Changes(new_name=new_name.full)
        )
        return _answer(model, new_name.spell)


class Update(APIView):
    """PATCH registered-models/update."""

    def patch(self, request: Request) -> Response:
        """Describe a model."""
        parameters = parameters_of(request)
        name, job = name_of(parameters), parameters.get("deployment_job_id")
        model = registered_models.update_model(
            actor=actor_of(request),
            name=name.full,
            changes=Changes(comment=text_of(parameters, "description") if "description" in parameters else None),
            deployment_job_id=None if job is None else str(job),
        )
        return _answer(model, name.spell)


class Delete(APIView):
    """DELETE registered-models/delete."""

    def delete(self, request: Request) -> Response:
        """Delete a model with all versions."""
        registered_models.delete_model(actor=actor_of(request), name=name_of(parameters_of(request)).full)
        return object_response({})


class Search(APIView):
    """GET registered-models/search."""

    def get(self, request: Request) -> Response:
        """A page of the models that the caller may see."""
        parameters = {**parameters_of(request), "order_by": request.query_params.getlist("order_by")}
        filter_text = text_of(parameters, "filter")
        page = model_search.search_models(
            actor=actor_of(request),
            filter_text=filter_text,
            order_by=order_of(parameters),
            max_results=page_size_of(parameters, default=100, most=_MOST_MODELS),
            page_token=text_of(parameters, "page_token"),
            flat_schema=flat_schema(),
        )
        spell = spelling_of_search(filter_text)
        latest = model_search.latest_versions(page.items)
        models = [shapes.registered_model(model, latest.get(model.pk), spell) for model in page.items]
        return object_response({"registered_models": models, "next_page_token": page.next_page_token})


class LatestVersions(APIView):
    """GET and POST registered-models/get-latest-versions, without stages."""

    def get(self, request: Request) -> Response:
        """The newest READY version of a model: what `models:/<name>/latest` loads."""
        parameters = parameters_of(request)
        name, stages = name_of(parameters), parameters.get("stages") or []
        asked = stages if isinstance(stages, list) else [stages]
        if any(str(stage).lower() != "none" for stage in asked):
            raise InvalidParameter(_STAGES, field="stages")
        latest = model_versions.get_latest_version(actor=actor_of(request), name=name.full)
        return object_response({"model_versions": [shapes.model_version(latest, name.spell)] if latest else []})

    def post(self, request: Request) -> Response:
        """The same."""
        return self.get(request)


class TransitionStage(APIView):
    """POST model-versions/transition-stage."""

    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Refused, with the way that works."""
        raise InvalidParameter(_STAGES, field="stage")


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
        tag_securable(
            actor=actor_of(request),
            type_=SecurableType.REGISTERED_MODEL,
            full_name=name_of(parameters).full,
            change=change,
        )
        return object_response({})


class Alias(APIView):
    """POST, DELETE and GET registered-models/alias."""

    def post(self, request: Request) -> Response:
        """Point an alias at a version."""
        parameters = parameters_of(request)
        aliases.set_alias(
            actor=actor_of(request),
            name=name_of(parameters).full,
            alias=text_of(parameters, "alias", required=True),
            version=parameters.get("version"),
        )
        return object_response({})

    def delete(self, request: Request) -> Response:
        """Take an alias away."""
        parameters = parameters_of(request)
        alias = text_of(parameters, "alias", required=True)
        aliases.delete_alias(actor=actor_of(request), name=name_of(parameters).full, alias=alias)
        return object_response({})

    def get(self, request: Request) -> Response:
        """The version that an alias points at; `latest` is the newest READY one, as with MLflow's own server."""
        parameters = parameters_of(request)
        actor, name = actor_of(request), name_of(parameters)
        alias = text_of(parameters, "alias", required=True)
        if alias.lower() == "latest":
            found = model_versions.get_latest_version(actor=actor, name=name.full)
            if found is None:
                raise NotFound(f"Model '{name.spell(name.full)}' has no version yet.")
        else:
            found = model_versions.get_version_by_alias(actor=actor, name=name.full, alias=alias)
        return object_response({"model_version": shapes.model_version(found, name.spell)})
