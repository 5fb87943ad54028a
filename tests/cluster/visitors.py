"""
Clients that read and trade on every front end, in processes of their own, and note what they saw.

`python -m tests.cluster.visitors PLAN` is one process of them; it ends when its standard input
does. Every even visitor is patient: it keeps to one front end, as most clients do, and waits for
whatever hangs. Every odd one roams over all of them, gives up soon and keeps away from a front end
that hangs for a moment, so that a paused one finds questions of any age when it wakes up.
"""

import contextlib
import gc
import json
import math
import pickle
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from urllib.parse import urlencode
from uuid import UUID

from bazaar.proof.stock_operations import StockOperation, StockOperationKind
from bazaar.settings.env import ROOT
from tests.cluster.connection import Connection, Reply, request
from tests.cluster.traders import Answer

PATIENCE_S = 15.0
READ_PATIENCE_S, TRADE_PATIENCE_S = 0.4, 4.0
"""Of a visitor who has little."""
AWAY_S = 0.2
FRESH_SHARE = 0.03
"""Of the reads, those that demand the catalog's own answer."""
RECONNECT_SHARE = 0.01
"""Of the operations, those before which a connection is made anew: it may reach another worker."""
SHARES_MAX = 3
END_TIMEOUT_S = 60.0

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the visitors of one process do."""

    folder: str
    """Where the process puts what it has noted."""
    front_ends: tuple[Address, ...]
    stocks: tuple[str, ...]
    visitors: tuple[int, ...]
    origin_s: float
    """The moment from which times are counted."""
    trade_share: float = 0.1
    seed: int = 1


@dataclass(slots=True)
class Notes:
    """What visitors noted."""

    reads: list[StockOperation] = field(default_factory=list)
    trades: list[tuple[int, Answer]] = field(default_factory=list)
    """With the visitor's number."""
    counts: Counter[str] = field(default_factory=Counter)
    """Hits, stale answers of which header and body disagree, failures by their names."""


@dataclass(slots=True)
class Visitor:
    """One client, with one kept connection to each front end."""

    number: int
    plan: Plan
    notes: Notes = field(default_factory=Notes)
    _seen: list[tuple[Reply, float, float]] = field(default_factory=list)
    """Answers to reads as they came, with beginning and end."""
    _connections: dict[Address, Connection] = field(default_factory=dict)
    _away_until_s: dict[Address, float] = field(default_factory=dict)

    @property
    def is_patient(self) -> bool:
        """Whether it waits for what hangs."""
        return self.number % 2 == 0

    def visit(self, stop: threading.Event) -> None:
        """Read and trade until told to stop."""
        chance = random.Random(f"{self.plan.seed}/{self.number}")
        while not stop.is_set():
            front_end = self._choose(chance)
            if self._away_until_s.get(front_end, 0.0) > self._now_s():
                time.sleep(0.001)
                continue
            if chance.random() < RECONNECT_SHARE:
                self._close(front_end)
            stock_name = chance.choice(self.plan.stocks)
            if chance.random() < self.plan.trade_share:
                self._trade(front_end, stock_name, chance)
            else:
                self._read(front_end, stock_name, is_fresh=chance.random() < FRESH_SHARE)
        for front_end in self.plan.front_ends:
            self._close(front_end)

    def _choose(self, chance: random.Random) -> Address:
        """Return where to go next."""
        if self.is_patient:
            return self.plan.front_ends[self.number // 2 % len(self.plan.front_ends)]
        return chance.choice(self.plan.front_ends)

    def _read(self, front_end: Address, stock_name: str, *, is_fresh: bool) -> None:
        asking = _asking(front_end, stock_name, is_fresh=is_fresh)
        start_s = self._now_s()
        try:
            reply = self._exchange(front_end, asking, READ_PATIENCE_S)
        except OSError as error:
            self.notes.counts[f"read: {type(error).__name__}"] += 1
        else:
            self._seen.append((reply, start_s, self._now_s()))

    def note(self) -> Notes:
        """Take all the answers apart, which would only have cost time before; return the notes."""
        for reply, start_s, end_s in self._seen:
            if reply.status == 200:
                self._note(reply, start_s, end_s)
            else:
                self.notes.counts[f"read: {reply.status}"] += 1
        self._seen.clear()
        return self.notes

    def _note(self, reply: Reply, start_s: float, end_s: float) -> None:
        headers, shown = reply.headers, json.loads(reply.body, parse_float=Decimal)
        is_stale = headers.get("warning", "").startswith("110 ")
        self.notes.counts["mismarked"] += is_stale != shown.get("stale", False)
        self.notes.counts["hits"] += headers["cache-status"].endswith("; hit")
        read = StockOperation(
            *(self.number, StockOperationKind.READ, shown["stock_name"]),
            version=int(headers["etag"].strip('"')),
            start_s=start_s,
            end_s=end_s,
            is_stale=is_stale,
            quantity=shown["quantity"],
            trade_volume=shown["trade_volume"],
            price=Decimal(shown["price"]),
        )
        self.notes.reads.append(read)

    def _trade(self, front_end: Address, stock_name: str, chance: random.Random) -> None:
        key = UUID(int=chance.getrandbits(128), version=4)
        trade_type, shares = chance.choice(("buy", "sell")), chance.randint(1, SHARES_MAX)
        wish = {"stock_name": stock_name, "trade_type": trade_type, "quantity": shares}
        headers = f"Content-Type: application/json\r\nIdempotency-Key: {key}\r\n"
        asking = request("POST", "/orders", front_end, json.dumps(wish).encode(), headers)
        start_s = self._now_s()
        try:
            reply = self._exchange(front_end, asking, TRADE_PATIENCE_S)
            status, told = reply.status, json.loads(reply.body)
        except OSError as error:
            self.notes.counts[f"trade: {type(error).__name__}"] += 1
            status, told = 0, {}
        end_s = self._now_s()
        if status not in (0, 200, 404):
            self.notes.counts[f"trade: {status}"] += 1
        answer = Answer(
            *(key, stock_name, trade_type, shares, start_s, end_s, status),
            told.get("order_no", -1),
            told.get("message", ""),
        )
        self.notes.trades.append((self.number, answer))

    def _exchange(self, front_end: Address, asking: bytes, patience_s: float) -> Reply:
        patience_s = PATIENCE_S if self.is_patient else patience_s
        try:
            connection = self._connections.get(front_end)
            if connection is None:
                connection = self._connections[front_end] = Connection(front_end, patience_s)
            return connection.exchange(asking, patience_s)
        except OSError:
            self._close(front_end)
            self._away_until_s[front_end] = self._now_s() + AWAY_S
            raise

    def _close(self, front_end: Address) -> None:
        if connection := self._connections.pop(front_end, None):
            connection.close()

    def _now_s(self) -> float:
        return time.monotonic() - self.plan.origin_s


@cache
def _asking(front_end: Address, stock_name: str, *, is_fresh: bool) -> bytes:
    path = f"/stocks?{urlencode({'stock_name': stock_name})}"
    headers = "Cache-Control: no-cache\r\n" if is_fresh else ""
    return request("GET", path, front_end, headers=headers)


class Visitors:
    """Many visitors at once, for as long as a `with` block runs."""

    def __init__(self, plan: Plan, processes: int) -> None:
        """plan: for all of them together."""
        self.plan = plan
        self._plans = [
            replace(
                plan,
                folder=str(Path(plan.folder) / f"visitors-{n}"),
                visitors=plan.visitors[n::processes],
            )
            for n in range(processes)
        ]
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Visitors":
        for plan in self._plans:
            Path(plan.folder).mkdir()
            command = [sys.executable, "-m", "tests.cluster.visitors", json.dumps(asdict(plan))]
            self._processes.append(
                subprocess.Popen(command, stdin=subprocess.PIPE, cwd=ROOT, start_new_session=True)
            )
        return self

    def __exit__(self, *exception: object) -> None:
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()
        try:
            statuses = [process.wait(END_TIMEOUT_S) for process in self._processes]
        finally:
            for process in self._processes:
                process.kill()
                process.wait()
        assert not any(statuses), f"visitors ended with {statuses}"

    @property
    def notes(self) -> Notes:
        """What they all noted; read it after they have ended."""
        return _sum(_load(Path(plan.folder)) for plan in self._plans)


def _sum(some: Iterable[Notes]) -> Notes:
    notes = Notes()
    for one in some:
        notes.reads += one.reads
        notes.trades += one.trades
        notes.counts += one.counts
    return notes


# One process


def _save(folder: Path, notes: Notes) -> None:
    (folder / "reads.pickle").write_bytes(pickle.dumps(notes.reads))
    rows = ({"visitor": number, **asdict(answer)} for number, answer in notes.trades)
    _write(folder / "trades.jsonl", (json.dumps(row, default=str) for row in rows))
    _write(folder / "counts.json", [json.dumps(notes.counts)])


def _write(path: Path, lines: Iterable[str]) -> None:
    with path.open("w") as file:
        file.writelines(f"{line}\n" for line in lines)


def _load(folder: Path) -> Notes:
    notes = Notes(counts=Counter(json.loads((folder / "counts.json").read_text())))
    notes.reads.extend(pickle.loads((folder / "reads.pickle").read_bytes()))  # noqa: S301 - ours
    with (folder / "trades.jsonl").open() as lines:
        for row in map(json.loads, lines):
            number, key = row.pop("visitor"), UUID(row.pop("key"))
            notes.trades.append((number, Answer(key=key, **row)))
    return notes


def main(text: str) -> int:
    """Visit until standard input ends, then save what was noted."""
    found = json.loads(text)
    found["front_ends"] = [tuple(address) for address in found["front_ends"]]
    plan, stop = Plan(**found), threading.Event()
    visitors = [Visitor(number, plan) for number in plan.visitors]
    threads = [threading.Thread(target=one.visit, args=(stop,), daemon=True) for one in visitors]
    gc.disable()  # answers pile up, and looking through them takes longer and longer
    for thread in threads:
        thread.start()
    with contextlib.suppress(KeyboardInterrupt):
        sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join(math.ceil(2 * PATIENCE_S))
    notes = _sum(one.note() for one in visitors)
    _save(Path(plan.folder), notes)
    return int(any(thread.is_alive() for thread in threads))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
