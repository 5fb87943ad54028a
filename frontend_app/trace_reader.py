"""
Collects the spans of a trade from all processes (docs/adr/0043).

First everybody is asked for the trade with a key, then for what was done on behalf of the messages
that were found. Trades of this front end that were slow or failed are looked after unasked, and
kept: their spans in other processes would soon be forgotten.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import msgspec

from bazaar import clock
from bazaar.core.failures import Busy, Failure
from bazaar.core.types import OrderNo
from bazaar.protocol.member_client import MemberClient
from bazaar.protocol.traces import PARENTS_MAX, SpansBody, SpansWantedBody, TradeTrace
from bazaar.runtime.loops import Loop
from bazaar.runtime.span_ring import SpanRing
from bazaar.topology import Address, Node
from frontend_app.trace_assembly import AskedProcess, assemble, list_parents, merge

READERS_MAX = 4
"""Threads that may ask for traces at the same time, the one that asks included."""
PAUSE_S = 0.1
"""From one trace to the next."""
WORKERS_MAX = 64
"""Further workers of front ends that are asked."""
ASK_THREADS_MAX = 16
KEPT_MAX = 500
"""Slow or failed trades that are kept."""
ROUND_S, REST_FACTOR = 1.0, 20
"""
How often one of them is looked after, at most.

Then there is a rest of so many times as it took: in a busy cluster many are slow.
"""
_encode, _decode = msgspec.msgpack.encode, msgspec.msgpack.Decoder(list[AskedProcess]).decode


@dataclass(frozen=True, slots=True)
class TraceSources:
    """Whom to ask, and what this process knows itself."""

    read_node: Callable[[], Node]
    """Returns where this process listens."""
    read_own: Callable[[SpansWantedBody], SpansBody]
    members: Mapping[str, tuple[Node, MemberClient]]
    """Every process of the cluster description that has a control port, by name."""
    list_workers: Callable[[Iterable[Address]], list[tuple[str, Node]]]
    """Returns the further workers of front ends among lease holders, by their control addresses."""
    connect_worker: Callable[[Address], MemberClient]
    """Makes a client for one of them, by its control address."""


class TraceReader:
    """Reads traces of trades for one front end; safe for many threads."""

    def __init__(self, sources: TraceSources, ring: SpanRing, timeout_s: float) -> None:
        """ring: of this process. timeout_s: how long each process may take to answer."""
        self._sources, self._ring, self._timeout_s = sources, ring, timeout_s
        self._turn = threading.BoundedSemaphore(READERS_MAX)
        self._lock = threading.Lock()
        self._next_s = self._rest_until_s = 0.0
        self._workers: dict[Node, MemberClient] = {}
        self._kept: OrderedDict[UUID, bytes] = OrderedDict()
        self._loop = Loop("traces", self.look_after, ROUND_S)

    def start(self) -> None:
        """Begin to look after slow and failed trades; the thread ends with the process."""
        self._loop.start()

    def read(self, key: UUID, *, order_no: OrderNo | None = None) -> TradeTrace:
        """
        Return the trace of a trade.

        order_no: of its order, if that is known without the trace.
        Raises UnknownTrace (definite): nobody remembers it. Raises Busy (definite): too many ask.
        """
        if not self._turn.acquire(blocking=False):
            raise Busy
        try:
            fresh = self._collect(key)
        finally:
            self._turn.release()
        kept = self._kept.get(key)
        return assemble(key, merge(fresh, _decode(kept)) if kept else fresh, order_no)

    def look_after(self) -> None:
        """Collect and keep the newest of the trades that were slow or failed."""
        began_s = clock.monotonic_s()
        if not self._ring.noted or began_s < self._rest_until_s:
            return
        key = UUID(self._ring.noted.pop())
        fresh = self._collect(key)
        before = self._kept.get(key)  # it stays there for whoever reads meanwhile
        self._kept[key] = _encode(merge(fresh, _decode(before)) if before else fresh)
        self._kept.move_to_end(key)
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        now_s = clock.monotonic_s()
        self._rest_until_s = now_s + REST_FACTOR * (now_s - began_s)

    def _collect(self, key: UUID) -> list[AskedProcess]:
        """Return what every process knows of a trade; this one comes first."""
        with self._lock:
            clock.wait(max(0.0, self._next_s - clock.monotonic_s()))
            try:
                return self._ask_all(key)
            finally:
                self._next_s = clock.monotonic_s() + PAUSE_S

    def _ask_all(self, key: UUID) -> list[AskedProcess]:
        wanted = SpansWantedBody(key=key, parents=())
        own, here = self._ask_self(wanted), self._sources.read_node().control_address
        members = self._sources.members.items()
        others = [(name, *one) for name, one in members if one[0].control_address != here]
        found, holders = self._ask(others, wanted)
        workers = self._find_workers([address for address in holders if address != here])
        answers, _ = self._ask(workers, wanted)
        found |= answers
        parents = list_parents([own, *found.values()])[-PARENTS_MAX:]
        if parents:
            wanted = SpansWantedBody(key=None, parents=tuple(parents))
            alive = [one for one in (*others, *workers) if not found[one[0]].reason]
            parts, _ = self._ask(alive, wanted)
            return [own, *found.values(), self._ask_self(wanted), *parts.values()]
        return [own, *found.values()]

    def _ask_self(self, wanted: SpansWantedBody) -> AskedProcess:
        body = self._sources.read_own(wanted)
        return AskedProcess(body.process, self._sources.read_node().host, spans=body.spans)

    def _ask(
        self, others: Sequence[tuple[str, Node, MemberClient]], wanted: SpansWantedBody
    ) -> tuple[dict[str, AskedProcess], tuple[Address, ...]]:
        """Ask some processes side by side; return their answers, and the lease holders."""
        with ThreadPoolExecutor(ASK_THREADS_MAX, "trace") as pool:  # no thread stays behind
            answers = list(pool.map(partial(self._ask_one, wanted=wanted), others))
        holders = next((body.holders for _, body in answers if body and body.holders), ())
        return {one[0]: answer for one, (answer, _) in zip(others, answers, strict=True)}, holders

    def _ask_one(
        self, other: tuple[str, Node, MemberClient], *, wanted: SpansWantedBody
    ) -> tuple[AskedProcess, SpansBody | None]:
        name, node, client = other
        sent_s = clock.wall_s()
        try:
            body = client.spans(wanted, self._timeout_s)
        except Failure as failure:
            return AskedProcess(name, node.host, failure.message), None
        times = (sent_s, body.now_s, clock.wall_s())
        return AskedProcess(body.process, node.host, "", body.spans, *times), body

    def _find_workers(self, holders: Sequence[Address]) -> list[tuple[str, Node, MemberClient]]:
        """Return the lease holders that the cluster description does not name."""
        workers = self._sources.list_workers(holders)[:WORKERS_MAX]
        for gone in self._workers.keys() - {node for _, node in workers}:
            self._workers.pop(gone).close()
        for _, node in workers:
            if node not in self._workers:
                self._workers[node] = self._sources.connect_worker(node.control_address)
        return [(name, node, self._workers[node]) for name, node in workers]
