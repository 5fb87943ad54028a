"""
The invariants of a cluster whose catalog is lost, put back and made anew.

The one history is what the ledger's file has had, each entry from the moment of its commit. What a
recovery does without is taken out of it again: nobody may have been told of it (I3, I11).
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from bazaar.core.election import Leadership
from bazaar.core.failures import Failure, KeyReused
from bazaar.core.ledger import Answer
from bazaar.core.types import (
    START,
    Entry,
    Order,
    OrderNo,
    Position,
    Stock,
    Term,
    Trade,
    Version,
    tidy,
)
from tests.sim.checks import Checks, Tally


class StoredChecks(Checks):
    """What has to be true, whatever is lost."""

    def __init__(self, stocks: Iterable[Stock]) -> None:
        super().__init__(stocks)
        self.given_up = set[Order]()
        """Orders that a recovery did without; nobody was told of them."""
        self.losses = 0
        """How often the history got shorter."""
        self.versions = {name: Version(1) for name in self.tallies}
        """Of each stock, as committed."""
        self.prices = {name: tally.stock.price for name, tally in self.tallies.items()}
        self.floors = dict(self.versions)
        """The newest version of each stock that somebody knows of."""
        self.version_of: dict[OrderNo, Version] = {}
        """The version that its stock has from an order on."""
        self.reads = 0

    @property
    def newest(self) -> Position:
        """The newest entry that was acknowledged."""
        return max(self.newest_of.values(), default=Position(0))

    def elected(self, before: Leadership, after: Leadership) -> None:
        """Check a leadership that was committed: I6."""
        assert after.term > before.term, f"I6 {after} after {before}"
        known = self.leaderships.setdefault(after.term, after.leader)
        assert after.leader in (known, None), f"I6 {after}, which {known} led"

    def lost(self, heard: Term) -> None:
        """Forget elections after a term: the catalog is lost, and no replica has heard of them."""
        for term in [one for one in self.leaderships if one > heard]:
            del self.leaderships[term]

    def wrote(
        self,
        at: Position,
        entries: Sequence[Entry],
        rows: Mapping[int, tuple[Term, int]],
        *,
        is_deciding: bool,
    ) -> None:
        """Check entries that were committed after a position: I1, I2, I5, I8, I9."""
        for place, entry in enumerate(entries, at):
            if place < len(self.history):
                assert not is_deciding, f"I1 {entry} was decided instead of {self.history[place]}"
                assert entry == self.history[place], f"I8 {entry} was {self.history[place]}"
                continue
            assert is_deciding, f"I8 {entry} was taken, and nobody has decided it"
            if isinstance(entry, Order):
                term, version = rows[entry.order_no]
                assert term >= self.entry_term, f"I5 {entry} of {term} after {self.entry_term}"
                self.entry_term = term
                self.version_of[entry.order_no] = Version(version)
                self._append(entry)
            else:
                self.enter(entry)
                self.tallies[entry.stock_name].changes += 1
                self.prices[entry.stock_name] = entry.price

    def moved(self, stocks: Sequence[tuple[Any, ...]], *, is_deciding: bool) -> None:
        """Check the stocks after a commit: I4, I7."""
        if is_deciding:
            self._check_stocks(stocks)

    def recovered(self, position: Position, stocks: Sequence[tuple[Any, ...]]) -> None:
        """Check the ledger with which a catalog begins to decide: I3, I11."""
        assert position >= self.newest, f"I3, I11 it ends at {position}, not {self.newest}"
        if position < len(self.history):
            self._give_up(position)
        self._check_stocks(stocks)

    def read(self, stock_name: str, floor: Version, losses: int, version: Version) -> None:
        """Judge a stock that a reader got who asked when the floor was this: I7."""
        self.reads += 1
        if losses != self.losses:
            return
        assert floor <= version <= self.versions[stock_name], (
            f"I7 {stock_name} {version}, not {floor} to {self.versions[stock_name]}"
        )
        self.floors[stock_name] = max(self.floors[stock_name], version)

    def told(self, trade: Trade, answer: Answer, *, is_only: bool) -> None:
        if isinstance(answer, KeyReused) and trade.key in {one.key for one in self.given_up}:
            return  # it was right when it was said
        super().told(trade, answer, is_only=is_only)
        if isinstance(answer, Order):
            version, name = self.version_of[answer.order_no], answer.stock_name
            self.floors[name] = max(self.floors[name], version)

    def looked_up(self, order_no: OrderNo, last: OrderNo, answer: Order | Failure) -> None:
        if isinstance(answer, Order) and answer in self.given_up:
            return  # it was asked for before, or of a front end that has yet to hear of the loss
        super().looked_up(order_no, min(last, self.last), answer)

    def _check_stocks(self, stocks: Sequence[tuple[Any, ...]]) -> None:
        assert {row[0] for row in stocks} == self.tallies.keys(), f"I11 {stocks}"
        for name, stored, *shares, version in stocks:
            price = tidy(Decimal(str(stored)))
            assert price == self.prices[name], f"I11 {name} at {price}, not {self.prices[name]}"
            quantity, opening, issued, volume = shares
            stock = Stock(name, price, quantity, opening, issued, volume, Version(version))
            self.tallies[name].check(stock)
            self.versions[name] = stock.version

    def _give_up(self, position: Position) -> None:
        """Begin again from an earlier entry; what came after it was acknowledged to nobody."""
        self.losses += 1
        kept, lost = self.history[:position], self.history[position:]
        for entry in lost:
            if isinstance(entry, Order):
                assert entry.key not in self.acknowledged, f"I3 {entry}"
                self.given_up.add(self.by_key.pop(entry.key))
        self.tallies = {name: Tally(tally.stock) for name, tally in self.tallies.items()}
        self.history, self.heads, self.orders = [], [START], []
        for entry in kept:
            is_listing = len(self.history) < len(self.tallies)
            self.enter(entry)
            if isinstance(entry, Order):
                self.orders.append(entry)
                self.tallies[entry.stock_name].add(entry)
                continue
            self.prices[entry.stock_name] = entry.price
            if not is_listing:
                self.tallies[entry.stock_name].changes += 1
        for name, tally in self.tallies.items():
            self.versions[name] = Version(tally.stock.version + tally.trades + tally.changes)
            self.floors[name] = min(self.floors[name], self.versions[name])
