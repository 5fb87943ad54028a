"""The head row names the active catalog, which proves itself in it."""

from django.db import migrations, models

from bazaar.runtime.row_copies import make_copy


class Migration(migrations.Migration):
    dependencies = [("catalog_app", "0009_head_row")]
    operations = [
        migrations.RemoveField("leadership", "copy"),
        migrations.AddField("leadership", "active", models.IntegerField(null=True)),
        migrations.AddField("leadership", "proofs", models.BigIntegerField(default=0)),
        migrations.AddField(
            "leadership",
            "copy",
            make_copy(
                *("epoch", "active", "term", "leader", "in_sync", "position", "digest", "decisions")
            ),
        ),
    ]
