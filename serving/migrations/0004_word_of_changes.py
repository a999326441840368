"""Word of what is to be served: whoever listens on the channel `modelkeep_serving` hears of it with the commit.

The supervisor listens. Statement-level, and without a payload: however many rows change, a transaction tells once.
"""

from typing import ClassVar

from django.db import migrations

_FUNCTION = """
CREATE FUNCTION modelkeep_serving_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('modelkeep_serving', '');
    RETURN NULL;
END $$
"""
_TRIGGERS = {
    "serving_servingendpoint": "INSERT OR UPDATE OR DELETE",
    "serving_servedentity": "INSERT OR UPDATE OF is_wanted OR DELETE",
    "serving_inferencetable": "INSERT OR UPDATE OF is_enabled, endpoint_id, table_id OR DELETE",
}


class Migration(migrations.Migration):
    dependencies: ClassVar = [("serving", "0002_version_environments")]

    operations: ClassVar = [
        migrations.RunSQL(_FUNCTION, "DROP FUNCTION modelkeep_serving_changed()"),
        *(
            migrations.RunSQL(
                f"CREATE TRIGGER modelkeep_serving_changed AFTER {when} ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION modelkeep_serving_changed()",
                f"DROP TRIGGER modelkeep_serving_changed ON {table}",
            )
            for table, when in _TRIGGERS.items()
        ),
    ]
