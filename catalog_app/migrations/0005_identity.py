"""A database knows to which cluster it belongs."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog_app", "0004_stock_changes")]
    operations = [
        migrations.CreateModel(
            name="Identity",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("cluster_id", models.UUIDField(null=True)),
                ("incarnation", models.UUIDField(null=True)),
            ],
            options={"abstract": False, "default_permissions": ()},
        ),
        migrations.AddField("leadership", "in_sync", models.CharField(max_length=300, default="")),
    ]
