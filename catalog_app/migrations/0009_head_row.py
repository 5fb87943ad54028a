"""The row with term and leader becomes the head row, which every decision writes."""

from typing import Any

from django.db import migrations, models

from bazaar.runtime.row_copies import make_copy


def note_end(apps: Any, schema_editor: Any) -> None:
    def newest(model: str, column: str) -> Any:
        rows = apps.get_model("catalog_app", model).objects.using(schema_editor.connection.alias)
        return rows.order_by(f"-{column}").first()

    order, change = newest("Entry", "order_no"), newest("StockChange", "position")
    position = (order.order_no if order else 0) + (change.change_no if change else 0)
    last = change if change and change.position == position else order
    rows = apps.get_model("catalog_app", "Leadership").objects.using(schema_editor.connection.alias)
    rows.update(position=position, digest=last.digest if last else "0" * 64)


class Migration(migrations.Migration):
    dependencies = [("catalog_app", "0008_orders_have_a_time")]
    operations = [
        migrations.RemoveField("leadership", "copy"),
        migrations.AddField("leadership", "epoch", models.BigIntegerField(default=0)),
        migrations.AddField("leadership", "position", models.BigIntegerField(default=0)),
        migrations.AddField(
            "leadership", "digest", models.CharField(default="0" * 64, max_length=64)
        ),
        migrations.AddField("leadership", "decisions", models.BigIntegerField(default=0)),
        migrations.RunPython(note_end, migrations.RunPython.noop),
        migrations.AddField(
            "leadership",
            "copy",
            make_copy("epoch", "term", "leader", "in_sync", "position", "digest", "decisions"),
        ),
    ]
