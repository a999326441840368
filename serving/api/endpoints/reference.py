"""What these calls take and answer, for the OpenAPI document. Tests hold real answers against it."""

from registry.api.openapi.dialects import Call, Dialect
from registry.api.openapi.shapes import (
    ANYTHING,
    EMPTY,
    FLAG,
    FULL_NAME,
    ID,
    KEY_AND_VALUE,
    MILLIS,
    PAGE,
    TAGS_GIVEN,
    TEXT,
    WHOLE,
    Named,
    Schema,
    choice,
    fields,
    listed,
    noted,
    nullable,
    page_of,
    table_of,
)
from serving.models import ConfigState, ConfigUpdate, Deployment, EndpointLevel, EntityRole
from serving.services.endpoint_configs import SIZES, WORKLOAD_TYPES

_NUMBER: Schema = {"type": "number"}
_LEVEL = choice(*EndpointLevel.values)
_VERSION_WANTED = noted(TEXT, "A version's number, or '@' and an alias to follow: moving it rolls the endpoint.")
_ENTITY_FIELDS: dict[str, Schema] = {
    "name": noted(TEXT, "Letters, digits, dashes and underscores; unique in the endpoint."),
    "entity_alias": noted(TEXT, "An alias to follow."),
    "workload_size": choice(*SIZES),
    "workload_type": choice(*WORKLOAD_TYPES),
    "scale_to_zero_enabled": FLAG,
    "min_provisioned_concurrency": noted(WHOLE, "In place of a size: requests at a time, in multiples of 4."),
    "max_provisioned_concurrency": WHOLE,
    "environment_vars": noted(table_of(TEXT), "Values may refer to secrets: {{secrets/scope/key}}."),
    "role": noted(choice(*EntityRole.values), "A SHADOW gets a copy of the traffic, and answers nobody."),
    "micro_batching_enabled": FLAG,
}
_ENTITY_GIVEN = fields({"entity_name": FULL_NAME}, entity_version=_VERSION_WANTED, **_ENTITY_FIELDS)
_MODEL_GIVEN = fields({"model_name": FULL_NAME}, model_version=_VERSION_WANTED, **_ENTITY_FIELDS)
_ROUTE = fields({"traffic_percentage": WHOLE}, served_model_name=TEXT, served_entity_name=TEXT)
_TRAFFIC = Named("TrafficConfig", fields({"routes": listed(_ROUTE)}))
_ROLLOUT_FIELDS: dict[str, Schema] = {
    "max_error_percent": nullable(noted(_NUMBER, "More failed requests than this turn the rollout back.")),
    "max_latency_ms": nullable(noted(_NUMBER, "A slower 95th percentile turns the rollout back.")),
    "min_requests": noted(WHOLE, "Fewer requests than this tell nothing."),
}
_STEPS = listed(fields({"percent": WHOLE, "seconds": WHOLE}))
_ROLLOUT = Named("EndpointRollout", fields({"entity": TEXT, "steps": _STEPS}, **_ROLLOUT_FIELDS))
_ROLLOUT_SHOWN = Named(
    "EndpointRolloutState", fields({"entity": TEXT, "steps": _STEPS, "step": WHOLE}, **_ROLLOUT_FIELDS)
)
_CAPTURE = Named(
    "AutoCaptureConfig",
    fields(catalog_name=TEXT, schema_name=TEXT, table_name_prefix=TEXT, enabled=FLAG, state=ANYTHING),
)
_CONFIG_FIELDS: dict[str, Schema] = {
    "served_entities": listed(_ENTITY_GIVEN),
    "served_models": noted(listed(_MODEL_GIVEN), "The older form of 'served_entities'."),
    "traffic_config": _TRAFFIC,
    "auto_capture_config": _CAPTURE,
    "rollout": _ROLLOUT,
}
_STATE = fields({"deployment": choice(*Deployment.values), "deployment_state_message": TEXT})
_SHOWN: dict[str, Schema] = {
    "name": TEXT,
    "workload_type": TEXT,
    "scale_to_zero_enabled": FLAG,
    "environment_vars": table_of(TEXT),
    "creator": TEXT,
    "creation_timestamp": MILLIS,
    "state": _STATE,
    "role": choice(*EntityRole.values),
    "micro_batching_enabled": FLAG,
}
_SOMETIMES: dict[str, Schema] = {
    "workload_size": TEXT,
    "min_provisioned_concurrency": WHOLE,
    "max_provisioned_concurrency": WHOLE,
    "entity_alias": TEXT,
}
_ENTITY = Named("ServedEntity", fields({"entity_name": TEXT, "entity_version": TEXT, **_SHOWN}, **_SOMETIMES))
_MODEL = Named("ServedModel", fields({"model_name": TEXT, "model_version": TEXT, **_SHOWN}, **_SOMETIMES))
_CONFIG_SHOWN: dict[str, Schema] = {
    "config_version": WHOLE,
    "served_entities": listed(_ENTITY),
    "served_models": listed(_MODEL),
    "traffic_config": _TRAFFIC,
}
_CONFIG = Named(
    "EndpointConfig",
    fields(_CONFIG_SHOWN, start_time=MILLIS, auto_capture_config=_CAPTURE, rollout=_ROLLOUT_SHOWN),
)
_HEAD: dict[str, Schema] = {
    "name": TEXT,
    "id": noted(TEXT, "32 hexadecimal digits, as the permissions API takes them."),
    "creator": noted(TEXT, "Whom the endpoint acts as."),
    "creation_timestamp": MILLIS,
    "last_updated_timestamp": MILLIS,
    "description": TEXT,
    "state": fields({"ready": choice("READY", "NOT_READY"), "config_update": choice(*ConfigUpdate.values)}),
    "tags": listed(KEY_AND_VALUE),
    "permission_level": noted(_LEVEL, "The caller's own."),
    "route_optimized": FLAG,
    "budget_policy_id": TEXT,
}
_SPEC = fields({"served_entities": listed(ANYTHING), "served_models": listed(ANYTHING)})
_SUMMARY = Named("ServingEndpointSummary", fields(_HEAD, config=_SPEC))
_LIMITS = listed(
    fields(
        {"calls": WHOLE, "renewal_period": choice("minute")},
        key=choice("endpoint", "user", "user_group", "service_principal"),
        principal=TEXT,
    )
)
_NOTIFICATIONS = Named(
    "EndpointNotifications",
    fields(
        on_update_success=noted(listed(TEXT), "E-mail addresses, and ids of notification destinations."),
        on_update_failure=listed(TEXT),
    ),
)
_GATEWAY = Named(
    "EndpointAiGateway",
    fields(inference_table_config=_CAPTURE, rate_limits=_LIMITS, usage_tracking_config=fields({"enabled": FLAG})),
)
_ENDPOINT = Named(
    "ServingEndpoint",
    fields(
        {
            **_HEAD,
            "endpoint_url": TEXT,
            "ai_gateway": _GATEWAY,
            "rate_limits": _LIMITS,
            "email_notifications": _NOTIFICATIONS,
            "telemetry_config": ANYTHING,
        },
        config=_CONFIG,
        pending_config=_CONFIG,
    ),
)
_HISTORY = Named(
    "EndpointConfigRecord",
    fields(
        {
            **_CONFIG_SHOWN,
            "state": choice(*ConfigState.values),
            "message": TEXT,
            "reason": TEXT,
            "operation_id": nullable(ID),
            "created_at": MILLIS,
            "created_by": nullable(TEXT),
            "activated_at": nullable(MILLIS),
            "ended_at": nullable(MILLIS),
        },
        auto_capture_config=_CAPTURE,
        rollout=_ROLLOUT_SHOWN,
    ),
)
_EVENT = Named(
    "EndpointEvent",
    fields(
        {
            "id": WHOLE,
            "at": MILLIS,
            "kind": TEXT,
            "level": choice("INFO", "WARNING", "ERROR"),
            "message": TEXT,
            "config_version": nullable(WHOLE),
            "served_entity": TEXT,
            "by": nullable(TEXT),
        }
    ),
)
_GRANT = fields({"permission_level": _LEVEL}, user_name=TEXT, group_name=TEXT, service_principal_name=TEXT)
_HELD = fields({"permission_level": _LEVEL, "inherited": FLAG, "inherited_from_object": listed(TEXT)})
_ENTRY = fields(
    {"display_name": TEXT, "all_permissions": listed(_HELD)},
    user_name=TEXT,
    group_name=TEXT,
    service_principal_name=TEXT,
)
_ACL = Named(
    "EndpointPermissions",
    fields({"object_id": TEXT, "object_type": TEXT, "access_control_list": listed(_ENTRY)}),
)
_ACL_GIVEN = fields(access_control_list=listed(_GRANT))
_LOGS = fields({"logs": TEXT})
_ROOT = "/api/2.0/serving-endpoints"
_ONE = f"{_ROOT}/{{name}}"
_OWN = "/api/modelkeep/endpoints/{name}"
_PERMISSIONS = "/api/2.0/permissions/serving-endpoints/{endpoint_id}"

DIALECT = Dialect(
    slug="serving_endpoints",
    title="Serving endpoints",
    text="Endpoints as databricks-sdk and mlflow.deployments call them, and what neither has a call for.",
    parts={"name": TEXT, "served": noted(TEXT, "The name of a served entity."), "endpoint_id": TEXT},
    spellings=((f"{_ONE}/served-models", f"{_ONE}/served-entities"),),
    paths={
        _ROOT: {
            "GET": Call(
                "list_endpoints",
                fields({"endpoints": listed(_SUMMARY)}, next_page_token=TEXT),
                query={**PAGE, "name_contains": TEXT},
            ),
            "POST": Call(
                "create_endpoint",
                _ENDPOINT,
                errors=(409,),
                body=fields(
                    {"name": TEXT, "config": fields(**_CONFIG_FIELDS)},
                    description=TEXT,
                    tags=TAGS_GIVEN,
                    rate_limits=_LIMITS,
                    ai_gateway=_GATEWAY,
                    email_notifications=_NOTIFICATIONS,
                    telemetry_config=ANYTHING,
                    route_optimized=FLAG,
                    budget_policy_id=TEXT,
                ),
            ),
        },
        _ONE: {"GET": Call("get_endpoint", _ENDPOINT), "DELETE": Call("delete_endpoint", EMPTY)},
        f"{_ONE}/config": {
            "PUT": Call("update_config", _ENDPOINT, body=fields(**_CONFIG_FIELDS), errors=(409,)),
        },
        f"{_ONE}/tags": {
            "PATCH": Call(
                "update_tags",
                fields({"tags": listed(KEY_AND_VALUE)}),
                body=fields(add_tags=TAGS_GIVEN, delete_tags=listed(TEXT)),
            )
        },
        f"{_ONE}/rate-limits": {
            "PUT": Call("set_rate_limits", fields({"rate_limits": _LIMITS}), body=fields(rate_limits=_LIMITS))
        },
        f"{_ONE}/ai-gateway": {"PUT": Call("set_ai_gateway", _GATEWAY, body=_GATEWAY)},
        f"{_ONE}/notifications": {
            "PATCH": Call(
                "set_notifications",
                fields({"name": TEXT, "email_notifications": _NOTIFICATIONS}),
                body=fields(email_notifications=_NOTIFICATIONS),
            )
        },
        f"{_ONE}/telemetry-config": {
            "PATCH": Call("set_telemetry", _ENDPOINT, body=fields(telemetry_config=ANYTHING))
        },
        f"{_ONE}/metrics": {"GET": Call("export_metrics", TEXT, answer_type="application/openmetrics-text")},
        f"{_ONE}/openapi": {"GET": Call("get_open_api", ANYTHING)},
        f"{_ONE}/served-models/{{served}}/logs": {"GET": Call("logs", _LOGS)},
        f"{_ONE}/served-models/{{served}}/build-logs": {"GET": Call("build_logs", _LOGS)},
        _PERMISSIONS: {
            "GET": Call("get_permissions", _ACL),
            "PUT": Call("set_permissions", _ACL, body=_ACL_GIVEN),
            "PATCH": Call("update_permissions", _ACL, body=_ACL_GIVEN),
        },
        f"{_PERMISSIONS}/permissionLevels": {
            "GET": Call(
                "get_permission_levels",
                fields({"permission_levels": listed(fields({"permission_level": _LEVEL, "description": TEXT}))}),
            )
        },
        f"{_OWN}/events": {"GET": Call("list_events", page_of("events", _EVENT), query=PAGE)},
        f"{_OWN}/configs": {"GET": Call("list_configs", page_of("configs", _HISTORY), query=PAGE)},
        f"{_OWN}/description": {
            "PATCH": Call("describe_endpoint", _ENDPOINT, body=fields(description=TEXT)),
        },
        f"{_OWN}/cancel-update": {"POST": Call("cancel_update", _ENDPOINT)},
        f"{_OWN}/stop": {"POST": Call("stop_endpoint", _ENDPOINT, errors=(409,))},
        f"{_OWN}/start": {"POST": Call("start_endpoint", _ENDPOINT, errors=(409,))},
        f"{_OWN}/roll-back": {
            "POST": Call(
                "roll_back",
                _ENDPOINT,
                body=fields(
                    config_version=noted(WHOLE, "Of the list of configurations; nothing for the one before."),
                    reason=TEXT,
                ),
                errors=(409,),
            )
        },
    },
)
