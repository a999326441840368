"""What a worker leaves on an operation's row: effects that took place, and the task that can be stopped."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Adds two columns, and the index behind the list of everybody's operations."""

    dependencies = [("registry", "0003_manifest_guard")]

    operations = [
        migrations.AddField(
            model_name="operation",
            name="effects",
            field=models.JSONField(blank=True, default=list, help_text="Effects that took place, each once."),
        ),
        migrations.AddField(
            model_name="operation",
            name="task_id",
            field=models.CharField(
                blank=True, help_text="Celery's id of the task that holds the lease.", max_length=64
            ),
        ),
        migrations.AddIndex(
            model_name="operation",
            index=models.Index(fields=["-created_at", "-id"], name="operation_recent"),
        ),
    ]
