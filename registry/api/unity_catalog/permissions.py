"""Grants, effective grants and tags, on any securable."""

from collections.abc import Callable
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.wire import actor_of, flag_of, number_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter, NotFound
from registry.privileges import Privilege, SecurableType
from registry.services import grants
from registry.services.grants import Change, Held, parse_privilege
from registry.services.paging import page_size
from registry.services.securables import metastore
from registry.services.tags import Tags, tag_securable, tag_version

_ALSO = {"FUNCTION": SecurableType.REGISTERED_MODEL, "MODEL": SecurableType.REGISTERED_MODEL}
_MOST_PRINCIPALS = 1000
_OPEN_SOURCE_PRIVILEGES = {
    Privilege.CREATE_CATALOG,
    Privilege.CREATE_MODEL,
    Privilege.CREATE_SCHEMA,
    Privilege.CREATE_TABLE,
    Privilege.EXECUTE,
    Privilege.MODIFY,
    Privilege.SELECT,
    Privilege.USE_CATALOG,
    Privilege.USE_SCHEMA,
}
"""Those of ours that open-source Unity Catalog has as well."""
WIRE_TYPE = {SecurableType.REGISTERED_MODEL: "FUNCTION"}


def parse_type(text: str) -> SecurableType:
    """The kind of securable that a path names: a model is FUNCTION, MODEL or REGISTERED_MODEL, in any case.

    The SDK puts `SecurableType.FUNCTION` into the path when it is given the enum itself.

    Raises:
        InvalidParameter: no such kind here.
    """
    word = text.rpartition(".")[2].upper().replace("-", "_")
    try:
        return _ALSO.get(word) or SecurableType(word)
    except ValueError as error:
        raise InvalidParameter(
            f"'{text}' is no securable type here: use METASTORE, CATALOG, SCHEMA, TABLE or FUNCTION (a model).",
            field="securable_type",
        ) from error


def _named(securable_type: str, full_name: str) -> tuple[SecurableType, str]:
    """The kind and the name of what a path names. There is one metastore, which goes by its name or its id.

    Raises:
        InvalidParameter: no such kind here.
        NotFound: another metastore.
    """
    type_ = parse_type(securable_type)
    if type_ == SecurableType.METASTORE:
        top = metastore()
        if full_name.lower() not in {top.key, str(top.pk)}:
            raise NotFound(f"Metastore '{full_name}' does not exist: there is one, '{top.name}'.")
    return type_, full_name


def _direct(held: list[Held]) -> list[dict[str, Any]]:
    by_principal: dict[str, list[str]] = {}
    for one in held:
        by_principal.setdefault(one.principal, []).append(one.privilege)
    return [{"principal": name, "privileges": privileges} for name, privileges in by_principal.items()]


def _is_open_source_client(request: Request) -> bool:
    """Whether unitycatalog-client asks, which names the generator that it was made with and nothing else."""
    return request.headers.get("User-Agent", "").startswith("OpenAPI-Generator/")


def _direct_in_open_source_words(held: list[Held]) -> list[dict[str, Any]]:
    """As `_direct`, with spaces; what that client has no word for is left out: it could not read the answer."""
    known = [one for one in held if one.privilege in _OPEN_SOURCE_PRIVILEGES]
    return [
        {**entry, "privileges": [privilege.replace("_", " ") for privilege in entry["privileges"]]}
        for entry in _direct(known)
    ]


def _effective(held: list[Held]) -> list[dict[str, Any]]:
    by_principal: dict[str, list[dict[str, str]]] = {}
    for one in held:
        entry = {"privilege": str(one.privilege)}
        if one.inherited_from is not None:
            type_ = SecurableType(one.inherited_from.type)
            entry["inherited_from_type"] = WIRE_TYPE.get(type_, str(type_))
            entry["inherited_from_name"] = one.inherited_from.full_name
        by_principal.setdefault(one.principal, []).append(entry)
    return [{"principal": name, "privileges": privileges} for name, privileges in by_principal.items()]


def _changes(parameters: dict[str, Any]) -> list[Change]:
    given = parameters.get("changes") or []
    if not isinstance(given, list) or not all(isinstance(change, dict) for change in given):
        raise InvalidParameter(
            "'changes' must be a list of objects with 'principal', 'add', 'remove'.", field="changes"
        )
    return [
        Change(
            principal=text_of(change, "principal", required=True),
            add=_privileges(change, "add"),
            remove=_privileges(change, "remove"),
        )
        for change in given
    ]


def _privileges(change: dict[str, Any], field: str) -> tuple[Privilege, ...]:
    given = change.get(field) or []
    if not isinstance(given, list):
        raise InvalidParameter(f"'{field}' must be a list of privileges.", field=field)
    return tuple(parse_privilege(text, field=field) for text in given)


class Permissions(APIView):
    """GET and PATCH permissions/{securable_type}/{full_name}."""

    def get(self, request: Request, securable_type: str, full_name: str) -> Response:
        """The direct grants."""
        return self._answer(request, securable_type, full_name, text_of(parameters_of(request), "principal"))

    def patch(self, request: Request, securable_type: str, full_name: str) -> Response:
        """Give and take, all or none."""
        parameters = parameters_of(request)
        type_, name = _named(securable_type, full_name)
        grants.update_grants(actor=actor_of(request), type_=type_, full_name=name, changes=_changes(parameters))
        if flag_of(parameters, "omit_permissions_in_response"):
            return object_response({})
        return self._answer(request, securable_type, full_name, "")

    def _answer(self, request: Request, securable_type: str, full_name: str, principal: str) -> Response:
        shape = _direct_in_open_source_words if _is_open_source_client(request) else _direct
        return object_response(_paged(request, _held(request, securable_type, full_name, principal), shape))


class EffectivePermissions(APIView):
    """GET effective-permissions/{securable_type}/{full_name}."""

    key = "privilege_assignments"

    def get(self, request: Request, securable_type: str, full_name: str) -> Response:
        """Direct and inherited grants, each with its source."""
        type_, name = _named(securable_type, full_name)
        principal = text_of(parameters_of(request), "principal")
        held = grants.list_effective_grants(actor=actor_of(request), type_=type_, full_name=name, principal=principal)
        return object_response(_paged(request, held, _effective, key=self.key))


class EffectiveAssignments(EffectivePermissions):
    """GET effective-privilege-assignments/{securable_type}/{full_name}."""

    key = "effective_privilege_assignments"


class PrivilegeAssignments(APIView):
    """GET privilege-assignments/{securable_type}/{full_name}."""

    def get(self, request: Request, securable_type: str, full_name: str) -> Response:
        """The direct grants."""
        held = _held(request, securable_type, full_name, text_of(parameters_of(request), "principal"))
        return object_response(_paged(request, held, _direct))


def _held(request: Request, securable_type: str, full_name: str, principal: str) -> list[Held]:
    type_, name = _named(securable_type, full_name)
    return grants.list_grants(actor=actor_of(request), type_=type_, full_name=name, principal=principal)


def _paged(
    request: Request,
    held: list[Held],
    shape: Callable[[list[Held]], list[dict[str, Any]]],
    *,
    key: str = "privilege_assignments",
) -> dict[str, Any]:
    """A page of assignments, one a principal; the token of a page is the number of those before it."""
    parameters = parameters_of(request) if request.method == "GET" else {}
    given = "page_size" if "page_size" in parameters else "max_results"
    size = page_size(number_of(parameters, given, default=0), default=_MOST_PRINCIPALS, maximum=_MOST_PRINCIPALS)
    start = number_of(parameters, "page_token", default=0)
    assignments = shape(held)
    more = str(start + size) if 0 <= start < len(assignments) - size else ""
    return {key: assignments[max(0, start) : max(0, start) + size], "next_page_token": more}


def _tag_changes(parameters: dict[str, Any]) -> Tags:
    changes = parameters.get("changes")
    if not isinstance(changes, dict):
        raise InvalidParameter("'changes' must be an object with 'add_tags' or 'remove'.", field="changes")
    added, removed = changes.get("add_tags") or [], changes.get("remove") or []
    if (
        not isinstance(added, list)
        or not all(isinstance(tag, dict) for tag in added)
        or not isinstance(removed, list)
    ):
        raise InvalidParameter("'add_tags' must be a list of objects, 'remove' a list of keys.", field="changes")
    return Tags(set={tag.get("key"): tag.get("value") for tag in added}, remove=tuple(str(key) for key in removed))


class SecurableTags(APIView):
    """PATCH securable-tags/{securable_type}/{full_name}."""

    def patch(self, request: Request, securable_type: str, full_name: str) -> Response:
        """Set and remove tags of a securable."""
        tag_securable(
            actor=actor_of(request),
            type_=parse_type(securable_type),
            full_name=full_name,
            change=_tag_changes(parameters_of(request)),
        )
        return object_response({})


class SubentityTags(APIView):
    """PATCH subentity-tags/FUNCTION/{full_name}/{version}."""

    def patch(self, request: Request, securable_type: str, full_name: str, subentity: str) -> Response:
        """Set and remove tags of a version."""
        if parse_type(securable_type) != SecurableType.REGISTERED_MODEL:
            raise InvalidParameter("Only versions of models have tags of their own.", field="securable_type")
        change = _tag_changes(parameters_of(request))
        tag_version(actor=actor_of(request), name=full_name, version=subentity, change=change)
        return object_response({})
