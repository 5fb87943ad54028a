"""
Tries a database again whose last write failed.

A process that is not ready gets no work, so no write of its own would ever tell.
"""

from bazaar.core.failures import StorageFailed
from bazaar.runtime.engines import current
from bazaar.runtime.loops import Loop
from bazaar.runtime.storage import storage
from bazaar.runtime.transactions import write_transaction

PROBE_INTERVAL_S = 1.0


def probe_storage() -> None:
    """Write what changes nothing, if the last write failed."""
    if not storage.problem:
        return
    try:
        with write_transaction() as database:
            current().probe(database)
    except StorageFailed:
        return  # it is noted where it is raised


def start_storage_probe() -> None:
    """Begin to probe; the thread ends with the process."""
    Loop("storage", probe_storage, PROBE_INTERVAL_S).start()
