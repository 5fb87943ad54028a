"""The log has stock changes beside its orders."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("order_app", "0001_initial")]
    operations = [
        migrations.CreateModel(
            name="StockChange",
            fields=[
                ("position", models.BigIntegerField(primary_key=True, serialize=False)),
                ("change_no", models.BigIntegerField(unique=True)),
                ("stock_name", models.CharField(max_length=200)),
                ("price", models.CharField(max_length=20)),
                ("opening", models.BigIntegerField()),
                ("issued", models.BigIntegerField()),
                ("version", models.BigIntegerField()),
                ("digest", models.CharField(max_length=64)),
            ],
            options={"abstract": False},
        ),
    ]
