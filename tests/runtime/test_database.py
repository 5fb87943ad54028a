"""How large a role's database is."""

from pathlib import Path

import pytest
from django.db import connection

from bazaar.runtime.database import database_bytes


def test_the_database_and_its_log_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "catalog.sqlite3"
    monkeypatch.setitem(connection.settings_dict, "NAME", path)
    assert database_bytes() is None
    path.write_bytes(b"x" * 1000)
    assert database_bytes() == 1000
    path.with_name("catalog.sqlite3-wal").write_bytes(b"x" * 24)
    assert database_bytes() == 1024


def test_a_role_without_a_database_has_no_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ENGINE", "django.db.backends.dummy")
    monkeypatch.setitem(connection.settings_dict, "NAME", "")
    assert database_bytes() is None
