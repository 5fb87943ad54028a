"""A client as it is written for the course lab: it knows paths and fields of that lab only."""

import random
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import requests

NAMES = ("GameStart", "BoarCo", "RottenFishCo", "MenhirCo", "CaesarTech")
TIMEOUT_S = 30.0


@dataclass(slots=True)
class CourseClient:
    """Looks stocks up over one connection, trades some, and checks its orders at the end."""

    url: str
    probability: float
    """That a trade follows a look-up."""
    seed: int
    orders: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Its trades by their transaction numbers."""
    errors: list[str] = field(default_factory=list)
    is_over: bool = False

    def stop(self) -> None:
        """Let it check its orders and end."""
        self.is_over = True

    def run(self) -> None:
        """Trade until it is over; then ask for every order."""
        rng = random.Random(self.seed)
        with requests.Session() as session:
            while not self.is_over:
                self._look_and_trade(session, rng)
            for number, trade in self.orders.items():
                reply = session.get(f"{self.url}/orders/{number}", timeout=TIMEOUT_S)
                if reply.json() != {"data": {"number": number, **trade}}:
                    self.errors.append(f"order {number}: {reply.text}")

    def _look_and_trade(self, session: requests.Session, rng: random.Random) -> None:
        name = rng.choice(NAMES)
        reply = session.get(f"{self.url}/stocks/{quote(name)}", timeout=TIMEOUT_S)
        shown = reply.json()
        if "data" not in shown or set(shown["data"]) != {"name", "price", "quantity"}:
            self.errors.append(f"stock {name}: {reply.text}")
        elif shown["data"]["quantity"] > 0 and rng.random() < self.probability:
            trade = {"name": name, "quantity": 1, "type": rng.choice(("buy", "sell"))}
            self._trade(session, trade)

    def _trade(self, session: requests.Session, trade: dict[str, Any]) -> None:
        reply = session.post(f"{self.url}/orders", json=trade, timeout=TIMEOUT_S)
        shown = reply.json()
        if "data" in shown:
            self.orders[shown["data"]["transaction_number"]] = trade
        elif set(shown["error"]) != {"code", "message"} or shown["error"]["code"] != 404:
            self.errors.append(f"trade {trade}: {reply.text}")
