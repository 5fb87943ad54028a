"""What no hash chain covers is stored twice; points are stored."""

from django.db import migrations, models

from bazaar.runtime.row_copies import make_copy


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
        migrations.AddField("heardterm", "copy", make_copy("term", "leader")),
        migrations.AddField("identity", "copy", make_copy("cluster_id")),
    ]
