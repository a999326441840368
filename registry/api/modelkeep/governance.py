"""What no stock protocol asks for: why somebody may do something, where a version came from, what an alias was."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.wire import actor_of, number_of, object_response, parameters_of, parse_moment, text_of
from registry.errors import InvalidParameter
from registry.models import AliasMove, LineageEdge
from registry.privileges import Action, SecurableType
from registry.services import aliases, grants, lineage


class Explain(APIView):
    """GET explain?securable_type=&full_name=&action=&principal=: why a principal can or cannot do something."""

    def get(self, request: Request) -> Response:
        """Explain one decision."""
        parameters = parameters_of(request)
        found = grants.explain(
            actor=actor_of(request),
            type_=_choice(parameters, "securable_type", SecurableType),
            full_name=text_of(parameters, "full_name", required=True),
            action=_choice(parameters, "action", Action),
            principal=text_of(parameters, "principal"),
        )
        grounds = [
            {
                "right": ground.right,
                "securable_type": ground.securable.type,
                "securable": ground.securable.full_name,
                "through": ground.through,
                "counts": ground.counts,
            }
            for ground in found.grounds
        ]
        return object_response(
            {
                "principal": found.principal,
                "action": found.action,
                "allowed": found.allowed,
                "grounds": grounds,
                "missing": found.missing,
                "missing_on": found.missing_on,
                "ask": found.ask,
            }
        )


def _choice(parameters: dict[str, Any], field: str, kind: Any) -> Any:
    given = text_of(parameters, field, required=True)
    try:
        return kind(given)
    except ValueError as error:
        raise InvalidParameter(
            f"'{field}' is '{given}': use one of {', '.join(sorted(kind))}.", field=field
        ) from error


class Lineage(APIView):
    """GET models/{full_name}/versions/{version}/lineage."""

    def get(self, request: Request, full_name: str, version: str) -> Response:
        """Show the arrows at a version."""
        edges = lineage.list_lineage(actor=actor_of(request), name=full_name, version=version)
        return object_response({"edges": [_edge(edge) for edge in edges]})


def _edge(edge: LineageEdge) -> dict[str, Any]:
    return {
        "direction": edge.direction,
        "kind": edge.kind,
        "name": edge.name,
        "details": edge.details,
        "table_id": str(edge.table_id) if edge.table_id else None,
    }


class AliasHistory(APIView):
    """GET models/{full_name}/alias-history?alias=: every move, newest first."""

    def get(self, request: Request, full_name: str) -> Response:
        """Show the moves."""
        parameters = parameters_of(request)
        page = aliases.alias_history(
            actor=actor_of(request),
            name=full_name,
            alias=text_of(parameters, "alias"),
            max_results=number_of(parameters, "max_results", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        return object_response({"moves": page.map(_move), "next_page_token": page.next_page_token})


def _move(move: AliasMove) -> dict[str, Any]:
    return {
        "alias": move.name,
        "from_version": move.from_version,
        "to_version": move.to_version,
        "moved_at": int(move.moved_at.timestamp() * 1000),
        "moved_by": move.moved_by.name if move.moved_by else None,
    }


class AliasAt(APIView):
    """GET models/{full_name}/aliases/{alias}/at?time=: the version that an alias named at a moment."""

    def get(self, request: Request, full_name: str, alias: str) -> Response:
        """Answer who was Champion then."""
        given = text_of(parameters_of(request), "time", required=True)
        moment = parse_moment(given, field="time")
        version = aliases.alias_at(actor=actor_of(request), name=full_name, alias=alias, at=moment)
        return object_response({"alias": alias, "time": given, "version": version})
