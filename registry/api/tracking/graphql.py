"""The UI's GraphQL: known root fields only, their ids checked like those of any other request."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from django.http import HttpResponse
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
    print_ast,
    value_from_ast_untyped,
)

from registry.api.tracking.calls import Call, json_parameters
from registry.api.tracking.forwarding import forward_json
from registry.api.tracking.policies import Policy, check
from registry.errors import AccessDenied, InvalidParameter
from registry.models import ExperimentLevel

NEEDS: dict[str, tuple[str, ...]] = {
    "mlflowGetExperiment": ("experiment_id",),
    "mlflowGetRun": ("run_id", "run_uuid"),
    "mlflowListArtifacts": ("run_id", "run_uuid"),
    "mlflowGetMetricHistoryBulkInterval": ("run_ids",),
    "mlflowSearchRuns": ("experiment_ids",),
    "mlflowSearchDatasets": ("experiment_ids",),
}
"""The root fields that are passed on, and the ids of which each must name one. All of them only read."""

_MOST_TOKENS = 5000


def execute(call: Call) -> HttpResponse:
    """Check every root field of the document, whichever operation is meant to run, and pass it on.

    Raises:
        InvalidParameter: not GraphQL, or written in a way that is not checked here.
        AccessDenied: a root field that is not passed on.
        NotFound, AccessDenied: as for any request that names these ids.
    """
    body = json_parameters(call.request)
    document = _parse(body.get("query"))
    variables = body.get("variables") or {}
    if not isinstance(variables, dict):
        raise InvalidParameter("'variables' must be an object.", field="variables")
    for field in _root_fields(document):
        _check(call, field, variables)
    # What was checked is what is sent: printed again, with nothing of the body that was not read.
    checked = {"query": print_ast(document), "variables": variables}
    if isinstance(body.get("operationName"), str):
        checked["operationName"] = body["operationName"]
    return forward_json(replace(call, parameters=checked))


def _parse(text: object) -> DocumentNode:
    if not isinstance(text, str):
        raise InvalidParameter("'query' is required: a GraphQL document.", field="query")
    try:
        document = parse(text, no_location=True, max_tokens=_MOST_TOKENS)
    except (GraphQLError, RecursionError) as error:
        raise InvalidParameter("'query' cannot be read as GraphQL.", field="query") from error
    for definition in document.definitions:
        if not isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode):
            raise InvalidParameter("'query' may hold operations and fragments only.", field="query")
        for variable in getattr(definition, "variable_definitions", None) or ():
            # A default would be put in after the check.
            if variable.default_value is not None:
                raise InvalidParameter("'query' must not give variables a default value.", field="query")
    return document


def _root_fields(document: DocumentNode) -> Iterator[FieldNode]:
    fragments = {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            yield from _fields(definition.selection_set, fragments, frozenset())


def _fields(
    selections: SelectionSetNode, fragments: dict[str, FragmentDefinitionNode], seen: frozenset[str]
) -> Iterator[FieldNode]:
    for node in selections.selections:
        if isinstance(node, FieldNode):
            yield node
        elif isinstance(node, InlineFragmentNode):
            yield from _fields(node.selection_set, fragments, seen)
        elif isinstance(node, FragmentSpreadNode):
            name = node.name.value
            if name in seen or name not in fragments:
                raise InvalidParameter("'query' spreads a fragment that is missing or holds itself.", field="query")
            yield from _fields(fragments[name].selection_set, fragments, seen | {name})


def _check(call: Call, field: FieldNode, variables: dict[str, Any]) -> None:
    name = field.name.value
    if name == "__typename":
        return
    if name not in NEEDS:
        raise AccessDenied(f"'{name}' is not offered over GraphQL. Use the REST API.")
    given = {argument.name.value: value_from_ast_untyped(argument.value, variables) for argument in field.arguments}
    arguments = given.get("input")
    if set(given) != {"input"} or not isinstance(arguments, dict):
        raise InvalidParameter(f"'{name}' takes one argument, 'input'.", field="query")
    check(replace(call, parameters=arguments), Policy(ExperimentLevel.CAN_READ, needs=NEEDS[name]))
