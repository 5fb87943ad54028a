"""What every Django test shares: a database in a file, so threads see only what is committed."""

from pathlib import Path

import pytest
from django.core import signals
from django.db import close_old_connections, connection

CLUSTERS, BROWSER = (Path(__file__).parent / name for name in ("cluster", "browser"))
"""Folders whose tests run whole clusters: with several workers, one worker runs a folder."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep clusters from running beside each other: some first, some last, all else meanwhile."""
    items.sort(key=lambda item: _rank(item.path))
    for item in items:
        for folder in (CLUSTERS, BROWSER):
            if item.path.is_relative_to(folder):
                item.add_marker(pytest.mark.xdist_group(folder.name))


def _rank(path: Path) -> int:
    return path.is_relative_to(BROWSER) - path.is_relative_to(CLUSTERS)


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
