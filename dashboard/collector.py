"""
What the whole cluster tells of itself: asked once a second, however many people look.

All roles are asked side by side, each with a timeout; a role that does not answer is a finding, not
an error. The newest findings are kept whole, the last 15 minutes as a few numbers (`history`), and
what happened in them merged by time (`feed`): all in memory, all bounded (I10).
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bazaar import clock
from bazaar.core.failures import Failure
from bazaar.protocol.statuses import CatalogStatus, Status
from bazaar.topology import Node, Topology
from dashboard.feed import Feed, Happening
from dashboard.findings import WORKER, Finding
from dashboard.history import History

__all__ = ["Collector", "Finding", "Look"]

log = logging.getLogger("bazaar.dashboard")

POLL_S = 1.0
"""From one asking to the next."""
POLL_TIMEOUT_S = 0.5
LOOK_AGE_S = 2.0
"""Findings older than this are not shown while new ones can be had."""
CLOSE_POLL_S, CLOSE_S = 0.25, 3.0
"""After a fault struck from a page: asked so often, for so long, so that the page shows it soon."""
DUE_S_MIN = 0.1
WORKERS_MAX = 64
"""Workers asked besides those that the topology names."""

Ask = Callable[[str, Node, float], Status]
"""How one role is asked: role, node, timeout in seconds; raises Failure."""
Keep = Callable[[Sequence[Happening]], None]
"""Takes what happened, from the thread that asked."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was found at one moment."""

    at_s: float
    """When all had answered, in seconds since 1970."""
    findings: Sequence[Finding]


class Collector:
    """Asks every role of a cluster for its status, and remembers; safe for many threads."""

    def __init__(
        self,
        topology: Topology,
        ask: Ask,
        keep: Keep | None = None,
        wall_s: Callable[[], float] = clock.wall_s,
    ) -> None:
        """Take the cluster, the way to ask, and who keeps what happens for longer, if anybody."""
        self._targets = [
            (name, name.partition("-")[0], node)
            for name, node in topology.nodes()
            if node.control_port
        ]
        self._workers: list[tuple[str, str, Node]] = []
        """Further processes of front ends, as the catalog's newest status names them."""
        self._ask, self._keep, self._wall_s = ask, keep, wall_s
        threads = len(self._targets) + WORKERS_MAX
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="collect")
        self._look: Look | None = None
        self._lock = threading.Lock()
        self._hurried = threading.Event()
        self._closely_until_s = self._next_s = self._took_s = 0.0
        self.history = History()
        self.feed = Feed()

    def start(self) -> None:
        """Begin to ask once a second; the thread ends with the process."""
        threading.Thread(target=self._repeat, name="collect", daemon=True).start()

    def watch_closely(self) -> None:
        """Ask at once and for CLOSE_S more often than else: something is about to happen."""
        self._next_s = clock.monotonic_s()
        self._closely_until_s = self._next_s + CLOSE_S
        self._hurried.set()

    def due_s(self) -> float:
        """Return in how many seconds the next findings should be there, DUE_S_MIN at least."""
        due_s = self._next_s + self._took_s - clock.monotonic_s()
        return min(max(due_s, DUE_S_MIN), LOOK_AGE_S)

    def look(self) -> Look:
        """Return the newest findings; ask now if they are old, once for all who wait for it."""
        return self._fresh() or self._look_anew()

    def collect(self) -> Sequence[Finding]:
        """Ask now, and return one finding a role, in the cluster's order, within the timeout."""
        with self._lock:
            return self._collect().findings

    def _fresh(self) -> Look | None:
        newest = self._look
        is_fresh = newest is not None and 0 <= self._wall_s() - newest.at_s <= LOOK_AGE_S
        return newest if is_fresh else None

    def _look_anew(self) -> Look:
        with self._lock:
            return self._fresh() or self._collect()  # somebody else may have asked meanwhile

    def _collect(self) -> Look:
        findings = list(self._pool.map(self._find, [*self._targets, *self._workers]))
        self._workers = self._list_workers(findings)
        look = self._look = Look(self._wall_s(), findings)
        self.history.add(findings, look.at_s)
        fresh = self.feed.take(findings, look.at_s)
        if fresh and self._keep:
            self._keep(fresh)
        return look

    def _list_workers(self, findings: Sequence[Finding]) -> list[tuple[str, str, Node]]:
        """Return the holders at addresses that the topology does not name: workers, from now on."""
        told = next((f.status for f in findings if isinstance(f.status, CatalogStatus)), None)
        if told is None:  # nobody else knows; those known before may still be there
            return self._workers
        known = {node.control_address for _, _, node in self._targets}
        strangers = [one for one in told.holder_addresses if one not in known]
        return [
            (f"worker-{port}", WORKER, Node(host=host, port=port, control_port=port))
            for host, port in strangers[:WORKERS_MAX]
        ]

    def _find(self, target: tuple[str, str, Node]) -> Finding:
        name, role, node = target
        try:
            asked = "frontend" if role == WORKER else role
            return Finding(name, role, node, self._ask(asked, node, POLL_TIMEOUT_S))
        except Failure as failure:
            return Finding(name, role, node, None, failure.message)

    def _repeat(self) -> None:
        while True:
            began_s = clock.monotonic_s()
            try:
                self.collect()
            except Exception:
                log.exception("asking all roles broke")
            now_s = clock.monotonic_s()
            self._took_s = now_s - began_s
            self._next_s = began_s + (CLOSE_POLL_S if now_s < self._closely_until_s else POLL_S)
            self._hurried.wait(max(0.0, self._next_s - now_s))
            self._hurried.clear()
