from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("dashboard", "0001_first")]

    operations = [
        migrations.RenameModel(old_name="Deed", new_name="AuditEntry"),
        migrations.RenameModel(old_name="Event", new_name="EventRecord"),
        migrations.AlterModelOptions(
            name="auditentry",
            options={
                "default_permissions": (),
                "ordering": ("-at", "-id"),
                "permissions": (
                    ("browse_api", "API: read the endpoints of every process"),
                    ("trade", "Stocks: trade"),
                    ("change_price", "Stocks: change a price"),
                    ("evict", "Cache: evict a stock"),
                    ("inject_fault", "Cluster: kill, pause, resume and restart processes"),
                    ("view_auditentry", "Audit: read it"),
                ),
                "verbose_name": "audit entry",
                "verbose_name_plural": "audit entries",
            },
        ),
        migrations.AlterModelOptions(
            name="eventrecord",
            options={"default_permissions": (), "ordering": ("-at", "-id")},
        ),
    ]
