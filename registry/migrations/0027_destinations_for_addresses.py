"""Destinations that are made for an address are told apart from those that people choose among."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("registry", "0026_audit_indexes")]

    operations = [
        migrations.AddField(
            model_name="notificationdestination",
            name="for_address",
            field=models.BooleanField(
                default=False,
                help_text="Made for an address that somebody named; not in the list to choose from.",
            ),
        ),
    ]
