"""Indexes behind the audit page. Built beside the writers: the trail may be long."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("registry", "0025_operation_seen")]

    operations = [
        AddIndexConcurrently(
            model_name="auditevent",
            index=models.Index(fields=["actor_id", "-id"], name="audit_by_principal"),
        ),
        AddIndexConcurrently(
            model_name="auditevent",
            index=models.Index(
                fields=["securable_name", "-id"],
                name="audit_by_name",
                opclasses=["varchar_pattern_ops", "int8_ops"],
            ),
        ),
        AddIndexConcurrently(
            model_name="auditevent",
            index=models.Index(fields=["at"], name="audit_by_time"),
        ),
    ]
