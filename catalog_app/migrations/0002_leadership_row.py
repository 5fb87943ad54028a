"""The one leadership row: term 0, nobody leads yet."""

from typing import Any

from django.db import migrations


def add_row(apps: Any, schema_editor: Any) -> None:
    rows = apps.get_model("catalog_app", "Leadership").objects.using(schema_editor.connection.alias)
    rows.get_or_create(pk=1, defaults={"term": 0, "leader": None})


class Migration(migrations.Migration):
    dependencies = [("catalog_app", "0001_initial")]
    operations = [migrations.RunPython(add_row, migrations.RunPython.noop)]
