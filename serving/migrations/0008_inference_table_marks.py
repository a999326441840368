"""What has been counted of an inference table: batches of each spool, dropped rows, requests not unpacked."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar = [("serving", "0004_word_of_changes")]

    operations: ClassVar = [
        migrations.AddField(
            model_name="inferencetable",
            name="batches",
            field=models.JSONField(
                blank=True, default=dict, help_text="The last batch of each spool that is counted."
            ),
        ),
        migrations.AddField(
            model_name="inferencetable",
            name="drops",
            field=models.JSONField(
                blank=True, default=dict, help_text="Dropped rows already counted, by gateway process."
            ),
        ),
        migrations.AddField(
            model_name="inferencetable",
            name="tidied_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="inferencetable",
            name="unparsed_rows",
            field=models.PositiveBigIntegerField(default=0, help_text="Requests that could not be unpacked."),
        ),
    ]
