"""The addresses of operations, the bell, the audit trail and SQL."""

from django.urls import path

from registry.web import audit, bell, operations, sql

_OPERATION = "operations/<uuid:operation_id>"
_STATEMENT = "sql/statements/<uuid:statement_id>"

urlpatterns = [
    path("operations", operations.operations_page, name="operations"),
    path(_OPERATION, operations.operation_page, name="operation"),
    path(f"{_OPERATION}/live", operations.live, name="operation-live"),
    path(f"{_OPERATION}/progress", operations.progress, name="operation-progress"),
    path(f"{_OPERATION}/log", operations.log, name="operation-log"),
    path(f"{_OPERATION}/cancel", operations.cancel, name="cancel-operation"),
    path(f"{_OPERATION}/retry", operations.retry, name="retry-operation"),
    path("audit", audit.audit_page, name="audit"),
    path("audit/export", audit.export, name="audit-export"),
    path("audit/verify", audit.verify, name="verify-audit"),
    path("audit/events/<uuid:event_id>", audit.event, name="audit-event"),
    path("sql", sql.sql_page, name="sql"),
    path("sql/names", sql.names, name="sql-names"),
    path("sql/run", sql.run, name="run-sql"),
    path("sql/history", sql.history, name="sql-history"),
    path(_STATEMENT, sql.statement, name="sql-statement"),
    path(f"{_STATEMENT}/cancel", sql.cancel, name="cancel-sql"),
    path(f"{_STATEMENT}/again", sql.again, name="run-sql-again"),
    path(f"{_STATEMENT}/csv", sql.download, name="sql-csv"),
    path("bell", bell.panel, name="bell"),
    path("bell/badge", bell.badge, name="bell-badge"),
    path("bell/seen", bell.seen, name="bell-seen"),
]
