"""An order remembers the token that it was placed with."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("order_app", "0004_copies_and_verified_points")]
    operations = [
        # NULL without a default: SQLite then adds the column without touching a row.
        migrations.AddField(
            model_name="logentry",
            name="placed_by",
            field=models.CharField(max_length=64, null=True),
        ),
    ]
