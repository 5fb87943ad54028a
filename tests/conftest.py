"""What every Django test shares: a database in a file, so threads see only what is committed."""

import pytest
from django.core import signals
from django.db import close_old_connections, connection


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the test database in a file as the roles do; a memory one has no second reader."""
    folder = tmp_path_factory.mktemp("database")
    connection.settings_dict["TEST"]["NAME"] = str(folder / "test.sqlite3")


@pytest.fixture(scope="session", autouse=True)
def _connections_stay_open() -> None:
    """Let a request run inside a test's transaction; a role keeps its connections open too."""
    signals.request_started.disconnect(close_old_connections)
    signals.request_finished.disconnect(close_old_connections)
