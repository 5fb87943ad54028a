"""The replica's one set of running parts; the only file here that reads settings."""

import threading
from functools import cache

from django.conf import settings
from django.db import DatabaseError

from bazaar import clock
from bazaar.core.failures import Failure
from bazaar.core.replica import ReplicaState
from bazaar.core.types import ReplicaId
from bazaar.protocol.clients import CatalogClient, ReplicaClient
from bazaar.protocol.leadership_messages import PingBody
from bazaar.protocol.statuses import FollowerStatus, ReplicaStatus
from bazaar.runtime.anew import make_aside
from bazaar.runtime.damage import damage, is_damage
from bazaar.runtime.database import database_bytes, database_path
from bazaar.runtime.health import HealthCheck, are_ok, check_storage
from bazaar.runtime.log_lines import get_log
from bazaar.runtime.loops import Loop
from bazaar.runtime.metrics import process_status, summarize_sizes
from bazaar.runtime.prometheus import MetricPage, add_process, add_replica, add_status
from bazaar.runtime.restart import restart
from bazaar.runtime.storage import await_storage
from bazaar.runtime.storage_probe import start_storage_probe
from bazaar.runtime.transactions import lost_commits
from bazaar.runtime.verifier import Verifier
from bazaar.topology import process_name
from bazaar.web.member_auth import refusals
from order_app.catalog_probe import CatalogProbe
from order_app.repair import Repair
from order_app.replica import ReplicaShell
from order_app.replicator import Replicator
from order_app.store import OrderLog

log = get_log("bazaar.order")
START_RETRY_S = 1.0
REPAIR_INTERVAL_S = 1.0
"""Between two looks at what is against a repair."""


@cache
def replica() -> ReplicaShell:
    """Return the running replica."""
    topology, limits, secret = (
        settings.BAZAAR_TOPOLOGY,
        settings.BAZAAR_LIMITS,
        settings.BAZAAR_SECRET,
    )
    me = ReplicaId(settings.BAZAAR_NODE.id)
    peers = {
        ReplicaId(node.id): ReplicaClient.at(node, secret, limits.call_timeout_s)
        for node in topology.replicas
        if node.id != me
    }
    catalog = CatalogClient.at(topology.catalog, secret, limits.call_timeout_s)
    return ReplicaShell(me, catalog, peers, OrderLog(), limits)


def make_probe(shell: ReplicaShell) -> CatalogProbe:
    """Return the probe of the catalog, with a client of its own."""
    node, timeout_s = settings.BAZAAR_TOPOLOGY.catalog, shell.limits.ping_timeout_s
    return CatalogProbe(shell, CatalogClient.at(node, settings.BAZAAR_SECRET, timeout_s))


def start() -> None:
    """Begin: replicators at once, serving once the end of the log is checked."""
    shell = await_storage(replica)
    replicators = [Replicator(shell, peer) for peer in shell.peers]
    shell.begin_appends = tuple(replicator.begin for replicator in replicators)
    for replicator in replicators:
        replicator.start()
    Loop("probe", make_probe(shell).round, shell.limits.ping_interval_s).start()
    lost_commits.on_lost = restart
    repair = Repair(shell, make_aside(), restart)
    if not damage.where:
        repair.note_last()
    repairs = Loop("repair", repair.round, REPAIR_INTERVAL_S)
    damage.on_found = lambda where: repairs.poke()
    repairs.start()
    Verifier(shell.log.points, shell.limits.verify_turn_s, database_path()).start()
    start_storage_probe()
    threading.Thread(target=_start, args=(shell,), name="start", daemon=True).start()


def _start(shell: ReplicaShell) -> None:
    while True:
        try:
            shell.start()
        except DatabaseError as error:
            if is_damage(error):
                shell.drop_out(damage.where)
            else:
                log.warning("not serving yet", reason=str(error))
        except Failure as failure:
            if damage.where:
                shell.drop_out(damage.where)
            else:
                log.warning("not serving yet", reason=failure.message)
        if shell.machine.is_serving or shell.machine.state == "corrupt":
            return
        clock.wait(START_RETRY_S)


def ping() -> PingBody:
    """Return the answer to a ping; it reads memory only, so it never waits."""
    machine = replica().machine
    return PingBody(
        replica_id=machine.me,
        port=settings.BAZAAR_NODE.port,
        term=machine.term,
        leader=machine.leader,
        last=machine.head.order_no,
        is_serving=machine.is_serving,
        is_leading=machine.outbox is not None,
        reaches_catalog=machine.reaches_catalog,
    )


_NOT_SERVING = {
    ReplicaState.STARTING: "It checks the end of its log and catches up.",
    ReplicaState.AHEAD: "The ledger ends before its log; the catalog takes what it lacks.",
}


def list_checks() -> tuple[HealthCheck, ...]:
    """Return what a replica needs: a sound log that it serves, and its disk."""
    machine, problem = replica().machine, ""
    if machine.state is ReplicaState.CORRUPT:
        problem = f"Its log is damaged ({damage.where or 'it is not a prefix of the ledger'})."
    elif not machine.is_serving:
        problem = _NOT_SERVING[machine.state]
    return HealthCheck("log", problem), check_storage()


def read_metrics(page: MetricPage) -> None:
    """Add what a scrape shows of a replica; see `bazaar.runtime.metric_families`."""
    role, node = settings.BAZAAR_ROLE, settings.BAZAAR_NODE
    now = status()
    add_process(page, list_checks(), str(role), process_name(role, node.id))
    add_status(page, now)
    add_replica(page, now)
    page.add("bazaar_batch_trades", replica().batcher.sizes)


def status() -> ReplicaStatus:
    """Return the status; it reads memory and sizes of files only, so it never waits."""
    shell = replica()
    machine, outbox = shell.machine, shell.machine.outbox
    return ReplicaStatus(
        **process_status(),
        database_bytes=database_bytes(),
        role="order",
        id=machine.me,
        is_ready=are_ok(list_checks()),
        term=machine.term,
        leader=machine.leader,
        last=machine.head.order_no,
        position=machine.last,
        digest=machine.digest,
        refused_callers=refusals.count,
        state=machine.state,
        lag_orders=shell.lag_orders,
        lag_ms=round(shell.lag_ms, 1),
        in_sync=outbox.in_sync() if outbox else (),
        followers=tuple(
            FollowerStatus(
                replica_id=replica_id,
                last=progress.position,
                is_in_sync=progress.is_in_sync,
                is_reachable=progress.is_reachable,
            )
            for replica_id, progress in (outbox.followers if outbox else {}).items()
        ),
        batches=shell.batcher.batches,
        trades=shell.batcher.items,
        batch_sizes=summarize_sizes(shell.batcher.sizes),
        reaches_catalog=machine.reaches_catalog,
        damage=damage.where,
    )
