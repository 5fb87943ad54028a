"""
One typed client per role; every failure is a `Failure` (docs/PROTOCOL.md).

The served port takes trades and look-ups; everything that must not wait behind them goes to the
control port. Any method may raise Unreachable (indefinite); what else it raises is said there.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Self, TypeVar, get_args
from uuid import UUID

import msgspec

from bazaar.core.election import Leadership, Ping
from bazaar.core.failures import Unreachable
from bazaar.core.ledger import Answer, Batch, BatchAnswer, Page
from bazaar.core.replication import Accepted, Append
from bazaar.core.types import (
    NO_EPOCH,
    Order,
    OrderNo,
    Position,
    ReplicaId,
    Stock,
    Term,
    Trade,
    Version,
)
from bazaar.protocol import cache_messages, leadership_messages, messages, statuses
from bazaar.protocol.cache_messages import FoundStocks
from bazaar.protocol.examples import NewestQuery
from bazaar.protocol.http1 import Reply
from bazaar.protocol.member_client import MemberClient, decode, query
from bazaar.protocol.stored_rows import ChangesBody, FoundBody, ListingBody, RowsBody
from bazaar.protocol.transport import HttpTransport, PendingCall
from bazaar.topology import Address, Node, Role, format_address

T = TypeVar("T")
Change = tuple[str, Version]
"""A stock, and the version below which it is to be forgotten."""


class SequenceClient(MemberClient):
    """A role that has the decided sequence in its database."""

    def rows(self, after: OrderNo, limit: int) -> RowsBody:
        """Return the orders after an order, as they are stored, be they damaged."""
        return self._get(self.control, query("/rows", after=after, limit=limit), RowsBody)

    def changes(self, after: Position, limit: int) -> ChangesBody:
        """Return the stock changes after a position, as they are stored."""
        return self._get(self.control, query("/changes", after=after, limit=limit), ChangesBody)

    def find(self, text: str, before: OrderNo, limit: int) -> FoundBody:
        """Return the newest orders before one with a text in key or stock."""
        path = query("/find", text=text, before=before, limit=limit)
        return self._get(self.control, path, FoundBody)


class CatalogClient(SequenceClient):
    """The catalog."""

    role = Role.CATALOG

    def read(self, holder_id: UUID, wanted: Mapping[str, bool]) -> FoundStocks:
        """
        Return stocks as committed, each with whether this holder may keep it.

        wanted: names, each with whether it is to be kept; READS_MAX at most.
        """
        body = cache_messages.ReadBody.from_core(holder_id, wanted)
        found = self._post(self.served, "/read", body, cache_messages.FoundStocksBody)
        return found.to_core(len(wanted))

    def begin_read(
        self, holder_id: UUID, wanted: Mapping[str, bool]
    ) -> PendingCall[FoundStocks] | None:
        """Begin a `read`; None without a kept connection."""

        def unpack(reply: Reply) -> FoundStocks:
            return decode(reply, cache_messages.FoundStocksBody).to_core(len(wanted))

        body = cache_messages.ReadBody.from_core(holder_id, wanted)
        return self._begin(self.served, "/read", body, unpack)

    def place(self, batch: Batch) -> BatchAnswer:
        """Decide a batch. Raises StaleTerm, GapFound (definite)."""
        body = messages.BatchBody.from_core(batch)
        answer = self._post(self.served, "/batch", body, messages.BatchAnswerBody).to_core()
        if len(answer.answers) != len(batch.trades):
            raise Unreachable("The catalog answered another number of trades than were asked.")
        return answer

    def ledger(self, after: Position, limit: int) -> Page:
        """
        Return the ledger after a position.

        Raises GapFound (definite): it ends before that.
        """
        path = query("/ledger", after=after, limit=limit)
        return self._get(self.control, path, messages.PageBody).to_core()

    def last(self, timeout_s: float) -> OrderNo:
        """Return the newest order of the ledger."""
        return OrderNo(self._get(self.served, "/last", messages.LastBody, timeout_s).last)

    def search(self, text: str | None, after: str | None, limit: int) -> messages.StocksBody:
        """Return stocks after a name whose names contain a text, by name."""
        path = query("/search", text=text, after=after, limit=limit)
        return self._get(self.served, path, messages.StocksBody)

    def listing(self, after: int, limit: int) -> ListingBody:
        """Return the stocks after a place in the listing, as of one order of the ledger."""
        return self._get(self.control, query("/stocks", after=after, limit=limit), ListingBody)

    def claim(self, term: Term, leader: ReplicaId) -> Leadership:
        """
        Make `leader` the leader of term + 1.

        Raises StaleTerm (definite): another claim was faster.
        """
        body = leadership_messages.NoticeBody(term=term, leader=leader)
        kind = leadership_messages.LeadershipBody
        return self._post(self.control, "/leadership", body, kind).to_core()

    def get_leadership(self, timeout_s: float | None = None) -> Leadership:
        """Return the current term and its leader."""
        kind = leadership_messages.LeadershipBody
        return self._get(self.control, "/leadership", kind, timeout_s).to_core()

    def change_price(self, stock_name: str, price: Decimal) -> Stock:
        """
        Change a price and return the stock as it is now.

        Raises UnknownStock (definite).
        """
        body = messages.PriceBody(stock_name=stock_name, price=price)
        return self._post(self.control, "/price", body, messages.StockBody).to_core()

    def names(self, after: int, limit: int) -> cache_messages.NamesBody:
        """Return the names of the stocks after a place in the listing."""
        path = query("/names", after=after, limit=limit)
        return self._get(self.control, path, cache_messages.NamesBody)

    def register(self, holder: cache_messages.HolderBody) -> cache_messages.LeaseBody:
        """Begin a lease; the cache must be empty by now."""
        return self._post(self.control, "/register", holder, cache_messages.LeaseBody)

    def renew(self, holder: cache_messages.HolderBody) -> cache_messages.LeaseBody:
        """Prolong a lease. Raises UnknownHolder (definite)."""
        return self._post(self.control, "/renew", holder, cache_messages.LeaseBody)

    def status(self) -> statuses.CatalogStatus:
        """Return the status of the process."""
        return self._get(self.control, "/status", statuses.CatalogStatus)


class ReplicaClient(SequenceClient):
    """An order replica."""

    role = Role.ORDER

    def ping(self, timeout_s: float) -> Ping:
        """Return the answer to a ping."""
        return self._get(self.control, "/ping", leadership_messages.PingBody, timeout_s).to_core()

    def notice(self, term: Term, leader: ReplicaId, timeout_s: float) -> None:
        """Notify of the leader. Raises StaleTerm, NotServing (definite)."""
        body = leadership_messages.NoticeBody(term=term, leader=leader)
        self._post(self.control, "/leader", body, leadership_messages.LeadershipBody, timeout_s)

    def append(self, append: Append, timeout_s: float) -> Accepted:
        """
        Send entries.

        Raises StaleTerm, GapFound, Diverged, DamagedPage, NotServing (definite).
        """
        body = messages.AppendBody.from_core(append)
        return self._post(self.control, "/sync", body, messages.AcceptedBody, timeout_s).to_core()

    def confirm(self, term: Term, token: UUID, timeout_s: float) -> None:
        """Ask whether an append with this token is its own. Raises Unconfirmed (definite)."""
        body = leadership_messages.TokenBody(term=term, token=token)
        self._post(self.control, "/confirm", body, messages.DoneBody, timeout_s)

    def begin_append(self, append: Append) -> PendingCall[Accepted] | None:
        """Begin an `append`; None without a kept connection."""
        body = messages.AppendBody.from_core(append)
        return self._begin(self.control, "/sync", body, _read_accepted)

    def replicate(self, position: Position) -> None:
        """
        Return when an entry of the ledger is copied to all that are in sync.

        Raises NotLeader (definite), Deposed, NotReplicated.
        """
        body = messages.ReplicateBody(position=position)
        self._post(self.control, "/replicate", body, messages.DoneBody)

    def head(self, at: Position, timeout_s: float) -> leadership_messages.HeadBody:
        """Return where the log ends, and its digest at a position. Raises NotServing (definite)."""
        path = query("/head", at=at)
        return self._get(self.control, path, leadership_messages.HeadBody, timeout_s)

    def log(self, after: Position, limit: int) -> Page:
        """Return the log after a position. Raises GapFound, NotServing (definite)."""
        path = query("/log", after=after, limit=limit)
        return self._get(self.control, path, messages.PageBody).to_core()

    def trade(self, term: Term, trades: Sequence[Trade], timeout_s: float) -> tuple[Answer, ...]:
        """
        Forward trades.

        Raises NotLeader, Busy, TooFewInSync (definite), Deposed, NotReplicated.
        """
        body = _pack_trades(term, trades)
        answers = self._post(self.served, "/trades", body, messages.AnswersBody, timeout_s)
        return _unpack_answers(answers, len(trades))

    def begin_trade(
        self, term: Term, trades: Sequence[Trade]
    ) -> PendingCall[tuple[Answer, ...]] | None:
        """Begin a `trade`; None without a kept connection."""

        def unpack(reply: Reply) -> tuple[Answer, ...]:
            return _unpack_answers(decode(reply, messages.AnswersBody), len(trades))

        body = _pack_trades(term, trades)
        return self._begin(self.served, "/trades", body, unpack)

    def look_up(self, order_no: OrderNo, timeout_s: float | None = None) -> Order:
        """Return an order. Raises UnknownOrder, NotServing (definite)."""
        path = query("/order", order_no=order_no)
        return self._get(self.served, path, messages.OrderBody, timeout_s).to_core()

    def list_orders(self, wanted: NewestQuery, timeout_s: float) -> messages.OrdersBody:
        """Return a page of orders. Raises UnknownOrder, NotServing (definite)."""
        path = query("/list", **msgspec.to_builtins(wanted))
        return self._get(self.served, path, messages.OrdersBody, timeout_s)

    def status(self, timeout_s: float | None = None) -> statuses.ReplicaStatus:
        """Return the status of the process."""
        return self._get(self.control, "/status", statuses.ReplicaStatus, timeout_s)

    def abort_trades(self) -> None:
        """Give up the trades under way: another replica leads now."""
        if isinstance(self.served, HttpTransport):
            self.served.abort()


class FrontEndClient(MemberClient):
    """A front end, as the catalog and the operators see it."""

    role = Role.FRONT_END
    epoch = NO_EPOCH
    """That of the catalog which speaks."""

    @classmethod
    def at_address(cls, address: Address, secret: bytes, timeout_s: float) -> Self:
        """Return a client for a lease holder, whose control address names it."""
        host, port = address
        node = Node(host=host, port=port, control_port=port)
        return cls._for(format_address(host, port), node, secret, timeout_s)

    def invalidate(self, changes: Sequence[Change], timeout_s: float) -> None:
        """Make the front end forget stocks below a version. Raises NotActive (definite)."""
        body = cache_messages.InvalidateBody.from_core(changes, self.epoch)
        self._post(self.control, "/invalidate", body, messages.DoneBody, timeout_s)

    def begin_invalidate(self, changes: Sequence[Change]) -> PendingCall[None] | None:
        """Begin an `invalidate`; None without a kept connection."""
        body = cache_messages.InvalidateBody.from_core(changes, self.epoch)
        return self._begin(self.control, "/invalidate", body, _read_done)

    def remove(self, stock_name: str) -> None:
        """Make the front end forget a stock, whatever its version."""
        self._get(self.control, query("/rm", stock_name=stock_name), dict[str, str])

    def expect_restart(self, for_s: float) -> None:
        """Tell the front end that the catalog is away for so long at most."""
        body = cache_messages.ExpectBody(for_s=for_s)
        self._post(self.control, "/expect", body, messages.DoneBody)

    def status(self) -> statuses.FrontEndStatus:
        """Return the status of the process."""
        return self._get(self.control, "/status", statuses.FrontEndStatus)


def _pack_trades(term: Term, trades: Sequence[Trade]) -> messages.TradesBody:
    packed = tuple(map(messages.TradeBody.from_core, trades))
    return messages.TradesBody(term=term, trades=packed)


def _unpack_answers(found: messages.AnswersBody, count: int) -> tuple[Answer, ...]:
    """Unpack answers. Raises Unreachable: there are not as many as there were trades."""
    if len(found.answers) != count:
        raise Unreachable("The leader answered another number of trades than were asked.")
    return tuple(answer.to_core() for answer in found.answers)


def _read_accepted(reply: Reply) -> Accepted:
    return decode(reply, messages.AcceptedBody).to_core()


def _read_done(reply: Reply) -> None:
    decode(reply, messages.DoneBody)


RoleClient = CatalogClient | ReplicaClient | FrontEndClient
CLIENTS: Mapping[str, type[RoleClient]] = {one.role: one for one in get_args(RoleClient)}
"""The client of each role that has a status."""
