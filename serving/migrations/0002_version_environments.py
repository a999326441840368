"""Which environment a version runs in, and what the same requirement lines were resolved to before."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("registry", "0026_audit_indexes"),
        ("serving", "0001_endpoints"),
    ]

    operations = [
        migrations.CreateModel(
            name="ResolvedRequirements",
            fields=[
                ("key", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("resolved_at", models.DateTimeField()),
                ("environment", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="resolutions", to="serving.servingenvironment")),
            ],
            options={
                "verbose_name_plural": "resolved requirements",
            },
        ),
        migrations.CreateModel(
            name="VersionEnvironment",
            fields=[
                ("version", models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name="environment_link", serialize=False, to="registry.modelversion")),
                ("proved_at", models.DateTimeField(blank=True, null=True)),
                ("message", models.TextField(blank=True, help_text="Why the version cannot predict in it; empty when it can.")),
                ("updated_at", models.DateTimeField()),
                ("environment", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="version_links", to="serving.servingenvironment")),
                ("operation", models.ForeignKey(blank=True, help_text="What last made or proved it.", null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="registry.operation")),
            ],
        ),
    ]
