"""The catalog's one set of running parts; the only file here that reads settings."""

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import cache, partial
from typing import Any, TypeVar
from uuid import UUID, uuid4

from django.conf import settings
from django.db import DatabaseError, connections

from bazaar import clock
from bazaar.core.activity import (
    LOOK_TIMEOUT_S,
    PROOF_INTERVAL_S,
    ActivePing,
    Activity,
    ActivityState,
)
from bazaar.core.election import Leadership
from bazaar.core.failures import Failure, Unreachable
from bazaar.core.types import NO_EPOCH, START, CatalogId, Epoch, ReplicaId, Term
from bazaar.protocol.cache_messages import HolderBody
from bazaar.protocol.clients import CatalogClient, FrontEndClient, ReplicaClient
from bazaar.protocol.errors import EPOCH_HEADER
from bazaar.protocol.statuses import CatalogStatus
from bazaar.runtime.anew import make_aside
from bazaar.runtime.backends.kept_connection import site
from bazaar.runtime.damage import damage
from bazaar.runtime.database import database_bytes, database_path
from bazaar.runtime.engines import current
from bazaar.runtime.health import HealthCheck, are_ok, check_storage
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.loops import Loop
from bazaar.runtime.metrics import events, process_status, summarize_sizes
from bazaar.runtime.prometheus import MetricPage, add_process, add_status
from bazaar.runtime.restart import restart
from bazaar.runtime.storage import await_storage
from bazaar.runtime.storage_probe import start_storage_probe
from bazaar.runtime.transactions import lost_commits
from bazaar.runtime.verifier import Verifier
from bazaar.topology import Address, Role, format_address, process_name, role_of
from bazaar.web.endpoint import process_headers
from bazaar.web.member_auth import refusals
from catalog_app import head_row, models, selectors
from catalog_app.counts import Counts
from catalog_app.database_activity import DatabaseActivity
from catalog_app.leader_protection import LeaderProtection
from catalog_app.lease_table import Clock, LeaseTableShell
from catalog_app.recovery import LedgerRecovery, Timing
from catalog_app.repair import LedgerRepair

log = get_log("bazaar.catalog")
T = TypeVar("T")

START_VERIFY_ENTRIES = 20_000
"""The entries since the last verified point, at most, which are checked before it serves."""
REPAIR_INTERVAL_S = 1.0
"""Between two looks at what is against a repair."""
_writer = threading.Lock()


def writer() -> AbstractContextManager[object]:
    """Return the lock that a thread holds while it changes the database."""
    return _writer


@cache
def counts() -> Counts:
    """Return this process's counts."""
    return Counts()


@cache
def lease_table() -> LeaseTableShell:
    """Return the lease table, with leases from before a restart."""
    return LeaseTableShell(settings.BAZAAR_LIMITS.lease_s, Clock(clock.monotonic_s, clock.wait))


@cache
def replicas() -> dict[ReplicaId, ReplicaClient]:
    """Return a client of each order replica."""
    return {
        ReplicaId(node.id): ReplicaClient.at(
            node, settings.BAZAAR_SECRET, settings.BAZAAR_LIMITS.call_timeout_s
        )
        for node in settings.BAZAAR_TOPOLOGY.replicas
    }


@cache
def leader_protection() -> LeaderProtection:
    """Return the protection of a new leader."""
    return LeaderProtection(replicas(), clock.monotonic_s)


def register(holder: HolderBody) -> None:
    """Begin a lease. Raises UnknownHolder (definite): this id had its lease."""
    lease_table().register(str(holder.holder_id), _client_of(holder.host, holder.control_port))


def page_orders_max() -> int:
    """Return how many orders travel in one page."""
    return int(settings.BAZAAR_LIMITS.page_orders_max)


def is_shared() -> bool:
    """Tell whether other catalogs may use this database: it is on a server."""
    return head_row.fence.activity is not None


def epoch() -> Epoch:
    """Return the newest epoch that this catalog knows; 0 of one on a file."""
    activity = head_row.fence.activity
    return NO_EPOCH if activity is None else activity.known.epoch


def list_awaited() -> tuple[str, ...]:
    """Return the holders of older epochs that have not acknowledged this one yet."""
    activity = head_row.fence.activity
    return () if activity is None else tuple(activity.unacknowledged)


@cache
def activity() -> DatabaseActivity | None:
    """Return what watches over which catalog is active; None: the database is a file."""
    if current().is_file:
        return None
    secret, lease_s = settings.BAZAAR_SECRET, settings.BAZAAR_LIMITS.lease_s
    catalogs = {
        CatalogId(node.id): CatalogClient.at(node, secret, LOOK_TIMEOUT_S)
        for node in settings.BAZAAR_TOPOLOGY.catalogs
    }
    me = Activity(CatalogId(settings.BAZAAR_NODE.id), lease_s)
    return DatabaseActivity(me, catalogs, replicas(), _client_of, writer())


def grant(ask: Callable[[], T], *, is_read: bool) -> T:
    """
    Return an answer, if this catalog may give it; is_read: it decides nothing.

    Raises NotActive (definite), Unreachable.
    """
    watch = activity()
    return ask() if watch is None else watch.grant(ask, is_read=is_read)


def confirmed(read: Callable[[], T]) -> T:
    """Return rows that were read while this catalog was active. Raises NotActive, Unreachable."""
    watch = activity() if is_shared() else None
    if watch is None:
        return read()
    moves, found = watch.moves, read()
    watch.confirm(epoch(), moves)
    return found


def ping_active() -> ActivePing:
    """Return whether this catalog is active; it reads memory only, so it never waits."""
    if (watch := activity()) is None:
        return ActivePing(NO_EPOCH, is_active=True, is_proven=True)
    return watch.activity.ping(clock.monotonic_s())


@cache
def recovery() -> LedgerRecovery:
    """Return what keeps this catalog from deciding, if anything does."""
    timing = Timing(clock.monotonic_s, clock.wait)
    limits, is_on_server = settings.BAZAAR_LIMITS, not current().is_file
    return LedgerRecovery(replicas(), limits, timing, writer(), is_on_server=is_on_server)


@cache
def repair() -> LedgerRepair:
    """Return what mends a damaged ledger."""
    return LedgerRepair(recovery(), make_aside(), writer(), restart)


@cache
def repairs() -> Loop:
    """Return the thread that repairs."""
    return Loop("repair", repair().round, REPAIR_INTERVAL_S)


def start() -> None:
    """
    Begin a life: check the end of the ledger, honour earlier leases, recover.

    A damaged ledger is served to nobody; its process stays until it may begin anew.
    """
    if damage.where:  # found before anybody listened
        damage_found(damage.where)
    damage.on_found, lost_commits.on_lost = damage_found, restart
    if (watch := activity()) is not None:
        _start_watch(watch)
        return
    life = models.Identity.objects.filter(pk=1)
    rows: list[models.HolderRegistration] = []
    with damage:
        await_storage(lambda: life.update(incarnation=incarnation()))
        _check_end()
        rows = await_storage(selectors.list_holders)
    for row in rows:
        if row.is_over:
            lease_table().remember(str(row.holder_id))
        else:
            lease_table().honour(str(row.holder_id), _client_of(row.host, row.control_port))
    connections.close_all()
    begin_recovery()


def _start_watch(watch: DatabaseActivity) -> None:
    """Begin as a standby: the work of a catalog begins with its epoch (docs/adr/0048)."""
    with damage:
        _check_end()
    connections.close_all()
    fence = head_row.fence
    fence.activity, watch.on_begin, watch.on_end = watch.activity, begin_epoch, restart
    fence.on_over = partial(watch.end, "its epoch is over")
    lost_commits.on_lost = partial(watch.end, "the outcome of a commit is unknown")
    site.on_move = watch.activity.moved
    start_storage_probe()  # it is not ready after an error, and writes nothing by itself
    Loop("activity", watch.round, PROOF_INTERVAL_S).start()


def begin_epoch() -> None:
    """Begin the work of the active catalog, as its claim has read the database."""
    watch = activity()
    assert watch is not None, "only a catalog on a server claims an epoch"
    assert watch.claimed is not None, "it has claimed one"
    for holder in watch.claimed.holders:
        lease_table().remember(str(holder.holder_id))
    process_headers[:] = [(EPOCH_HEADER, str(watch.claimed.row.epoch))]
    if watch.has_watched:  # the ledger is the one that the active before had
        begin_upkeep()
    else:
        begin_recovery()


def begin_recovery() -> None:
    """Decide nothing until the ledger is complete; check and mend it all the time."""
    recovery().begin()
    begin_upkeep()
    threading.Thread(target=_recover, name="recovery", daemon=True).start()


def begin_upkeep() -> None:
    """Check the ledger in the background, and mend it."""
    repairs().start()
    Verifier(selectors.POINTS, settings.BAZAAR_LIMITS.verify_turn_s, database_path()).start()
    if activity() is None:  # else it was begun as a standby
        start_storage_probe()


def _recover() -> None:
    try:
        with damage:
            recovery().run()
    finally:
        connections.close_all()


def incarnation() -> UUID:
    """
    Return the identity of the database, since it was made or put back.

    Nobody can tell by a file whether it was put back, so that has another one in each life.
    """
    watch = activity() if is_shared() else None
    found = watch.claimed.incarnation if watch and watch.claimed else None
    return found or _life()


@cache
def _life() -> UUID:
    return uuid4()


def _client_of(host: str, control_port: int) -> FrontEndClient:
    address, timeout_s = (host, control_port), settings.BAZAAR_LIMITS.call_timeout_s
    client = FrontEndClient.at_address(address, settings.BAZAAR_SECRET, timeout_s)
    client.epoch = epoch()
    return client


def _check_end() -> None:
    try:
        if fault := selectors.POINTS.find_fault(START_VERIFY_ENTRIES):
            damage.report(fault)
    except (Failure, DatabaseError) as error:  # damage is reported where it was read
        log.warning("ledger not checked yet", reason=str(error))


def damage_found(where: str) -> None:
    """Say that the ledger is damaged; nothing is decided any more."""
    events.emit(log, logging.CRITICAL, "ledger damaged", at=where)
    repairs().poke()


def check_deciding() -> None:
    """Raise Unreachable (indefinite) while the catalog may not decide."""
    if reason := find_reason():
        raise Unreachable(reason)


def find_reason() -> str:
    """Return why the catalog decides nothing; nothing when it does."""
    if damage.where:
        what_next = repair().hindrance or "It begins anew from the replicas."
        return f"The ledger is damaged at {damage.where}: the catalog decides nothing. {what_next}"
    if (watch := activity()) is not None and not watch.is_well:
        return watch.trouble
    return recovery().reason


def list_checks() -> tuple[HealthCheck, ...]:
    """Return what a catalog needs in order to write: a complete ledger, and its disk."""
    return HealthCheck("ledger", find_reason()), check_storage()


def read_metrics(page: MetricPage) -> None:
    """Add what a scrape shows of the catalog; see `bazaar.runtime.metric_families`."""
    now = status()
    name = process_name(Role.CATALOG, settings.BAZAAR_NODE.id)
    add_process(page, list_checks(), str(Role.CATALOG), name)
    add_status(page, now)
    page.add("bazaar_batch_trades", counts().sizes)
    page.add("bazaar_invalidation_duration_seconds", counts().invalidations)
    page.add("bazaar_ledger_trades_total", now.trades)
    page.add("bazaar_stock_reads_total", now.stock_reads)
    page.add("bazaar_stocks", now.stocks)
    page.add("bazaar_lease_holders", len(now.holders))


def list_targets() -> list[dict[str, Any]]:
    """Return where each process has its metrics, workers of front ends included."""
    topology = settings.BAZAAR_TOPOLOGY
    found = [
        (node.control_address if node.control_port else node.address, role_of(name), name)
        for name, node in topology.nodes()
    ]
    found += [
        (node.control_address, Role.FRONT_END, name)
        for name, node in topology.list_workers(list_addresses())
    ]
    return [
        {"targets": [format_address(*address)], "labels": {"role": str(role), "process": name}}
        for address, role, name in found
    ]


def list_addresses() -> tuple[Address, ...]:
    """Return host and control port of each lease holder that can be read."""
    addresses: tuple[Address, ...] = ()
    with damage, suppress(Unreachable):
        addresses = selectors.list_addresses(holder_ids=lease_table().list_holders())
    return addresses


def status() -> CatalogStatus:
    """Return the status."""
    leadership, head, stocks = Leadership(Term(0), None), START, 0
    watch = activity()
    with damage, suppress(Unreachable):  # what cannot be read says nothing
        leadership, head = selectors.get_leadership(), selectors.LEDGER.read_head()
        stocks = selectors.count_stocks()
    return CatalogStatus(
        **process_status(),
        database_bytes=database_bytes(),
        role="catalog",
        id=settings.BAZAAR_NODE.id,
        activity=str(watch.activity.state if watch else ActivityState.ACTIVE),
        epoch=epoch(),
        is_ready=are_ok(list_checks()),
        not_deciding=find_reason(),
        incarnation=str(incarnation()),
        term=leadership.term,
        leader=leadership.leader,
        last=head.order_no,
        position=head.position,
        digest=head.digest,
        refused_callers=refusals.count,
        stocks=stocks,
        holders=lease_table().list_holders(),
        holder_addresses=list_addresses(),
        batches=counts().batches,
        trades=counts().trades,
        batch_sizes=summarize_sizes(counts().sizes),
        stock_reads=counts().stock_reads,
    )
