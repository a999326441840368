"""The figures of this installation under Settings: what holds now, what holds by default, and what changes it."""

import os
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.template.defaultfilters import filesizeformat
from django.views.decorators.http import require_safe

from registry.services.actors import Actor
from registry.web.session import signed_in
from registry.web.settings_sections import Section, add_section, settings_context

add_section(Section("Limits", "/settings/limits", "adjustments-horizontal", position=90))

COUNT, BYTES, SECONDS, HOURS, DAYS = "", "bytes", "seconds", "hours", "days"
_MINUTE, _HOUR = 60, 3600


@dataclass(frozen=True)
class Limit:
    """One figure: the variable that changes it, what it bounds, in what unit. `setting` where the names differ."""

    variable: str
    words: str
    unit: str = COUNT
    setting: str = ""
    zero: str = ""

    @property
    def value(self) -> int:
        """What holds now."""
        name = self.setting or self.variable.removeprefix("MODELKEEP_")
        return int(getattr(settings, name))

    def shown(self, value: int) -> str:
        """A value with its unit, as people read it."""
        if value == 0 and self.zero:
            return self.zero
        match self.unit:
            case "bytes":
                return filesizeformat(value)
            case "seconds" if value >= _HOUR and value % _HOUR == 0:
                return f"{value // _HOUR} h"
            case "seconds" if value > _MINUTE and value % _MINUTE == 0:
                return f"{value // _MINUTE} min"
            case "":
                return f"{value:,}"
        return f"{value:,} {self.unit}"


LIMITS: dict[str, list[Limit]] = {
    "Models": [
        Limit("MODELKEEP_MAX_ALIASES_PER_MODEL", "Aliases of a model"),
        Limit("MODELKEEP_MAX_TAGS_PER_OBJECT", "Tags of a model, version, catalog, schema or table"),
        Limit("MODELKEEP_MAX_FILES_PER_VERSION", "Files of a version"),
        Limit("MODELKEEP_MAX_FILE_BYTES", "One file", BYTES),
        Limit("MODELKEEP_PENDING_VERSION_HOURS", "A version whose upload rests fails after", HOURS),
        Limit("MODELKEEP_BLOB_GRACE_SECONDS", "Bytes that nothing uses any more are kept for", SECONDS),
        Limit("MODELKEEP_PACKED_ENVIRONMENT_MAX_BYTES", "A packed environment", BYTES),
    ],
    "Clients": [
        Limit("MODELKEEP_MAX_JSON_BYTES", "A request with JSON", BYTES, "DATA_UPLOAD_MAX_MEMORY_SIZE"),
        Limit("MODELKEEP_SIGNED_URL_SECONDS", "A signed link is good for", SECONDS),
        Limit("MODELKEEP_TEMPORARY_CREDENTIALS_SECONDS", "Temporary credentials are good for", SECONDS),
    ],
    "SQL": [
        Limit("MODELKEEP_SQL_STATEMENT_SECONDS", "A statement may run for", SECONDS),
        Limit("MODELKEEP_SQL_QUEUE_SECONDS", "A statement waits for its turn for", SECONDS),
        Limit("MODELKEEP_SQL_CONCURRENCY", "Statements at a time, of one web process"),
        Limit("MODELKEEP_SQL_CALLERS", "Calls that wait for a statement, of one web process"),
        Limit("MODELKEEP_SQL_STATEMENTS_PER_USER", "Statements of one user at a time"),
        Limit("MODELKEEP_SQL_MEMORY_BYTES", "Memory of a statement", BYTES),
        Limit("MODELKEEP_SQL_THREADS", "Threads of a statement"),
        Limit("MODELKEEP_SQL_MAX_TEXT_BYTES", "Text of a statement", BYTES),
        Limit("MODELKEEP_SQL_MAX_RESULT_ROWS", "Rows of a result"),
        Limit("MODELKEEP_SQL_MAX_RESULT_BYTES", "A result", BYTES),
        Limit("MODELKEEP_SQL_MAX_INLINE_BYTES", "A result inside the answer", BYTES),
        Limit("MODELKEEP_SQL_MAX_TABLE_FILE_BYTES", "Files of a table that is read", BYTES),
        Limit("MODELKEEP_SQL_MAX_AUDIT_ROWS", "Rows of the audit table that one statement looks at"),
        Limit("MODELKEEP_SQL_RESULT_SECONDS", "A result is kept for", SECONDS),
        Limit("MODELKEEP_SQL_STATEMENT_DAYS", "A statement that is over is kept for", DAYS, zero="for ever"),
    ],
    "Serving": [
        Limit("MODELKEEP_SERVING_TIMEOUT_SECONDS", "A model may take for one request", SECONDS),
        Limit("MODELKEEP_SERVING_MAX_BODY_BYTES", "A request to a model", BYTES),
        Limit("MODELKEEP_SERVING_DEPLOY_SECONDS", "A configuration answers at the latest after", SECONDS),
        Limit("MODELKEEP_SERVING_BUILD_SECONDS", "One step of making an environment", SECONDS),
        Limit("MODELKEEP_SERVING_RESOLUTION_HOURS", "Equal lines keep their releases for", HOURS, zero="for ever"),
        Limit("MODELKEEP_SERVING_UNUSED_DAYS", "Unused environments and model files are kept for", DAYS),
        Limit("MODELKEEP_SERVING_LOAD_SECONDS", "A model may take to load", SECONDS),
        Limit("MODELKEEP_SERVING_START_ATTEMPTS", "Starts of a replica that never answered"),
        Limit("MODELKEEP_SERVING_UNITS_PER_REPLICA", "Requests that one replica works on at a time"),
        Limit("MODELKEEP_SERVING_MEMORY_BYTES_PER_UNIT", "Memory of a model, for each of these", BYTES),
        Limit("MODELKEEP_SERVING_TMP_BYTES", "Temporary files of a replica", BYTES),
        Limit("MODELKEEP_SERVING_SPARES", "Environments with a process in waiting", zero="none"),
        Limit("MODELKEEP_SERVING_SCALE_DOWN_SECONDS", "Replicas that nobody needs go every", SECONDS),
        Limit("MODELKEEP_SERVING_SCALE_TO_ZERO_SECONDS", "Without traffic for so long, none is left", SECONDS),
        Limit("MODELKEEP_SERVING_CAPTURE_SECONDS", "Inference tables are appended to every", SECONDS),
        Limit("MODELKEEP_SERVING_SPOOL_BYTES", "Rows that wait for one inference table", BYTES),
    ],
    "Webhooks and notices": [
        Limit("MODELKEEP_MAX_WEBHOOKS_PER_SCOPE", "Webhooks on one place"),
        Limit("MODELKEEP_WEBHOOK_TIMEOUT_SECONDS", "An attempt takes at most", SECONDS),
        Limit("MODELKEEP_WEBHOOK_MAX_ATTEMPTS", "Attempts of a delivery"),
        Limit("MODELKEEP_WEBHOOK_RETRY_SECONDS", "The first pause before another attempt", SECONDS),
        Limit("MODELKEEP_WEBHOOK_MAX_RETRY_SECONDS", "The longest pause", SECONDS),
        Limit("MODELKEEP_WEBHOOK_LOG_DAYS", "The log is kept for", DAYS),
    ],
    "Monitoring": [
        Limit("MODELKEEP_MONITOR_LOOKBACK_DAYS", "A new monitor looks back for", DAYS),
        Limit("MODELKEEP_MONITOR_EXACT_ROWS", "A window is measured exactly up to so many rows"),
        Limit("MODELKEEP_MAX_UPLOAD_BYTES", "A file that becomes rows of a table", BYTES),
        Limit("MODELKEEP_MAX_ALERTS_PER_OWNER", "Alerts of one owner"),
        Limit("MODELKEEP_ALERT_SQL_SECONDS", "The query of an alert may run for", SECONDS),
        Limit("MODELKEEP_ALERT_LOG_DAYS", "What an alert found is kept for", DAYS, zero="for ever"),
    ],
    "Operations": [
        Limit("MODELKEEP_OPERATION_MAX_ATTEMPTS", "Attempts of an operation whose worker was lost"),
        Limit("MODELKEEP_OPERATION_LEASE_SECONDS", "A worker is lost when it is silent for", SECONDS),
        Limit("MODELKEEP_OPERATION_HEARTBEAT_SECONDS", "A worker says that it lives every", SECONDS),
        Limit("MODELKEEP_OPERATION_CANCEL_GRACE_SECONDS", "A canceled operation may take to stop", SECONDS),
        Limit("MODELKEEP_OPERATION_SWEEP_SECONDS", "What is due is looked for every", SECONDS),
        Limit("MODELKEEP_OPERATION_DAYS", "An operation that is over is kept for", DAYS, zero="for ever"),
    ],
    "Drafted descriptions": [
        Limit("MODELKEEP_AI_TIMEOUT_SECONDS", "A draft takes at most", SECONDS),
    ],
}
"""All that bounds what users do, in the order of the page."""

NOT_LIMITS = {"MODELKEEP_SMTP_PORT", "MODELKEEP_PREPARE_THRESHOLD"}
"""Numbers of the environment that bound nothing."""


@require_safe
@signed_in
def limits_page(request: HttpRequest, actor: Actor) -> HttpResponseBase:
    """Every limit, for everybody: who meets one should know what it is and who can change it."""
    groups = [(title, [_row(limit) for limit in limits]) for title, limits in LIMITS.items()]
    return render(request, "settings/limits.html", {"groups": groups, **settings_context(request, actor)})


def _row(limit: Limit) -> dict[str, Any]:
    default = settings.NUMBER_DEFAULTS[limit.variable]
    value = limit.value
    return {
        "limit": limit,
        "value": limit.shown(value),
        "default": limit.shown(default),
        "is_changed": value != default,
        "is_set": limit.variable in os.environ,
    }
