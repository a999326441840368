"""Governed tags, and the rule sets that say who manages and who assigns each."""

import re
from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.unity_catalog.tag_assignments import fields_in
from registry.api.wire import actor_of, number_of, object_response, parameters_of, text_of
from registry.errors import InvalidParameter
from registry.models import Principal, PrincipalKind, TagPolicy, TagRole
from registry.services import tag_policies
from registry.services.tag_policies import PolicyChanges, RoleSet

_ROLES = {"roles/tagPolicy.manager": TagRole.MANAGER, "roles/tagPolicy.assigner": TagRole.ASSIGNER}
_WORDS = {role: word for word, role in _ROLES.items()}
_RESOURCE = re.compile(r"accounts/[^/]+/tagPolicies/([^/]+)")
_RULE_SET = re.compile(_RESOURCE.pattern + "/ruleSets/default")
_KINDS = {
    PrincipalKind.USER: "users",
    PrincipalKind.GROUP: "groups",
    PrincipalKind.SERVICE_PRINCIPAL: "servicePrincipals",
}


def _shape(policy: TagPolicy) -> dict[str, Any]:
    return {
        "id": str(policy.pk),
        "tag_key": policy.key,
        "description": policy.description,
        "values": [{"name": value} for value in policy.values],
        "create_time": policy.created_at.isoformat().replace("+00:00", "Z"),
        "update_time": policy.updated_at.isoformat().replace("+00:00", "Z"),
    }


def _values(parameters: Mapping[str, Any]) -> list[object]:
    given = parameters.get("values") or []
    if not isinstance(given, list) or not all(isinstance(value, dict) for value in given):
        raise InvalidParameter("'values' must be a list of objects with 'name'.", field="values")
    return [value.get("name") for value in given]


class TagPolicies(APIView):
    """POST and GET tag-policies."""

    def post(self, request: Request) -> Response:
        """Govern a tag key."""
        parameters = parameters_of(request)
        policy = tag_policies.create_policy(
            actor=actor_of(request),
            key=text_of(parameters, "tag_key", required=True),
            description=text_of(parameters, "description"),
            values=_values(parameters),
        )
        return object_response(_shape(policy))

    def get(self, request: Request) -> Response:
        """List all governed tags."""
        parameters = parameters_of(request)
        page = tag_policies.list_policies(
            actor=actor_of(request),
            max_results=number_of(parameters, "page_size", default=0),
            page_token=text_of(parameters, "page_token"),
        )
        return object_response({"tag_policies": page.map(_shape), "next_page_token": page.next_page_token})


class OneTagPolicy(APIView):
    """GET, PATCH and DELETE tag-policies/{tag_key}."""

    def get(self, request: Request, tag_key: str) -> Response:
        """Show one."""
        return object_response(_shape(tag_policies.get_policy(actor=actor_of(request), key=tag_key)))

    def patch(self, request: Request, tag_key: str) -> Response:
        """Change description or values; no values allow any."""
        parameters = parameters_of(request)
        fields = fields_in(parameters, known=("description", "values"))
        changes = PolicyChanges(
            description=text_of(parameters, "description") if "description" in fields else None,
            values=_values(parameters) if "values" in fields else None,
        )
        return object_response(
            _shape(tag_policies.update_policy(actor=actor_of(request), key=tag_key, changes=changes))
        )

    def delete(self, request: Request, tag_key: str) -> Response:
        """Govern the key no longer."""
        tag_policies.delete_policy(actor=actor_of(request), key=tag_key)
        return object_response({})


class RuleSets(APIView):
    """GET and PUT access-control/rule-sets, for tag policies alone."""

    def get(self, request: Request) -> Response:
        """Who has which role."""
        name = text_of(parameters_of(request), "name", required=True)
        return object_response(
            _rules(name, tag_policies.get_roles(actor=actor_of(request), policy_id=_policy_id(name)))
        )

    def put(self, request: Request) -> Response:
        """Replace who has which role."""
        parameters = parameters_of(request)
        given = parameters.get("rule_set")
        if not isinstance(given, dict):
            raise InvalidParameter("'rule_set' must be an object with etag and grant_rules.", field="rule_set")
        name = text_of(parameters, "name") or text_of(given, "name", required=True)
        roles = tag_policies.replace_roles(
            actor=actor_of(request),
            policy_id=_policy_id(name),
            revision=text_of(given, "etag", required=True),
            names=_names(given),
        )
        return object_response(_rules(name, roles))


class AssignableRoles(APIView):
    """GET access-control/assignable-roles."""

    def get(self, request: Request) -> Response:
        """The roles that a rule set can hold."""
        resource = text_of(parameters_of(request), "resource", required=True)
        if _RESOURCE.fullmatch(resource.removeprefix("resource=")) is None:
            raise _unknown(resource)
        return object_response({"roles": [{"name": word} for word in _ROLES]})


def _policy_id(name: str) -> str:
    match = _RULE_SET.fullmatch(name.removeprefix("name="))
    if match is None:
        raise _unknown(name)
    return match.group(1)


def _unknown(name: str) -> InvalidParameter:
    return InvalidParameter(
        f"'{name}' has no rules here: only tag policies have, under accounts/<account>/tagPolicies/<policy id>.",
        field="name",
    )


def _rules(name: str, roles: RoleSet) -> dict[str, Any]:
    rules = [
        {"role": _WORDS[role], "principals": [_principal(one) for one in some]}
        for role, some in roles.principals.items()
    ]
    return {"name": name, "etag": str(roles.policy.revision), "grant_rules": rules}


def _principal(principal: Principal) -> str:
    return f"{_KINDS[PrincipalKind(principal.kind)]}/{principal.name}"


def _names(rule_set: Mapping[str, Any]) -> dict[TagRole, list[str]]:
    rules = rule_set.get("grant_rules") or []
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise InvalidParameter("'grant_rules' must be a list of objects.", field="grant_rules")
    names: dict[TagRole, list[str]] = {}
    for rule in rules:
        role = _ROLES.get(text_of(rule, "role"))
        if role is None:
            raise InvalidParameter(f"'role' is '{rule.get('role')}': use {' or '.join(_ROLES)}.", field="role")
        principals = rule.get("principals") or []
        if not isinstance(principals, list):
            raise InvalidParameter("'principals' must be a list.", field="principals")
        names.setdefault(role, []).extend(_name(one) for one in principals)
    return names


def _name(text: object) -> str:
    kind, _, name = str(text).partition("/")
    if kind not in _KINDS.values() or not name:
        raise InvalidParameter(
            f"'{text}' names no principal: write users/…, groups/… or servicePrincipals/….", field="principals"
        )
    return name
