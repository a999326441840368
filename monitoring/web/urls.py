"""The addresses of monitoring's pages."""

from django.urls import path

from monitoring.web import alerts, endpoints, monitors, quality

_TABLE = "explore/quality/<str:full_name>"

urlpatterns = [
    path("monitoring", monitors.monitors_page, name="monitors"),
    path(f"{_TABLE}/enable", monitors.enable, name="enable-monitor"),
    path(f"{_TABLE}/settings", monitors.edit, name="edit-monitor"),
    path(f"{_TABLE}/delete", monitors.delete, name="delete-monitor"),
    path(f"{_TABLE}/live", quality.live, name="monitor-live"),
    path(f"{_TABLE}/refresh", quality.refresh, name="refresh-monitor"),
    path(f"{_TABLE}/refreshes/<int:refresh_id>/cancel", quality.cancel, name="cancel-refresh"),
    path(f"{_TABLE}/metrics.csv", quality.metrics_csv, name="metrics-csv"),
    path("serving/<str:endpoint>/watch-metrics", endpoints.watch_metrics, name="watch-endpoint-metrics"),
    path("alerts", alerts.alerts_page, name="alerts"),
    path("alerts/new", alerts.new_alert, name="new-alert"),
    path("alerts/<uuid:alert_id>", alerts.alert_page, name="alert"),
    path("alerts/<uuid:alert_id>/edit", alerts.edit_alert, name="edit-alert"),
    path("alerts/<uuid:alert_id>/mute", alerts.mute, name="mute-alert"),
    path("alerts/<uuid:alert_id>/pause", alerts.pause, name="pause-alert"),
    path("alerts/<uuid:alert_id>/evaluate", alerts.evaluate, name="evaluate-alert"),
    path("alerts/<uuid:alert_id>/test", alerts.test, name="test-alert"),
    path("alerts/<uuid:alert_id>/delete", alerts.delete, name="remove-alert"),
]
