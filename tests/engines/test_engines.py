"""What holds on SQLite holds on PostgreSQL and MariaDB: the same tests again (docs/adr/0047)."""

import os
import subprocess
import sys

import pytest

from bazaar.settings import env
from tests.support.database_servers import SERVERS

FILES = (
    *(f"tests/catalog_app/test_{name}.py" for name in ("place_batch", "head_row", "models")),
    *(f"tests/catalog_app/test_{name}.py" for name in ("recovery", "leadership", "coherence")),
    *(f"tests/catalog_app/test_{name}.py" for name in ("stock_changes", "load_stocks", "verified")),
    *(f"tests/catalog_app/test_{name}.py" for name in ("registration", "activity")),
    *(f"tests/order_app/test_{name}.py" for name in ("store", "sequence", "order_list", "replica")),
    "tests/order_app/test_models.py",
    "tests/runtime/test_transactions.py",
    "tests/catalog_app/on_a_server.py",
)
TIMEOUT_S = 300


@pytest.mark.timeout(TIMEOUT_S + 60)
@pytest.mark.parametrize("engine", SERVERS)
def test_what_holds_on_sqlite_holds_on(engine: str) -> None:
    """I1 to I9, in a process whose default database is on a server of this engine."""
    with SERVERS[engine](is_durable=False) as server:
        # The server's end is the database's: to drop it would wait for threads that have it open.
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--reuse-db", "-m", "not sqlite", *FILES],
            cwd=env.ROOT,
            env={**os.environ, "BAZAAR_TEST_DATABASE_URL": server.url("bazaar")},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
