"""The part of an audit that needs no history: databases, caches and terms."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from functools import partial
from typing import TypeVar

from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterError
from bazaar.core.failures import Failure
from bazaar.proof.audit_database import AuditDatabase
from bazaar.proof.files import LedgerFile, LogFile
from bazaar.proof.ledger_checks import check_ledger, check_terms
from bazaar.proof.log_checks import load_ledger
from bazaar.proof.remote import ClusterClients, RemoteLedger, RemoteLog
from bazaar.proof.sources import CHUNK_ROWS, DamagedError, LedgerSource, LogSource, SourceError
from bazaar.proof.verdict import AuditNotes
from bazaar.protocol.clients import FrontEndClient
from bazaar.protocol.statuses import FrontEndStatus
from bazaar.topology import Role, process_name

THREADS_MAX = 16
_LOG_NAME = re.compile(r"(order-[1-9][0-9]?)\.sqlite3")
_STOCK = "SELECT version, quantity FROM stock WHERE name = ?"
L = TypeVar("L", bound=LogSource)


def audit_files(data: DataDir, database: AuditDatabase, notes: AuditNotes) -> bool:
    """
    Audit database files; return whether the whole ledger is in `database` now.

    Raises ClusterError: the folder has no catalog's database.
    """
    path = data.root / "catalog.sqlite3"
    on_servers = _list_on_servers(data)
    if "catalog" in on_servers:
        raise ClusterError(
            "The database of the catalog is on a server: start the cluster, and audit it by "
            "`manage.py audit`."
        )
    notes.gaps += [f"{name} is on a server: audit it while it runs." for name in on_servers]
    if not path.is_file():
        raise ClusterError(f"There is no database of a catalog in {data.root}.")
    with ExitStack() as stack:
        opening = [
            (name, partial(LogFile, name, data.root / f"{name}.sqlite3"))
            for name in _names(data)
            if name not in on_servers
        ]
        logs = [stack.enter_context(closing(log)) for one in opening if (log := _open(*one, notes))]
        ledger = _open("catalog", partial(LedgerFile, "catalog", path), notes)
        if ledger is None:
            return False
        return compare(stack.enter_context(closing(ledger)), logs, database, notes)


def audit_cluster(
    clients: ClusterClients, database: AuditDatabase, notes: AuditNotes, page_rows: int = CHUNK_ROWS
) -> bool:
    """Audit a running cluster; return whether the whole ledger is in `database` now."""

    def open_log(name: str) -> RemoteLog | None:
        return _open(name, partial(RemoteLog, name, clients.replicas[name], page_rows), notes)

    with ThreadPoolExecutor(THREADS_MAX) as pool:
        logs = [log for log in pool.map(open_log, clients.replicas) if log]
    opening = partial(RemoteLedger, "catalog", clients.catalog, page_rows)
    ledger = _open("catalog", opening, notes)
    if ledger is None or not compare(ledger, logs, database, notes):
        return False
    check_caches(clients.front_ends, database, notes)
    return True


def _open(name: str, make: Callable[[], L], notes: AuditNotes) -> L | None:
    """Return a source, or note why there is none."""
    try:
        return make()
    except DamagedError as error:
        notes.find("I3", name, str(error))
    except SourceError as error:
        notes.gaps.append(str(error))
    return None


def _list_on_servers(data: DataDir) -> list[str]:
    """Return the processes whose databases are no files."""
    with suppress(ClusterError):
        return [name for name, node in data.read_topology().nodes() if node.database]
    return []


def _names(data: DataDir) -> Iterator[str]:
    """Yield the replicas that have files, or should have."""
    found = {match[1] for path in data.root.iterdir() if (match := _LOG_NAME.fullmatch(path.name))}
    with suppress(ClusterError):
        found |= {process_name(Role.ORDER, node.id) for node in data.read_topology().replicas}
    yield from sorted(found, key=lambda name: int(name.partition("-")[2]))


def compare(
    ledger: LedgerSource, logs: Sequence[LogSource], database: AuditDatabase, notes: AuditNotes
) -> bool:
    """Audit open sources; return whether the whole ledger is in `database` now."""
    try:
        load_ledger(ledger, logs, database, notes)
        check_terms(ledger, logs, database, notes)
    except DamagedError as error:
        notes.find("I3", ledger.name, str(error))
        return False
    except SourceError as error:
        notes.gaps.append(str(error))
        return False
    check_ledger(database, notes)
    return True


def check_caches(
    front_ends: Mapping[str, FrontEndClient], database: AuditDatabase, notes: AuditNotes
) -> None:
    """Note what front ends have in their caches that was old before the audit (I7)."""
    for name, client in front_ends.items():
        try:
            status = client.status()
        except Failure as failure:
            notes.gaps.append(f"{name} cannot be asked: {failure.message}")
            continue
        for message in _old_entries(status, database):
            notes.find("I7", name, message)


def _old_entries(status: FrontEndStatus, database: AuditDatabase) -> Iterator[str]:
    if status.lease_left_s <= 0:  # its answers from the cache are marked as stale
        return
    for entry in status.cached:
        for version, quantity in database.select(_STOCK, entry.stock_name):
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
