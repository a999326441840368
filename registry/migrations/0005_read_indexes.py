"""Indexes behind searches: parts of names, and versions by the time of their last change."""

from django.db import migrations, models

# What the extension pg_trgm would give, which not every PostgreSQL comes with.
TRIGRAMS = """
CREATE FUNCTION registry_trigrams(name text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT array_agg(DISTINCT substr(name, n, 3)) FROM generate_series(1, length(name) - 2) AS n
$$;
CREATE INDEX securable_name_parts ON registry_securable USING gin (registry_trigrams(key));
"""
NO_TRIGRAMS = """
DROP INDEX securable_name_parts;
DROP FUNCTION registry_trigrams(text);
"""


class Migration(migrations.Migration):
    """Adds one function and three indexes."""

    dependencies = [("registry", "0004_operation_effects")]

    operations = [
        migrations.RunSQL(TRIGRAMS, NO_TRIGRAMS),
        migrations.AddIndex(
            model_name="modelversion",
            index=models.Index(fields=["model", "-updated_at"], name="model_version_changed"),
        ),
        migrations.AddIndex(
            model_name="modelversion",
            index=models.Index(fields=["-updated_at"], name="model_version_recent"),
        ),
    ]
