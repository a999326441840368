"""Turning an endpoint's inference table on and off by itself, without a new configuration."""

from registry.services.actors import Actor
from registry.services.audit import audited
from serving.models import CaptureForm, EndpointLevel, ServingEndpoint
from serving.services.endpoint_access import require_endpoint
from serving.services.inference_tables import apply_auto_capture, apply_inference_table_config, find_table

_ACTION = "updateServingEndpointInferenceTable"


@audited
def turn_on_capture(*, actor: Actor, name: object, catalog: str, schema: str, prefix: str = "") -> ServingEndpoint:
    """Keep the endpoint's requests in a table of that schema, in the AI gateway's form. Needs CAN_MANAGE.

    Raises:
        NotFound, AccessDenied: of the endpoint, or of the schema, on which it takes CREATE_TABLE.
        InvalidParameter, AlreadyExists, InvalidState.
    """
    endpoint = require_endpoint(actor=actor, name=name, level=EndpointLevel.CAN_MANAGE, action=_ACTION, lock=True)
    config = {"enabled": True, "catalog_name": catalog, "schema_name": schema, "table_name_prefix": prefix}
    apply_inference_table_config(actor=actor, endpoint=endpoint, config=config)
    return endpoint


@audited
def turn_off_capture(*, actor: Actor, name: object, form: str) -> ServingEndpoint:
    """Keep no more requests in the table of that form; the table stays. Needs CAN_MANAGE.

    Raises:
        NotFound, AccessDenied, InvalidParameter.
        InvalidState: there is no such table.
    """
    endpoint = require_endpoint(actor=actor, name=name, level=EndpointLevel.CAN_MANAGE, action=_ACTION, lock=True)
    found = find_table(endpoint, form)
    apply = apply_auto_capture if found.form == CaptureForm.LEGACY else apply_inference_table_config
    apply(actor=actor, endpoint=endpoint, config={"enabled": False})
    return endpoint
