"""The ledger notes when it decided an order (docs/adr/0044)."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog_app", "0007_orders_remember_who_placed_them")]
    operations = [
        # NULL without a default: SQLite then adds the column without touching a row.
        migrations.AddField(
            model_name="entry",
            name="decided_ms",
            field=models.BigIntegerField(null=True),
        ),
        # A point has a digest of all columns; points are made anew in the background.
        migrations.RunSQL("DELETE FROM catalog_app_verifiedpoint", migrations.RunSQL.noop),
    ]
