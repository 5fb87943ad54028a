"""Listing and prices become entries of the ledger."""

from decimal import Decimal
from hashlib import sha256
from typing import Any

from django.db import migrations, models


def list_stocks(apps: Any, schema_editor: Any) -> None:
    database = schema_editor.connection.alias
    newest = (
        apps.get_model("catalog_app", "Entry").objects.using(database).order_by("-order_no").first()
    )
    position, digest = (newest.order_no, newest.digest) if newest else (0, "0" * 64)
    change = apps.get_model("catalog_app", "StockChange")
    rows = []
    stocks = apps.get_model("catalog_app", "Stock").objects.using(database).order_by("pk")
    for number, stock in enumerate(stocks.iterator(), start=1):
        cents = stock.price.quantize(Decimal("0.01"))
        price = str(cents if cents == stock.price else stock.price.normalize())
        numbers = f"{stock.version}|{price}|{stock.opening}|{stock.issued}"
        digest = sha256(f"{digest}|stock|{numbers}|{stock.name}".encode()).hexdigest()
        rows.append(
            change(
                position=position + number,
                change_no=number,
                stock_name=stock.name,
                price=price,
                opening=stock.opening,
                issued=stock.issued,
                version=stock.version,
                digest=digest,
            )
        )
    change.objects.using(database).bulk_create(rows, batch_size=1000)


class Migration(migrations.Migration):
    dependencies = [("catalog_app", "0003_registrations_are_remembered")]
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
        migrations.RunPython(list_stocks, migrations.RunPython.noop),
    ]
