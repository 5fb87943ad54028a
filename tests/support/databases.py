"""The database of a test as damage leaves it, and other databases beside it."""

import pytest
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from bazaar.settings.env import Limits

TURN_S = Limits().verify_turn_s
"""In which a verifier goes through a whole database, at least."""


def execute(statement: str) -> None:
    """Change something as damage does: nothing is checked, and no copy follows."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA ignore_check_constraints = ON")
        cursor.execute(statement)
        cursor.execute("PRAGMA ignore_check_constraints = OFF")


def allow_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test open a new database, which Django's test case forbids."""

    def ensure(self: BaseDatabaseWrapper) -> None:
        if self.connection is None:
            self.connect()

    monkeypatch.setattr(BaseDatabaseWrapper, "ensure_connection", ensure)
