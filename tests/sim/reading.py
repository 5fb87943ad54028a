"""A bazaar of real services under readers, traders and faults, and what must hold (I7)."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from decimal import Decimal
from functools import partial
from random import Random
from uuid import UUID

import pytest
from django.db import connection

from bazaar.core.failures import Failure, UnknownStock
from bazaar.core.ledger import Batch
from bazaar.core.types import (
    VERSION_FIRST,
    Order,
    Position,
    ReplicaId,
    Term,
    Trade,
    TradeType,
)
from bazaar.settings.env import Limits
from catalog_app.models import Entry, HolderRegistration, Leadership, Stock, StockChange
from tests.sim.events import Events
from tests.sim.network import CALM, Network, Weather
from tests.sim.process import Process
from tests.sim.reads import ReadAnswer, ReadChecks
from tests.sim.services import LIST, Request, ServingCatalog, ServingFrontEnd, new_stock
from tests.sim.tasks import Tasks
from tests.sim.threaded import ThreadedProcess

STOCKS = ("GameStart", "BoarCo", "RottenFishCo")
NEW_STOCKS = tuple(f"NewCo {number}" for number in range(8))
"""Readers ask for them before they are listed, and after it."""
NAMES_A_PAGE = 2
TERM, LEADER = Term(1), ReplicaId(1)
STORM_S = 16.0
SETTLE_S = 5.0
"""After this long in a calm network every front end has a lease again."""
FAULTS = 20
DOWN_S, PAUSED_S, CUT_S = (0.05, 2.5), (0.5, 3.5), (0.5, 3.5)
READERS, READ_PAUSE_S = 3, 0.1
TRADERS, TRADE_PAUSE_S = 2, 0.5
LIST_PAUSE_S = 4.0
REPLAY_PAUSE_S = 0.5
SLOW_S = 0.3
"""What answers to two front ends take: a lease counts from the question."""
CLIENT_TIMEOUT_S = 3.0
REPEATABLE = frozenset(("/register", "/renew", "/names", "/read", "/batch", "/invalidate"))
"""What docs/PROTOCOL.md calls harmless when it arrives twice, among these processes."""


class Caller(ThreadedProcess):
    """A client: it calls, and is never called."""

    def answer(self, request: object) -> object:
        raise AssertionError("nobody calls a client")


def draw_weather(rng: Random) -> Weather:
    """Return a bad network, in which every message may come twice."""
    return Weather(
        lost=rng.choice((0.0, 0.0, 0.02, 0.1)),
        repeated=rng.choice((0.02, 0.2)),
        late=rng.choice((0.0, 0.05, 0.2)),
        late_s=rng.choice((0.5, 1.0, 2.5)),
        has_twins=True,
    )


class ReadingBazaar:
    """A catalog, three front ends, their clients, and a network that repeats what it knows."""

    def __init__(self, seed: int, patch: pytest.MonkeyPatch, *, has_trace: bool = False) -> None:
        self.rng, self.events = Random(seed), Events()
        self.network = Network(self.events, self.rng, trace=[] if has_trace else None)
        self.tasks = Tasks(self.network)
        self.checks = ReadChecks(dict.fromkeys(STOCKS, VERSION_FIRST))
        self.replayed = set[str]()
        limits = Limits(cache_stocks_max=self.rng.choice((2, 10)))
        self.catalog = ServingCatalog(self.tasks, self.checks, limits)
        self.front_ends = [ServingFrontEnd(at, self.catalog, limits) for at in (1, 2, 3)]
        self.processes = (self.catalog, *self.front_ends)
        self.catalog.wire(patch)
        patch.setattr("frontend_app.stocks.uuid4", self._draw_id)
        patch.setattr("frontend_app.stocks.NAMES_MAX", NAMES_A_PAGE)
        _fill_database()
        for process in self.processes:
            process.start()
        for number in range(READERS):
            self._add_client(f"reader {number}", self._read)
        for number in range(TRADERS):
            self._add_client(f"trader {number}", self._trade)
        self._add_client("issuer", self._list)
        self._add_client("listener on the wire", self._replay)

    def run(self) -> None:
        """Live through a storm; then every front end must serve the newest versions."""
        try:
            self._run_for(1.0)
            self.network.weather = draw_weather(self.rng)
            slow = self.rng.sample(self.front_ends, 2)
            self.network.slow_s = {("catalog", one.name): SLOW_S for one in slow}
            for _ in range(FAULTS):
                fault = self.rng.choice(self._faults())
                self.events.after(self.rng.uniform(0.0, STORM_S), fault)
            self._run_for(STORM_S)
            self._heal()
            self._run_for(SETTLE_S)
            self._check_end()
        finally:
            self.tasks.close()

    def _run_for(self, length_s: float) -> None:
        until_s = self.events.now_s + length_s
        while self.events.is_due(until_s):
            self.events.pop()()
            for front_end in self.front_ends:
                front_end.check()
        self.events.now_s = until_s

    def _heal(self) -> None:
        self.network.note("heal")
        self.network.weather = CALM
        self.network.cuts.clear()
        self.network.slow_s.clear()
        for process in self.processes:
            process.resume_if_paused()
            process.start_if_dead()

    def _check_end(self) -> None:
        assert self.checks.reads > 0, "nothing was read"
        for front_end in self.front_ends:
            assert front_end.reader.lease.is_valid(self.events.now_s), f"{front_end.name} is out"
        versions = {stock.name: stock.version for stock in Stock.objects.all()}
        assert versions == self.checks.committed, "I7: what was acknowledged is there"

    def _faults(self) -> Sequence[Callable[[], None]]:
        return (
            *(self._cut,) * 3,
            *(partial(self._pause, one) for one in self.front_ends),
            partial(self._pause, self.catalog),
            partial(self._crash, self.rng.choice(self.front_ends)),
            partial(self._crash, self.catalog),
        )

    def _replay(self) -> None:
        """Send again what was recorded on its way to a process: of each kind the newest, mostly."""
        self.tasks.wait(REPLAY_PAUSE_S * self.rng.random())
        process = self.rng.choice(self.processes)
        if known := [one for one in process.received if one.path in REPEATABLE]:
            path = self.rng.choice(sorted({one.path for one in known}))
            copies = [one for one in known if one.path == path]
            again = self.rng.choice((copies[-1], self.rng.choice(copies)))
            self.replayed.add(path)
            self.tasks.call(process, again, CLIENT_TIMEOUT_S)

    def _cut(self) -> None:
        """Cut the catalog and a front end, one way or both."""
        one = self.rng.choice(self.front_ends).name
        links = [(one, "catalog"), ("catalog", one)]
        links = self.rng.choice((links, links[:1], links[1:]))
        self.network.note(f"cut {links}")
        self.network.cuts.update(links)
        mend = partial(self.network.cuts.difference_update, links)
        self.events.after(self.rng.uniform(*CUT_S), mend)

    def _pause(self, process: Process) -> None:
        process.pause()
        self.events.after(self.rng.uniform(*PAUSED_S), process.resume_if_paused)

    def _crash(self, process: Process) -> None:
        process.crash()
        self.events.after(self.rng.uniform(*DOWN_S), process.start_if_dead)

    def _add_client(self, name: str, act: Callable[[], None]) -> None:
        client = Caller(name, self.tasks)
        client.start()
        self.tasks.spawn(client, partial(_repeat, act))

    def _read(self) -> None:
        self.tasks.wait(READ_PAUSE_S * self.rng.random())
        names = STOCKS if self.rng.random() < 0.7 else NEW_STOCKS
        front_end, name = self.rng.choice(self.front_ends), self.rng.choice(names)
        floor = self.checks.floor(name)
        request = Request("/stocks", (name, self.rng.random() < 0.05))
        try:
            answer = self.tasks.call(front_end, request, CLIENT_TIMEOUT_S)
        except UnknownStock:
            self.checks.unknown(name, floor)
            return
        assert isinstance(answer, ReadAnswer)
        self.checks.read(name, floor, answer)

    def _trade(self) -> None:
        self.tasks.wait(TRADE_PAUSE_S * self.rng.random())
        names = self.rng.sample(STOCKS, self.rng.choice((1, 1, 2)))
        if self.rng.random() < 0.2:
            price = Decimal(self.rng.randint(100, 9999)) / 100
            request = Request("/price", (names[0], price))
            stock = self.tasks.call(self.catalog, request, CLIENT_TIMEOUT_S)
            self.checks.acknowledged(stock.name, stock.version)
            return
        trades = tuple(Trade(self._draw_id(), name, TradeType.BUY, 1) for name in names)
        batch = Batch(TERM, LEADER, Position(0), trades)
        for order in self.tasks.call(self.catalog, Request("/batch", batch), 3.0).answers:
            assert isinstance(order, Order), f"{order}: there are shares enough"
            self.checks.acknowledged(order.stock_name, self.checks.orders[order.key][1])

    def _list(self) -> None:
        """List one stock more, or try one again that may have been listed."""
        self.tasks.wait(LIST_PAUSE_S * self.rng.random())
        for name in NEW_STOCKS:
            if not self.checks.floor(name):
                self.tasks.call(self.catalog, Request(LIST, name), CLIENT_TIMEOUT_S)
                self.checks.acknowledged(name, VERSION_FIRST)
                return

    def _draw_id(self) -> UUID:
        return UUID(int=self.rng.getrandbits(128))


def _repeat(act: Callable[[], None]) -> None:
    while True:
        try:
            act()
        except Failure:
            continue


def _fill_database() -> None:
    for model in (Entry, StockChange, Stock, HolderRegistration, Leadership):
        model.objects.all().delete()
    with connection.cursor() as cursor:  # the places of the listing are the same in every history
        cursor.execute("DELETE FROM sqlite_sequence")
    Leadership.objects.create(pk=1, term=TERM, leader=LEADER)
    Stock.objects.bulk_create(Stock(**asdict(new_stock(name))) for name in STOCKS)


def run_seed(seed: int) -> ReadingBazaar:
    """Run one seed to its end; a failure names the seed."""
    with pytest.MonkeyPatch.context() as patch:
        try:
            bazaar = ReadingBazaar(seed, patch)
            bazaar.run()
        except BaseException as failure:
            failure.add_note(f"seed {seed} fails")
            raise
    return bazaar
