"""The console: what is watched, how it went, and what alerts found. Monitors and alerts are made through the APIs."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from monitoring.models import Alert, AlertEvaluation, AlertIncident, Monitor, MonitorRefresh
from monitoring.services import alerts, monitors, refreshes
from registry.admin.base import ReadOnlyAdmin, ServiceAdmin, actor_of
from registry.services.actors import Actor


@admin.register(Monitor)
class MonitorAdmin(ServiceAdmin):
    """Monitors: watched, refreshed, deleted."""

    list_display = ("table", "kind", "status", "owner", "quartz_cron", "is_paused", "next_run_at", "created_at")
    list_select_related = ("table__parent__parent", "owner")
    list_filter = ("kind", "status", "is_paused")
    search_fields = ("table__key", "owner__key", "failure_message")
    actions = ("refresh",)
    removable = True
    shown = (
        *("table", "owner", "kind", "status", "version", "failure_message", "timestamp_column", "granularities"),
        *("problem_type", "prediction_column", "prediction_proba_column", "label_column", "model_id_column"),
        *("slicing_expressions", "custom_metrics", "baseline_table", "baseline_table_name", "output_schema"),
        *("profile_table", "drift_table", "insights_table", "dashboard_id", "quartz_cron", "time_zone", "is_paused"),
        *("next_run_at", "failure_emails", "failure_destinations", "client_settings"),
        *("created_at", "created_by", "updated_at", "updated_by"),
    )

    def remove(self, actor: Actor, obj: Monitor) -> None:
        """Delete by the service."""
        monitors.delete_monitor(actor=actor, table=str(obj.table_id))

    @admin.action(description="Refresh")
    def refresh(self, request: HttpRequest, queryset: Any) -> None:
        """Ask for a refresh of the selected."""
        for row in queryset:
            self.attempt(
                request,
                f"{row} is refreshed.",
                lambda row=row: refreshes.run_refresh(actor=actor_of(request), table=str(row.table_id)),
            )


@admin.register(MonitorRefresh)
class MonitorRefreshAdmin(ServiceAdmin):
    """How the metrics were computed; canceled, and taken out of the history."""

    list_display = ("id", "monitor", "state", "trigger", "requested_by", "rows_read", "created_at", "finished_at")
    list_select_related = ("monitor__table__parent__parent", "requested_by")
    list_filter = ("state", "trigger")
    search_fields = ("monitor__table__key", "message")
    ordering = ("-id",)
    actions = ("cancel",)
    removable = True
    shown = (
        *("monitor", "operation", "state", "trigger", "message", "requested_by", "monitor_version", "table_version"),
        *("windows", "rows_read", "rows_written", "warnings", "created_at", "started_at", "finished_at"),
    )

    def remove(self, actor: Actor, obj: MonitorRefresh) -> None:
        """Delete by the service."""
        refreshes.delete_refresh(actor=actor, table=str(obj.monitor.table_id), refresh_id=obj.pk)

    @admin.action(description="Cancel")
    def cancel(self, request: HttpRequest, queryset: Any) -> None:
        """Cancel the selected."""
        for row in queryset.select_related("monitor"):
            self.attempt(
                request,
                f"{row} is canceled.",
                lambda row=row: refreshes.cancel_refresh(
                    actor=actor_of(request), table=str(row.monitor.table_id), refresh_id=row.pk
                ),
            )


@admin.register(Alert)
class AlertAdmin(ServiceAdmin):
    """Alerts: watched, evaluated, paused, deleted. What they look at is their owners' to say."""

    list_display = ("name", "owner", "source", "monitor", "state", "is_paused", "muted_until", "last_evaluated_at")
    list_select_related = ("owner", "monitor__table__parent__parent")
    list_filter = ("state", "source", "is_paused")
    search_fields = ("name", "owner__key", "monitor__table__key")
    actions = ("evaluate", "pause", "go_on")
    removable = True
    shown = (
        *("name", "owner", "source", "monitor", "metric_table", "metric", "selector", "query_text", "parameters"),
        *("value_column", "aggregation", "comparison", "threshold", "threshold_column", "resolve_threshold"),
        *("consecutive", "empty_result_state", "notify_on_ok", "retrigger_seconds", "emails", "workflow_destination"),
        *("workflow_parameters", "muted_until", "quartz_cron", "time_zone", "is_paused", "next_run_at", "state"),
        *("message", "last_value", "last_evaluated_at", "streak", "due_at", "summary", "description"),
        *("created_at", "created_by", "updated_at", "updated_by"),
    )

    def remove(self, actor: Actor, obj: Alert) -> None:
        """Delete by the service."""
        alerts.delete_alert(actor=actor, alert_id=obj.pk)

    @admin.action(description="Evaluate now")
    def evaluate(self, request: HttpRequest, queryset: Any) -> None:
        """Look at the selected, each with its owner's rights."""
        for row in queryset:
            self.attempt(
                request,
                f"{row} was evaluated: see its evaluations.",
                lambda row=row: alerts.evaluate_alert_now(actor=actor_of(request), alert_id=row.pk),
            )

    @admin.action(description="Pause")
    def pause(self, request: HttpRequest, queryset: Any) -> None:
        """Look at the selected no more."""
        self._pause(request, queryset, is_paused=True)

    @admin.action(description="Go on")
    def go_on(self, request: HttpRequest, queryset: Any) -> None:
        """Look at the selected again."""
        self._pause(request, queryset, is_paused=False)

    def _pause(self, request: HttpRequest, queryset: Any, *, is_paused: bool) -> None:
        for row in queryset:
            self.attempt(
                request,
                f"{row} is {'paused' if is_paused else 'looked at again'}.",
                lambda row=row: alerts.pause_alert(actor=actor_of(request), alert_id=row.pk, is_paused=is_paused),
            )


@admin.register(AlertIncident)
class AlertIncidentAdmin(ReadOnlyAdmin):
    """Breaches, from their beginning to their end."""

    list_display = ("id", "alert", "opened_at", "value", "notified_at", "resolved_at", "resolved_value")
    list_select_related = ("alert",)
    search_fields = ("alert__name",)
    ordering = ("-id",)


@admin.register(AlertEvaluation)
class AlertEvaluationAdmin(ReadOnlyAdmin):
    """What every look found."""

    list_display = ("id", "alert", "at", "trigger", "state", "value", "breached", "message", "milliseconds")
    list_select_related = ("alert",)
    list_filter = ("state", "trigger")
    search_fields = ("alert__name", "message")
    ordering = ("-id",)
