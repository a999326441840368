"""Reads in plain SQL, for the few calls that clients make all the time: the ORM takes longer than the database there.

The server keeps the plan of a statement that a connection repeats (`prepare_threshold` in the settings).
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.backends.postgresql.base import ServerBindingCursor
from django.db.models import Model
from django.db.models.base import ModelState

M = TypeVar("M", bound=Model)
# Neither the stubs nor the documentation know the parts of Django's back end that are used here.
_database: Any = connection
_Base: Any = ServerBindingCursor


class _Cursor(_Base):  # type: ignore[misc]
    """Tells a log of queries its statement also when the server has that prepared already."""

    _query: Any

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        super().execute(query, params, **options)
        if _database.queries_logged and self._query is None:
            self._query = self._convert_query(query, params)
        return self


def fetch(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """All rows of a statement. JSON columns come as text. One query."""
    _database.close_if_health_check_failed()
    _database.ensure_connection()
    # Django's own cursors put the values into the text, so that no statement would ever repeat.
    raw = _Cursor(_database.connection)
    with _database.wrap_database_errors, _database._prepare_cursor(raw) as cursor:  # noqa: SLF001
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def instance(model: type[M], values: dict[str, Any], /, **related: Model | None) -> M:
    """An instance as a queryset makes it; a column that is not among the values loads itself when it is touched.

    `related` fills forward relations, by name.
    """
    # The constructor sends signals and walks over defaults: for a page of rows that is most of the time.
    made = model.__new__(model)
    made.__dict__.update(values)
    state = made._state = ModelState()  # noqa: SLF001
    state.adding, state.db = False, DEFAULT_DB_ALIAS
    if related:
        state.fields_cache.update(related)
    return made
