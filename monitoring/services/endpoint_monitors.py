"""From an endpoint to its monitors in one step: of what it answers, and of how fast it does so."""

from dataclasses import replace

from monitoring.engine.spec import TABLE_ROW
from monitoring.models import Monitor, MonitorKind
from monitoring.services.monitor_settings import Metric, MonitorSettings
from monitoring.services.monitors import create_monitor, monitor_choices
from monitoring.services.quartz import Schedule
from registry.errors import InvalidParameter, InvalidState, NotFound
from registry.models import Securable
from registry.privileges import SecurableType
from registry.services.access import visible_to
from registry.services.actors import Actor
from registry.services.audit import audited
from serving.models import InferenceTable
from serving.services.endpoint_metrics_log import keep_endpoint_metrics


@audited
def create_endpoint_monitor(
    *,
    actor: Actor,
    endpoint: str,
    problem_type: str = "",
    granularities: tuple[str, ...] = ("1 hour", "1 day"),
    baseline_table_name: str = "",
    output_schema_name: str = "",
) -> Monitor:
    """Monitor what an endpoint answers: predictions by model version, and quality once labels have come.

    The columns are those of the unpacked inference table; the metric tables go beside it unless another schema is
    named. Who may do this is who may monitor that table.

    Raises:
        NotFound: no such endpoint, or it keeps no unpacked inference table that the actor may see.
        AccessDenied, InvalidParameter, AlreadyExists: as `create_monitor`.
        InvalidState: the table holds no prediction yet.
    """
    settings = suggest_endpoint_monitor(actor=actor, endpoint=endpoint)
    wanted = replace(
        settings,
        problem_type=problem_type or settings.problem_type,
        granularities=granularities,
        baseline_table_name=baseline_table_name,
        output_schema_name=output_schema_name or settings.output_schema_name,
    )
    table = unpacked_table_of(actor=actor, endpoint=endpoint)
    return create_monitor(actor=actor, table=table.full_name, settings=wanted)


_OF_MINUTES = tuple(
    Metric(name=name, type="AGGREGATE", input_columns=(TABLE_ROW,), definition=definition)
    for name, definition in (
        ("latency_p95_worst_ms", "max(latency_p95_ms)"),
        ("error_percentage", "100.0 * sum(request_4xx_count + request_5xx_count) / sum(request_count)"),
        ("queue_worst_ms", "max(queue_mean_ms)"),
        ("requests", "sum(request_count)"),
    )
)
"""What of a window's minutes is told by one number: latency, errors, saturation, and how much there was to do."""
_HOURLY = Schedule("0 10 * * * ?", "UTC")


@audited
def create_endpoint_metrics_monitor(*, actor: Actor, endpoint: str, output_schema_name: str) -> Monitor:
    """Monitor the minutes of an endpoint: latency, errors and saturation by hour and day, for each served entity.

    They are kept from then on in a table of that schema, `{endpoint}_metrics`, which belongs to the actor; the last
    two weeks come along. It is measured every hour.

    Raises:
        NotFound, AccessDenied: CAN_VIEW on the endpoint, CREATE_TABLE on the schema.
        InvalidParameter: no schema.
        AlreadyExists: they are monitored already, or another table has the name.
    """
    if output_schema_name.count(".") != 1:
        raise InvalidParameter(
            f"'output_schema_name' is '{output_schema_name[:200]}': write it as catalog.schema.",
            field="output_schema_name",
        )
    catalog, _, schema = output_schema_name.partition(".")
    table = keep_endpoint_metrics(actor=actor, endpoint=endpoint, catalog=catalog, schema=schema)
    settings = MonitorSettings(
        kind=MonitorKind.TIME_SERIES,
        output_schema_name=output_schema_name,
        timestamp_column="event_time",
        granularities=("1 hour", "1 day"),
        slicing_expressions=("served_entity_name",),
        custom_metrics=_OF_MINUTES,
        schedule=_HOURLY,
    )
    return create_monitor(actor=actor, table=table.full_name, settings=settings)


@audited
def suggest_endpoint_monitor(*, actor: Actor, endpoint: str) -> MonitorSettings:
    """How an endpoint would be monitored; the look at the table is audited.

    Raises:
        NotFound, AccessDenied, InvalidState: as `create_endpoint_monitor`.
    """
    table = unpacked_table_of(actor=actor, endpoint=endpoint)
    choices = monitor_choices(actor=actor, table=table.full_name)
    if choices.suggestion.kind != "INFERENCE_LOG":
        raise InvalidState(
            f"Table '{table.full_name}' has no columns for time, prediction and model yet: they come with the first "
            "answer of the endpoint."
        )
    return choices.suggestion


def unpacked_table_of(*, actor: Actor, endpoint: str) -> Securable:
    """The unpacked inference table of an endpoint. At most five queries.

    Raises:
        NotFound: there is none, or none that the actor may see.
    """
    rows = InferenceTable.objects.filter(endpoint_name=endpoint, unpacked_table__isnull=False)
    ids = list(rows.order_by("-created_at").values_list("unpacked_table", flat=True))
    tables = visible_to(actor, Securable.objects.filter(pk__in=ids), SecurableType.TABLE)
    found = {table.pk: table for table in tables.select_related("parent__parent")}
    table = next((found[id_] for id_ in ids if id_ in found), None)
    if table is None:
        raise NotFound(
            f"Endpoint '{endpoint[:63]}' has no unpacked inference table that you may see: enable its inference "
            "table first."
        )
    return table
