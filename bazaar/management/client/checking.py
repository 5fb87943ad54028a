"""Hold the orders that were kept against what the server says of them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from bazaar import clock
from bazaar.client.answers import ClientError, Order
from bazaar.client.client import Client
from bazaar.cluster import exits
from bazaar.management.client.asker import check_reached
from bazaar.management.client.output import Teller, show_order

MATCH = "order info match with local!"
DIFFERENCES_MAX = 1000
"""That the JSON lists; all are counted."""


@dataclass
class Check:
    """One look at all kept orders."""

    client: Client
    teller: Teller
    checked: int = 0
    differing: int = 0
    listed: list[dict[str, Any]] = field(default_factory=list)

    def run(self, orders: Iterable[Order]) -> int:
        """Compare them all; return the exit code. Raises Ended."""
        for order in orders:
            self.checked += 1
            self._check(order)
        asked = self.checked - self.teller.errors
        self.teller.conclude(
            f"{self.checked} orders checked: {asked - self.differing} match, "
            f"{self.differing} differ, {self.teller.errors} could not be asked for"
        )
        if self.differing:
            return exits.INCONSISTENT
        return exits.ERRORS if self.teller.errors else exits.OK

    def facts(self) -> dict[str, Any]:
        """Return what the JSON tells."""
        return {
            "checked": self.checked,
            "matching": self.checked - self.differing - self.teller.errors,
            "differing": self.differing,
            "differences": self.listed,
        }

    def _check(self, order: Order) -> None:
        begin_s = clock.monotonic_s()
        what = f"order {order.order_no}"
        try:
            shown = self.client.order(order.order_no, is_fresh=True)
            difference = "" if shown == order else f"here {_words(order)}, there {_words(shown)}"
        except ClientError as error:
            check_reached(error)
            if error.failure != "unknown_order":
                self.teller.failure("order", what, error, clock.monotonic_s() - begin_s)
                return
            shown, difference = None, f"here {_words(order)}, there nothing"
        took_s = clock.monotonic_s() - begin_s
        self.teller.took("order", took_s)
        if not difference:
            self.teller.say(f"{what}: {MATCH}", took_s)
            return
        self.differing += 1
        self.teller.conclude(f"{what} differs: {difference}")
        if len(self.listed) < DIFFERENCES_MAX:
            self.listed.append({"kept": order, "shown": shown})


def _words(order: Order) -> str:
    return show_order(order).partition(": ")[2]
