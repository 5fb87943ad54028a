"""The database of a test as damage leaves it, and other databases beside it."""

import pytest
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from pymysql.constants import SERVER_STATUS

from bazaar.settings.env import Limits

TURN_S = Limits().verify_turn_s
"""In which a verifier goes through a whole database, at least."""


def execute(statement: str) -> None:
    """Change something as damage does: nothing is checked, and no copy follows."""
    is_sqlite = connection.vendor == "sqlite"
    with connection.cursor() as cursor:
        if is_sqlite:
            cursor.execute("PRAGMA ignore_check_constraints = ON")
        cursor.execute(statement)
        if is_sqlite:
            cursor.execute("PRAGMA ignore_check_constraints = OFF")


def allow_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test open a new database, which Django's test case forbids."""

    def ensure(self: BaseDatabaseWrapper) -> None:
        if self.connection is None:
            self.connect()

    monkeypatch.setattr(BaseDatabaseWrapper, "ensure_connection", ensure)


def refusal(reason: str, column: str) -> str:
    """Return a pattern of what any engine says; reason: UNIQUE or NOT NULL."""
    if reason == "UNIQUE":
        return f"Duplicate entry|(UNIQUE constraint|duplicate key)(.|\\n)*{column}"
    return f"(NOT NULL constraint|null value in column|Column)[^\\n]*{column}"


def is_in_transaction() -> bool:
    """Tell whether this thread's connection is in a transaction."""
    driver = connection.connection
    if connection.vendor == "sqlite":
        return bool(driver.in_transaction)
    if connection.vendor == "postgresql":
        return bool(driver.info.transaction_status)
    return bool(driver.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS)
