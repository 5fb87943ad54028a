"""What all tests share: the order they run in, Ctrl-C, and a database that threads can share."""

import gc
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core import signals
from django.db import close_old_connections, connection
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from bazaar.core.types import START
from bazaar.protocol import tracing
from bazaar.runtime.damage import damage
from bazaar.runtime.span_ring import SpanRing

BROWSER, CLUSTERS = (Path(__file__).parent / name for name in ("browser", "cluster"))
SHARED_CLUSTER = "shared cluster"
"""The group of all files of `tests/cluster` but these:"""
OWN_CLUSTERS = tuple(
    f"test_{name}.py"
    for name in (
        *("operating", "hosts", "ends", "disks", "backup", "client_dialects", "prometheus", "tls"),
        *("tracing", "database_servers", "evaluate", "coherence", "hostile", "access_tokens"),
    )
)
"""
Files of `tests/cluster` whose tests all have clusters of their own, the longest first.

Some tests of the others have clusters of their own, too.
"""
LONG_FOLDERS = ("engines", "sim", "contract", "cluster_unit")
"""Folders with files that take longest, after the clusters."""

settings.register_profile("patient", deadline=None)  # a busy machine breaks no promise
settings.load_profile("patient")


def pytest_configure() -> None:
    """Make Ctrl-C end what tests start, also where this run was started to ignore it (`&`)."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """
    Runs the tests of a group in one process, one after the other, and the groups wherever.

    What shares a cluster is a group; the project's files are parsed once. All others are a group
    for each file, whose fixtures are made once. xdist's own groups are marks that it writes into
    ids of tests, which pytest 9.2 ignores.
    """

    def _split_scope(self, nodeid: str) -> str:
        """Return the group of a test."""
        path = nodeid.partition("::")[0]
        # The servers of each engine take the time of many files, so they may run side by side.
        return nodeid if Path(path).parent.name == "engines" else group_of(path)


def group_of(path: str) -> str:
    """Return the group of a test's file, as pytest writes its path: its own path by default."""
    folder, name = Path(path).parent.name, Path(path).name
    if folder == "cluster":
        return path if name in OWN_CLUSTERS else SHARED_CLUSTER
    return folder if folder in ("architecture", "browser") else path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> GroupScheduling:
    """Share the tests out; called in the process that starts those that run them."""
    return GroupScheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the clusters, the shared ones first; then come the longest, then all others."""
    items.sort(key=lambda item: _rank(item.path))


def pytest_collection() -> None:
    """Spare the garbage collector what is being collected: all of it stays to the end."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Let it go on, but leave out what there is: looking through that takes a tenth."""
    gc.freeze()
    gc.enable()


def _rank(path: Path) -> tuple[int, int]:
    """Return a place in the order: at the end neither process waits long for the other one."""
    if path.name in OWN_CLUSTERS and path.is_relative_to(CLUSTERS):
        return 1, OWN_CLUSTERS.index(path.name)
    if path.is_relative_to(CLUSTERS) or path.is_relative_to(BROWSER):
        return 0, int(path.is_relative_to(BROWSER))
    return (2 if path.parent.name in LONG_FOLDERS else 3), 0


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the test database in a file as the roles do; a memory one has no second reader."""
    if connection.vendor != "sqlite":
        return
    folder = tmp_path_factory.mktemp("database")
    connection.settings_dict["TEST"]["NAME"] = str(folder / "test.sqlite3")


@pytest.fixture(scope="session", autouse=True)
def _connections_stay_open() -> None:
    """Let a request run inside a test's transaction; a role keeps its connections open too."""
    signals.request_started.disconnect(close_old_connections)
    signals.request_finished.disconnect(close_old_connections)


@pytest.fixture(scope="session", autouse=True)
def _migrated_rows_come_back() -> None:
    """Make the head row again whenever a test that has committed ends with empty tables."""
    from django.apps import apps  # noqa: PLC0415 - once Django is set up
    from django.db.models.signals import post_migrate  # noqa: PLC0415

    def add(**how: object) -> None:
        if "plan" not in how:  # tables were emptied; nothing was migrated
            rows = apps.get_model("catalog_app", "Leadership").objects
            rows.get_or_create(pk=1, defaults={"term": 0, "leader": None})

    post_migrate.connect(add, sender=apps.get_app_config("catalog_app"), weak=False)


@pytest.fixture(autouse=True)
def _nothing_is_damaged() -> None:
    """Forget what an earlier test damaged, was refused, and wrote where it is rolled back."""
    from bazaar.runtime.log_lines import line_limiter  # noqa: PLC0415 - once Django is set up
    from bazaar.runtime.metrics import events  # noqa: PLC0415 - once Django is set up
    from bazaar.runtime.storage import storage  # noqa: PLC0415 - once Django is set up
    from bazaar.runtime.transactions import lost_commits  # noqa: PLC0415 - once Django is set up
    from catalog_app.selectors import LEDGER  # noqa: PLC0415

    damage.clear()
    line_limiter._kinds.clear()
    events._refusals.clear()  # their number would be an event of a later test
    storage.problem = ""
    damage.on_found = lambda where: None
    lost_commits.on_lost = lambda: None  # and not what ends a process
    LEDGER.written = START


@pytest.fixture
def ring() -> Iterator[SpanRing]:
    """Remember the spans of trades, as every process does."""
    made = SpanRing(100)
    tracing.subscribe(made)
    yield made
    tracing.unsubscribe_all()


@pytest.fixture
def lost() -> list[str]:
    """Return what a process is told of commits whose outcome nobody knows."""
    from bazaar.runtime.transactions import lost_commits  # noqa: PLC0415 - once Django is set up

    told: list[str] = []
    lost_commits.on_lost = lambda: told.append("lost")
    return told
