"""Clients that note all they did in the form of a load run's history."""

import random
import threading
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from bazaar.client.answers import ClientError, Indefinite, OrderAnswer, Refused
from bazaar.client.client import Client
from bazaar.core.types import TradeType
from bazaar.proof.records import Done, Header, Opening, Record

JOIN_TIMEOUT_S = 40.0


class Customers:
    """Several at once for as long as a `with` block runs; then `records` is their history."""

    def __init__(self, urls: Sequence[str], stocks: Sequence[str], count: int) -> None:
        self.client, self.stocks = Client(urls), stocks
        self._urls = tuple(urls)
        self._since_s = time.monotonic()
        self._stop = threading.Event()
        self._done: list[Done] = []
        self._openings = tuple(map(self._opening, stocks))
        self._threads = [
            threading.Thread(target=self._visit, args=(number,), daemon=True)
            for number in range(1, count + 1)
        ]

    def __enter__(self) -> "Customers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(JOIN_TIMEOUT_S)
            assert not thread.is_alive(), "a customer hangs"
        self.client.close()

    @property
    def records(self) -> list[Record]:
        """The history so far."""
        header = Header(
            format=1,
            seed=0,
            profile="seed",
            started="2026-01-01T00:00:00Z",
            urls=self._urls,
            options={},
            openings=self._openings,
        )
        return [header, *self._done]

    @property
    def acknowledged(self) -> int:
        """How many trades were made."""
        return sum(one.kind == "trade" and one.outcome == "ok" for one in tuple(self._done))

    def _opening(self, name: str) -> Opening:
        one = self.client.query(name, is_fresh=True)
        return Opening(name, one.version, one.quantity, one.trade_volume, str(one.price))

    def _now_s(self) -> float:
        return time.monotonic() - self._since_s

    def _visit(self, number: int) -> None:
        chance = random.Random(number)
        while not self._stop.is_set():
            name = chance.choice(self.stocks)
            self._query(number, name)
            key, shares = UUID(int=chance.getrandbits(128), version=4), chance.randint(1, 3)
            order = self._trade(number, key, name, chance.choice(tuple(TradeType)), shares)
            if order:
                self._look_up(number, order)

    def _query(self, number: int, name: str) -> None:
        sent_s = self._now_s()
        try:
            shown = self.client.query(name)
        except ClientError:
            return
        self._note(
            *("query", number, sent_s),
            stock_name=name,
            version=shown.version,
            price=str(shown.price),
            quantity=shown.quantity,
            trade_volume=shown.trade_volume,
            is_stale=shown.is_stale,
        )

    def _trade(
        self, number: int, key: UUID, name: str, trade_type: TradeType, shares: int
    ) -> OrderAnswer | None:
        sent_s, order, outcome, status = self._now_s(), None, "ok", 200
        try:
            order = self.client.trade(name, trade_type, shares, key)
        except ClientError as error:
            kinds = {Refused: "refused", Indefinite: "indefinite"}
            outcome, status = kinds.get(type(error), "unreachable"), error.status or 0
        self._note(
            *("trade", number, sent_s),
            outcome=outcome,
            status=status,
            stock_name=name,
            key=str(key),
            trade_type=trade_type.value,
            shares=shares,
            order_no=order.order_no if order else None,
        )
        return order

    def _look_up(self, number: int, order: OrderAnswer) -> None:
        sent_s = self._now_s()
        try:
            shown = self.client.order(order.order_no)
        except ClientError:
            return
        self._note(
            *("order", number, sent_s),
            order_no=shown.order_no,
            stock_name=shown.stock_name,
            trade_type=shown.trade_type.value,
            shares=shown.quantity,
        )

    def _note(self, kind: Any, number: int, sent_s: float, **told: Any) -> None:
        """Keep one operation that began at `sent_s`; without an outcome it went well."""
        is_answered = told.setdefault("outcome", "ok") == "ok"
        self._done.append(
            Done(
                kind=kind,
                client=number,
                url=0,
                intended_s=sent_s,
                sent_s=sent_s,
                done_s=self._now_s() if is_answered else None,
                **told,
            )
        )
