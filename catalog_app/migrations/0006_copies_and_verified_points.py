"""What no hash chain covers is stored twice; points are stored."""

from django.db import migrations, models

from bazaar.runtime.row_copies import make_copy


class Migration(migrations.Migration):
    dependencies = [("catalog_app", "0005_identity")]
    operations = [
        migrations.CreateModel(
            name="VerifiedPoint",
            fields=[
                ("position", models.BigIntegerField(primary_key=True, serialize=False)),
                ("order_no", models.BigIntegerField()),
                ("digest", models.CharField(max_length=64)),
                ("content", models.CharField(max_length=64)),
                ("copy", make_copy("position", "order_no", "digest", "content")),
            ],
            options={"abstract": False, "default_permissions": ()},
        ),
        migrations.AddField(
            "stock",
            "copy",
            make_copy("name", "price", "quantity", "opening", "issued", "trade_volume", "version"),
        ),
        migrations.AddField("leadership", "copy", make_copy("term", "leader", "in_sync")),
        migrations.AddField(
            "holderregistration", "copy", make_copy("holder_id", "host", "control_port", "is_over")
        ),
        migrations.AddField("identity", "copy", make_copy("cluster_id")),
    ]
