"""
Polls every process of the cluster once a second, however many pages are open.

All processes are polled side by side, each with a timeout, and the catalog after the others, so
that at one moment no log is ahead of the ledger. One that does not answer is a result like any
other. In memory are the newest view, the last 15 minutes as a few numbers, and the events merged by
time: all bounded (I10).
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from bazaar import clock
from bazaar.core.failures import Failure, Unreachable
from bazaar.protocol.cluster_report import STATUS_TIMEOUT_S
from bazaar.protocol.statuses import CatalogStatus, Status
from bazaar.runtime.log_lines import get_log
from bazaar.topology import WORKER, Node, Role, Topology, role_of
from dashboard.cluster_view import ClusterView, PollResult
from dashboard.event_feed import ClusterEvent, EventFeed
from dashboard.traffic_history import TrafficHistory

log = get_log("bazaar.dashboard")

POLL_S = 1.0
"""From one poll to the next."""
VIEW_AGE_S_MAX = 2.0
"""An older view is not shown while a new one can be had."""
FAST_POLL_S, FAST_PERIOD_S = 0.25, 3.0
"""After a fault from a page: polled this often, for this long, so that the page shows it soon."""
DUE_S_MIN = 0.1
WORKERS_MAX = 64
"""Workers polled besides the processes that the topology names."""

Target = tuple[str, str, Node]
"""Name, role and address of a process; the role of a further process of a front end is WORKER."""
FetchStatus = Callable[[str, Node, float], Status]
"""Fetches the status of one process: role, node, timeout in seconds; raises Failure."""
StoreEvents = Callable[[Sequence[ClusterEvent]], None]
"""Stores new events, in the thread that polls."""


class Collector:
    """Polls the processes of one cluster; safe for many threads."""

    def __init__(
        self,
        topology: Topology,
        fetch_status: FetchStatus,
        store_events: StoreEvents = lambda _: None,
        wall_s: Callable[[], float] = clock.wall_s,
    ) -> None:
        """wall_s: the clock of views, in seconds since 1970."""
        self._topology = topology
        self._targets = [
            (name, role_of(name), node) for name, node in topology.nodes() if node.control_port
        ]
        self._workers: list[Target] = []
        """Further processes of front ends, from the catalog's newest status."""
        self._fetch_status, self._store_events = fetch_status, store_events
        self._wall_s = wall_s
        threads = len(self._targets) + WORKERS_MAX
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="collect")
        self._view: ClusterView | None = None
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._fast_until_s = self._next_s = self._took_s = 0.0
        self.history = TrafficHistory()
        self.feed = EventFeed()

    def start(self) -> None:
        """Begin to poll; the thread ends with the process."""
        threading.Thread(target=self._repeat, name="collect", daemon=True).start()

    def poll_faster(self) -> None:
        """Poll at once, and for FAST_PERIOD_S more often: something is about to happen."""
        self._next_s = clock.monotonic_s()
        self._fast_until_s = self._next_s + FAST_PERIOD_S
        self._wake.set()

    def due_s(self) -> float:
        """Return in how many seconds the next view should be there, at least DUE_S_MIN."""
        due_s = self._next_s + self._took_s - clock.monotonic_s()
        return min(max(due_s, DUE_S_MIN), VIEW_AGE_S_MAX)

    def view(self) -> ClusterView:
        """Return the newest view; when it is old, poll now, once for all callers."""
        return self._fresh() or self._poll_once()

    def poll(self) -> ClusterView:
        """Poll now and return the view, its results in the order of the topology."""
        with self._lock:
            return self._poll()

    def age_s(self) -> float | None:
        """Return the age of the newest view in seconds; None: there is none."""
        view = self._view
        return None if view is None else self._wall_s() - view.at_s

    def _fresh(self) -> ClusterView | None:
        view = self._view
        is_fresh = view is not None and 0 <= self._wall_s() - view.at_s <= VIEW_AGE_S_MAX
        return view if is_fresh else None

    def _poll_once(self) -> ClusterView:
        with self._lock:
            return self._fresh() or self._poll()  # another thread may have polled meanwhile

    def _poll(self) -> ClusterView:
        results = self._fetch_all([*self._targets, *self._workers])
        self._workers = self._list_workers(results)
        view = self._view = ClusterView(results, self._wall_s())
        self.history.add(view)
        if fresh := self.feed.take(results, view.at_s):
            self._store_events(fresh)
        return view

    def _list_workers(self, results: Sequence[PollResult]) -> list[Target]:
        """Return the lease holders at addresses that the topology does not name."""
        report = ClusterView(results, 0.0).report
        catalog = report.statuses[report.catalog] if report.catalog else None
        if not isinstance(catalog, CatalogStatus):  # nobody else knows; they may still be there
            return self._workers
        others = self._topology.list_workers(catalog.holder_addresses)
        return [(name, WORKER, node) for name, node in others[:WORKERS_MAX]]

    def _fetch_all(self, targets: Sequence[Target]) -> list[PollResult]:
        """Return the result of each target, in their order."""
        catalog = [target for target in targets if target[1] == Role.CATALOG]
        others = [target for target in targets if target[1] != Role.CATALOG]
        taken = {result.name: result for result in self._pool.map(self._fetch, others)}
        taken.update((result.name, result) for result in self._pool.map(self._fetch, catalog))
        return [taken[name] for name, _, _ in targets]

    def _fetch(self, target: Target) -> PollResult:
        name, role, node = target
        try:
            status = self._fetch_status(role, node, STATUS_TIMEOUT_S)
        except Failure as failure:
            is_refused = isinstance(failure, Unreachable) and failure.is_refused
            return PollResult(name, role, node, None, failure.message, is_refused)
        return PollResult(name, role, node, status)

    def _repeat(self) -> None:
        while True:
            began_s = clock.monotonic_s()
            try:
                self.poll()
            except Exception:
                log.exception("polling the cluster failed")
            now_s = clock.monotonic_s()
            self._took_s = now_s - began_s
            self._next_s = began_s + (FAST_POLL_S if now_s < self._fast_until_s else POLL_S)
            self._wake.wait(max(0.0, self._next_s - now_s))
            self._wake.clear()
