"""An event is stored as a sentence, too."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("dashboard", "0003_identity")]
    operations = [
        migrations.AddField(
            model_name="eventrecord",
            name="sentence",
            field=models.CharField(default="", max_length=500),
        ),
    ]
