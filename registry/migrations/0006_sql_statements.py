"""Statements of SQL as rows."""

import django.db.models.deletion
import uuid
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("registry", "0005_read_indexes"),
    ]

    operations = [
        migrations.CreateModel(
            name="SqlStatement",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ("text", models.TextField()),
                ("catalog", models.CharField(blank=True, max_length=255)),
                ("schema", models.CharField(blank=True, max_length=255)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("PENDING", "Pending"),
                            ("RUNNING", "Running"),
                            ("SUCCEEDED", "Succeeded"),
                            ("FAILED", "Failed"),
                            ("CANCELED", "Canceled"),
                            ("CLOSED", "Closed"),
                        ],
                        default="PENDING",
                        max_length=12,
                    ),
                ),
                ("error_code", models.CharField(blank=True, max_length=40)),
                ("error_message", models.TextField(blank=True)),
                ("disposition", models.CharField(max_length=20)),
                ("format", models.CharField(max_length=20)),
                (
                    "manifest",
                    models.JSONField(blank=True, default=dict, help_text="Columns and chunks of the result."),
                ),
                ("reads", models.JSONField(blank=True, default=list, help_text="Ids of the tables that were read.")),
                ("submitted_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("finished_at", models.DateTimeField(blank=True, null=True)),
                ("deadline", models.DateTimeField(help_text="Whatever still runs then was lost with its process.")),
                ("expires_at", models.DateTimeField(blank=True, help_text="When the result goes.", null=True)),
                (
                    "actor",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sql_statements",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ("-submitted_at",),
                "indexes": [
                    models.Index(fields=["actor", "-submitted_at"], name="sql_statement_by_actor"),
                    models.Index(
                        condition=models.Q(("state__in", ["PENDING", "RUNNING"])),
                        fields=["actor", "deadline"],
                        name="sql_statement_open",
                    ),
                    models.Index(
                        condition=models.Q(("state", "SUCCEEDED")),
                        fields=["expires_at"],
                        name="sql_statement_expiring",
                    ),
                ],
            },
        ),
    ]
