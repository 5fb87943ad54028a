"""
Disks that fail: which errors of a database pass, and which are damage.

A full disk, a lock, a file system that became read-only, an error of reading or writing: the next
try may succeed, so a caller hears StorageFailed and the process stays. Everything else, a malformed
file first of all, does not go away and stays django.db.DatabaseError.
"""

import logging
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from django.conf import settings
from django.db import DatabaseError

from bazaar import clock
from bazaar.clock import Pause
from bazaar.core.failures import StorageFailed
from bazaar.runtime import engines
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.metrics import events
from bazaar.topology import process_name

log = get_log("bazaar.runtime.storage")
RETRY_S = 0.5
"""Between two tries of a process that cannot begin without its database."""
T = TypeVar("T")


def find_failure(error: DatabaseError) -> StorageFailed | None:
    """Note a passing error and return its failure; None when it is damage."""
    cause = error.__cause__
    if cause is None or not engines.current().is_passing(cause):
        return None
    storage.problem = str(error)
    events.emit_refusal(log, "storage_failed", level=logging.WARNING, reason=str(error))
    name = process_name(settings.BAZAAR_ROLE, settings.BAZAAR_NODE.id)
    return StorageFailed(f"{name} cannot use its database now ({error}); try again.")


class Storage:
    """A block whose passing errors are raised as StorageFailed."""

    problem = ""
    """The last error, until a write succeeds; empty: none."""

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Raise StorageFailed instead of an error that passes."""
        if isinstance(error, DatabaseError) and (failure := find_failure(error)):
            raise failure from error


storage = Storage()


def await_storage(begin: Callable[[], T], pause: Pause = clock.wait) -> T:
    """Return what a function returns; call it again while storage fails."""
    is_told = False
    while True:
        try:
            with storage:
                return begin()
        except StorageFailed as failure:
            if not is_told:
                log.warning("waiting", reason=failure.message)
            is_told = True
        pause(RETRY_S)
