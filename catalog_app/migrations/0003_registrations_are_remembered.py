"""Registrations stay for a while after their lease; before, they were deleted."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog_app", "0002_leadership_row")]
    operations = [
        migrations.AddField("holderregistration", "is_over", models.BooleanField(default=False))
    ]
