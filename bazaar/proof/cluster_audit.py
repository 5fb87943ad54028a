"""The part of an audit that needs no history: databases among themselves, caches and terms."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from functools import partial
from typing import TypeVar

from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.errors import ClusterError
from bazaar.core.failures import Failure
from bazaar.proof.files import LedgerFile, LogFile
from bazaar.proof.ledger import check_leaderships, check_ledger
from bazaar.proof.logs import read_ledger
from bazaar.proof.parties import Parties
from bazaar.proof.remote import LedgerRemote, LogRemote
from bazaar.proof.scratch import Scratch
from bazaar.proof.sources import CHUNK_ROWS, DamagedError, Ledger, Log, SourceError
from bazaar.proof.verdict import Notes
from bazaar.protocol.clients import FrontEndClient
from bazaar.protocol.statuses import FrontEndStatus

THREADS_MAX = 16
_LOG_NAME = re.compile(r"(order-[1-9][0-9]?)\.sqlite3")
_STOCK = "SELECT version, quantity FROM stock WHERE name = ?"
L = TypeVar("L", bound=Log)


def audit_files(data: DataDir, scratch: Scratch, notes: Notes) -> bool:
    """
    Audit the database files of a folder; tell whether the whole ledger is in `scratch` now.

    Raises ClusterError: the folder has no catalog's database.
    """
    path = data.root / "catalog.sqlite3"
    if not path.is_file():
        raise ClusterError(f"There is no database of a catalog in {data.root}.")
    with ExitStack() as stack:
        opening = [
            (name, partial(LogFile, name, data.root / f"{name}.sqlite3")) for name in _names(data)
        ]
        logs = [stack.enter_context(closing(log)) for one in opening if (log := _open(*one, notes))]
        ledger = _open("catalog", partial(LedgerFile, "catalog", path), notes)
        if ledger is None:
            return False
        return compare(stack.enter_context(closing(ledger)), logs, scratch, notes)


def audit_cluster(
    parties: Parties, scratch: Scratch, notes: Notes, page_rows: int = CHUNK_ROWS
) -> bool:
    """Audit a cluster while it runs; tell whether the whole ledger is in `scratch` now."""

    def open_log(name: str) -> LogRemote | None:
        return _open(name, partial(LogRemote, name, parties.replicas[name], page_rows), notes)

    with ThreadPoolExecutor(THREADS_MAX) as pool:
        logs = [log for log in pool.map(open_log, parties.replicas) if log]
    opening = partial(LedgerRemote, "catalog", parties.catalog, page_rows)
    ledger = _open("catalog", opening, notes)
    if ledger is None or not compare(ledger, logs, scratch, notes):
        return False
    check_caches(parties.front_ends, scratch, notes)
    return True


def _open(name: str, make: Callable[[], L], notes: Notes) -> L | None:
    """Return a source, or note why there is none."""
    try:
        return make()
    except DamagedError as error:
        notes.find("I3", name, str(error))
    except SourceError as error:
        notes.gaps.append(str(error))
    return None


def _names(data: DataDir) -> Iterator[str]:
    """Yield the replicas that there are files of, or should be."""
    found = {match[1] for path in data.root.iterdir() if (match := _LOG_NAME.fullmatch(path.name))}
    with suppress(ClusterError):
        found |= {f"order-{node.id}" for node in data.read_topology().replicas}
    yield from sorted(found, key=lambda name: int(name.partition("-")[2]))


def compare(ledger: Ledger, logs: Sequence[Log], scratch: Scratch, notes: Notes) -> bool:
    """Audit sources that are open; tell whether the whole ledger is in `scratch` now."""
    try:
        read_ledger(ledger, logs, scratch, notes)
        check_leaderships(ledger, logs, scratch, notes)
    except DamagedError as error:
        notes.find("I3", ledger.name, str(error))
        return False
    except SourceError as error:
        notes.gaps.append(str(error))
        return False
    check_ledger(scratch, notes)
    return True


def check_caches(front_ends: Mapping[str, FrontEndClient], scratch: Scratch, notes: Notes) -> None:
    """Note what front ends remember that was old before they were asked (I7)."""
    for name, client in front_ends.items():
        try:
            status = client.status()
        except Failure as failure:
            notes.gaps.append(f"{name} cannot be asked: {failure.message}")
            continue
        for message in _old_memories(status, scratch):
            notes.find("I7", name, message)


def _old_memories(status: FrontEndStatus, scratch: Scratch) -> Iterator[str]:
    if status.lease_left_s <= 0:  # it does not serve from memory, or says that it may be old
        return
    for entry in status.cached:
        for version, quantity in scratch.select(_STOCK, entry.stock_name):
            if entry.version < version:
                yield (
                    f"it remembers version {entry.version} of {entry.stock_name}, "
                    f"but the catalog had {version} before"
                )
            elif entry.version == version and entry.quantity != quantity:
                yield (
                    f"it remembers {entry.quantity} {entry.stock_name} in version {version}, "
                    f"but the catalog has {quantity}"
                )
