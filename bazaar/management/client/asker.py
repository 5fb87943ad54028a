"""Ask front ends for a person: every question with its running time."""

from collections.abc import Callable, Collection
from typing import TypeVar
from uuid import UUID

from bazaar import clock
from bazaar.client.answers import ClientError, Order, Stock, Unreachable
from bazaar.client.client import Client
from bazaar.cluster import exits
from bazaar.cluster.errors import Ended
from bazaar.core.types import TradeType
from bazaar.management.client.output import Teller

A = TypeVar("A", Stock, Order)


class Asker:
    """Asks one question after the other and tells what came of each."""

    def __init__(self, client: Client, teller: Teller) -> None:
        """client: with the deadline of each question."""
        self.client, self.teller = client, teller

    def ask(
        self, kind: str, what: str, question: Callable[[], A], expected: Collection[str] = ()
    ) -> A | None:
        """
        Ask, tell, and return the answer; None when it failed.

        expected: failures that count as answers. Raises Ended (4): nobody answers.
        """
        begin_s = clock.monotonic_s()
        try:
            answer = question()
        except ClientError as error:
            check_reached(error)
            took_s = clock.monotonic_s() - begin_s
            is_expected = error.failure in expected
            self.teller.failure(kind, what, error, took_s, is_expected=is_expected)
            return None
        self.teller.answer(kind, answer, clock.monotonic_s() - begin_s)
        return answer

    def query(self, stock_name: str, *, is_fresh: bool = False) -> Stock | None:
        """Look a stock up."""
        return self.ask(
            "query", stock_name, lambda: self.client.query(stock_name, is_fresh=is_fresh)
        )

    def order(self, order_no: int, *, is_fresh: bool = False) -> Order | None:
        """Look an order up."""
        what = f"order {order_no}"
        return self.ask("order", what, lambda: self.client.order(order_no, is_fresh=is_fresh))

    def trade(
        self,
        stock_name: str,
        trade_type: TradeType,
        quantity: int,
        key: UUID | None = None,
        expected: Collection[str] = (),
    ) -> Order | None:
        """Place one trade."""
        return self.ask(
            "trade",
            f"{trade_type} {quantity} {stock_name}",
            lambda: self.client.trade(stock_name, trade_type, quantity, key),
            expected,
        )


def check_reached(error: ClientError) -> None:
    """Raise Ended (4) when an error says that there is nobody to ask."""
    if isinstance(error, Unreachable) and error.status is None:
        raise Ended(error.message, exits.UNREACHABLE) from error
