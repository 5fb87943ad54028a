"""A database knows to which cluster it belongs."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("order_app", "0002_stock_changes")]
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
            ],
            options={"abstract": False, "default_permissions": ()},
        ),
    ]
