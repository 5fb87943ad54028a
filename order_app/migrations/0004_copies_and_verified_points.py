"""What no hash chain covers is stored twice; points are stored."""

from django.db import migrations, models

from bazaar.runtime.row_copies import make_copy


def _add_copy(model: str, *columns: str) -> migrations.AddField:
    return migrations.AddField(model, "copy", make_copy(*columns))


class Migration(migrations.Migration):
    dependencies = [("order_app", "0003_identity")]
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
        _add_copy("heardterm", "term", "leader"),
        _add_copy("identity", "cluster_id"),
    ]
