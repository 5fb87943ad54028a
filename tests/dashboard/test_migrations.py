"""A database of the first version keeps its rows."""

import contextlib
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

from bazaar.cluster.data_dir import make_secret
from bazaar.settings import env
from dashboard.models import PERMISSIONS

ENTRY = ("2026-01-02 03:04:05", "admin", "fault", "kill order-3", "order-3: SIGKILL sent")
EVENT = ("2026-01-02 03:04:05", "order-1", 1.5, 7, "leads", "term=4")
MIGRATE = f"""
import django
from django.core.management import call_command
from django.db import connection
django.setup()
for target in (["auth"], ["contenttypes"], ["dashboard", "0001"]):
    call_command("migrate", *target, verbosity=0)
with connection.cursor() as cursor:
    cursor.execute(
        "INSERT INTO dashboard_deed (at, username, action, target, result)"
        " VALUES (%s, %s, %s, %s, %s)", {ENTRY}
    )
    cursor.execute(
        "INSERT INTO dashboard_event (at, source, began_s, no, phrase, text)"
        " VALUES (%s, %s, %s, %s, %s, %s)", {EVENT}
    )
call_command("migrate", verbosity=0)
"""


def test_audit_and_events_outlive_their_new_names(tmp_path: Path) -> None:
    make_secret(tmp_path / "cluster.secret")
    done = subprocess.run(
        [sys.executable, "-c", MIGRATE],
        cwd=env.ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "bazaar.settings.dashboard",
            "BAZAAR_DATA_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    with contextlib.closing(sqlite3.connect(tmp_path / "dashboard.sqlite3")) as connection:
        read = connection.execute
        entries = read("SELECT at, username, action, target, result FROM dashboard_auditentry")
        assert entries.fetchall() == [ENTRY]
        events = read("SELECT at, source, began_s, no, phrase, text FROM dashboard_eventrecord")
        assert events.fetchall() == [EVENT]
        names = read(
            "SELECT codename FROM auth_permission JOIN django_content_type AS kind"
            " ON kind.id = content_type_id WHERE app_label = 'dashboard' AND model = 'auditentry'"
        )
        assert set(PERMISSIONS) <= {name for (name,) in names}
        kinds = read("SELECT model FROM django_content_type WHERE app_label = 'dashboard'")
        assert sorted(kinds) == [("auditentry",), ("eventrecord",), ("identity",)]
