"""
Plain SQL for what every trade does: one transaction, or one read.

Django's own transaction and cursor cost as much as the statements in them (docs/adr/0022). Errors
of the driver become Django's all the same, and Django notices a broken connection as ever. What is
damage is noted (`damage`). A server may lose a connection in the middle of a commit: then nobody
knows whether it happened, nor what memory should hold, and the process begins anew
(`lost_commits`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, transaction

from bazaar import clock
from bazaar.protocol import tracing
from bazaar.protocol.traces import DURABLE
from bazaar.runtime import engines
from bazaar.runtime.damage import damage
from bazaar.runtime.engines import Database, DatabaseEngine
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.metrics import commits
from bazaar.runtime.storage import storage

log = get_log("bazaar.runtime.transactions")


class LostCommits:
    """What is done when nobody knows whether a transaction was committed."""

    def __init__(self) -> None:
        self.on_lost: Callable[[], None] = _ignore
        """Ends this process, if the room says so; called by the thread that committed."""

    def report(self, reason: str) -> None:
        """Note a commit whose outcome is unknown."""
        log.warning("commit lost", reason=reason)
        self.on_lost()


def _ignore() -> None:
    """Do nothing: no room listens."""


lost_commits = LostCommits()


def read(statement: str, values: Sequence[str | int] = ()) -> list[tuple[Any, ...]]:
    """
    Return the rows that a statement finds on the thread's own connection.

    statement: with `?` for each of the values. Raises StorageFailed: it may be tried again. Raises
    django.db.DatabaseError.
    """
    django = connections[DEFAULT_DB_ALIAS]  # the proxy looks it up at every use
    try:
        with storage, django.wrap_database_errors:
            django.ensure_connection()
            return list(engines.current().open(django).execute(statement, values))
    except DatabaseError as error:
        damage.look_at(error)
        raise
    except UnicodeDecodeError as error:  # in what SQLite says about a damaged schema
        damage.look_at(error)
        raise DatabaseError(str(error)) from error


def _commit(engine: DatabaseEngine, database: Database, *, decides: bool) -> None:
    try:
        engine.commit(database)
    except Exception as error:
        if decides and not engine.has_rolled_back(error):
            lost_commits.report(str(error))
        raise


@contextmanager
def write_transaction(*, decides: bool = True) -> Iterator[Database]:
    """
    Yield the thread's connection inside one transaction, durable at its end.

    decides: whether a commit whose outcome is unknown ends the process. Parameters of its
    statements are `?`. A block that raises changes nothing. Inside a transaction of Django's it is
    a part of that; models may be read in it, and not written, because Django knows nothing of it.
    Raises StorageFailed: the database is locked, its disk full or failing, or its server is away;
    it may have happened all the same (I2, I9). Raises django.db.DatabaseError: it is damaged.
    """
    try:
        django, engine = connections[DEFAULT_DB_ALIAS], engines.current()
        if django.in_atomic_block:
            with storage, transaction.atomic(), django.wrap_database_errors:
                yield engine.open(django)
            return
        with storage, django.wrap_database_errors:
            django.ensure_connection()
            database = engine.begin(django)
            try:
                yield database
                began_s = clock.monotonic_s()
                _commit(engine, database, decides=decides)
                commits.add(clock.monotonic_s() - began_s)
                tracing.mark(DURABLE)
                storage.problem = ""
            except BaseException:
                engine.roll_back(database)
                raise
    except DatabaseError as error:
        damage.look_at(error)
        raise
