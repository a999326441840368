"""Limits of an endpoint, and the settings of the AI gateway: inference table and rate limits."""

from collections.abc import Mapping
from typing import Any

from registry.errors import InvalidParameter, LimitExceeded
from registry.models import Principal, PrincipalKind
from registry.names import lookup_key
from registry.services.actors import Actor
from registry.services.audit import audited, record
from serving.models import EndpointLevel, ServingEndpoint
from serving.services.endpoint_access import SERVICE, require_endpoint, subject_of
from serving.services.inference_tables import apply_inference_table_config, inference_table_wire

MAX_LIMITS = 50
MAX_CALLS = 1_000_000_000
_OF_ENDPOINT = ("endpoint", "user")
_OF_GATEWAY = {
    "user": PrincipalKind.USER,
    "user_group": PrincipalKind.GROUP,
    "service_principal": PrincipalKind.SERVICE_PRINCIPAL,
}
_NOT_SERVED = {
    "guardrails": "Guardrails are for endpoints of language models: check inputs in the model.",
    "fallback_config": "There is no fallback between external models: give a healthy entity the traffic.",
}


def parse_rate_limits(wire: object) -> list[dict[str, Any]]:
    """The endpoint's own limits: `calls` a minute for the endpoint as a whole, or for each user.

    Raises:
        InvalidParameter, LimitExceeded.
    """
    return [_limit(one, keys=_OF_ENDPOINT) for one in _listed(wire)]


def parse_gateway_limits(wire: object) -> list[dict[str, Any]]:
    """The AI gateway's limits, which may also be for one user, group or service principal by `principal`.

    Raises:
        InvalidParameter, LimitExceeded.
    """
    limits = [_limit(one, keys=("endpoint", *_OF_GATEWAY)) for one in _listed(wire)]
    for limit in limits:
        _check_principal(limit)
    return limits


def _listed(wire: object) -> list[Any]:
    if wire is None:
        return []
    if not isinstance(wire, list):
        raise InvalidParameter("'rate_limits' must be a list.", field="rate_limits")
    if len(wire) > MAX_LIMITS:
        raise LimitExceeded(f"An endpoint has at most {MAX_LIMITS} rate limits: {len(wire)} are given.")
    return wire


def _limit(wire: object, *, keys: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(wire, Mapping):
        raise _wrong("must hold objects with 'calls' and 'renewal_period'.")
    if wire.get("tokens") is not None:
        raise _wrong("'tokens' cannot be limited: models served here count none. Give 'calls'.")
    calls, period, key = wire.get("calls"), wire.get("renewal_period"), wire.get("key") or "endpoint"
    if not isinstance(calls, int) or isinstance(calls, bool) or not 0 <= calls <= MAX_CALLS:
        raise _wrong(f"'calls' must be a whole number from 0 to {MAX_CALLS:,}.")
    if period != "minute":
        raise _wrong(f"'renewal_period' is {period!r}: use 'minute'.")
    if key not in keys:
        raise _wrong(f"'key' is {key!r}: use one of {', '.join(keys)}.")
    found: dict[str, Any] = {"calls": calls, "renewal_period": period, "key": key}
    principal = wire.get("principal")
    return {**found, "principal": str(principal)} if principal else found


def _check_principal(limit: dict[str, Any]) -> None:
    key, name = limit["key"], limit.get("principal", "")
    if key in ("user_group", "service_principal") and not name:
        raise _wrong(f"'key' is '{key}': name whom it is for in 'principal'.")
    if key == "endpoint" and name:
        raise _wrong("a limit of the endpoint is for nobody in particular: leave 'principal' away.")
    if name and not Principal.objects.filter(key=lookup_key(name), kind=_OF_GATEWAY[key]).exists():
        raise _wrong(f"'principal' is '{name}': there is no such {key.replace('_', ' ')}.")


def _wrong(problem: str) -> InvalidParameter:
    return InvalidParameter(f"'rate_limits': {problem}", field="rate_limits")


def apply_ai_gateway(*, actor: Actor, endpoint: ServingEndpoint, wire: object) -> dict[str, Any]:
    """Replace the gateway's settings of an endpoint; returns them as clients read them.

    Call inside an `audited` function that has checked CAN_MANAGE.

    Raises:
        InvalidParameter, LimitExceeded, NotFound, AccessDenied: of the inference table too.
    """
    if not isinstance(wire, Mapping):
        raise InvalidParameter("'ai_gateway' must be an object.", field="ai_gateway")
    for name, remedy in _NOT_SERVED.items():
        settings = wire.get(name)
        if isinstance(settings, Mapping) and (name == "guardrails" or settings.get("enabled")):
            raise InvalidParameter(f"'{name}' cannot be used. {remedy}", field=name)
    endpoint.ai_gateway = {
        "rate_limits": parse_gateway_limits(wire.get("rate_limits")),
        "usage_tracking_config": _tracking(wire.get("usage_tracking_config")),
    }
    endpoint.save(update_fields=["ai_gateway"])
    apply_inference_table_config(actor=actor, endpoint=endpoint, config=wire.get("inference_table_config"))
    return ai_gateway_wire(endpoint)


def _tracking(wire: object) -> dict[str, bool]:
    """Usage is always counted, see the endpoint's metrics: the switch is kept as it was set."""
    return {"enabled": bool(wire.get("enabled"))} if isinstance(wire, Mapping) else {}


def ai_gateway_wire(endpoint: ServingEndpoint) -> dict[str, Any]:
    """The gateway's settings as clients read them; empty without any. One query."""
    kept = {name: value for name, value in endpoint.ai_gateway.items() if value}
    table = inference_table_wire(endpoint)
    return {**kept, **({"inference_table_config": table} if table else {})}


@audited
def set_ai_gateway(*, actor: Actor, name: object, wire: object) -> dict[str, Any]:
    """Replace the gateway's settings. Needs CAN_MANAGE.

    Raises:
        NotFound, AccessDenied, InvalidParameter, LimitExceeded.
    """
    action = "updateServingEndpointAiGateway"
    endpoint = require_endpoint(actor=actor, name=name, level=EndpointLevel.CAN_MANAGE, action=action, lock=True)
    before = ai_gateway_wire(endpoint)
    after = apply_ai_gateway(actor=actor, endpoint=endpoint, wire=wire)
    record(
        actor=actor,
        action=action,
        service_name=SERVICE,
        subject=subject_of(endpoint),
        before=before,
        after=after,
    )
    return after
