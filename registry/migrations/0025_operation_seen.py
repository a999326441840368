"""Operations remember whether their actor has seen how they ended."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("registry", "0022_access_requests")]

    operations = [
        migrations.AddField(
            model_name="operation",
            name="seen_at",
            field=models.DateTimeField(blank=True, help_text="When its actor was shown how it ended.", null=True),
        ),
        migrations.AddIndex(
            model_name="operation",
            index=models.Index(
                condition=models.Q(("seen_at__isnull", True), ("state", "FAILED")),
                fields=["actor", "-finished_at"],
                name="operation_unseen_failure",
            ),
        ),
    ]
