"""Clients that trade without pause, and remember every answer: what the proofs compare with."""

import http.client
import json
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """One trade and what became of it; times on this machine's monotonic clock."""

    key: UUID
    stock_name: str
    trade_type: str
    quantity: int
    sent_s: float
    done_s: float
    status: int
    order_no: int
    message: str = ""


@dataclass(slots=True)
class Trader:
    """One client on one kept connection."""

    port: int
    stocks: Sequence[str]
    seed: int
    answers: list[Answer] = field(default_factory=list)
    _connection: http.client.HTTPConnection | None = None

    def trade(self, stop: threading.Event) -> None:
        """Trade until told to stop."""
        chance = random.Random(self.seed)
        while not stop.is_set():
            key = UUID(int=chance.getrandbits(128), version=4)
            trade_type = chance.choice(("buy", "sell"))
            self.place(key, chance.choice(self.stocks), trade_type, chance.randint(1, 3))
        self.close()

    def close(self) -> None:
        """End the connection; the next trade opens another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def place(self, key: UUID, stock_name: str, trade_type: str, quantity: int) -> Answer:
        """Send one trade and keep its answer; a dead connection is an answer of status 0."""
        sent_s = time.monotonic()
        body = {"stock_name": stock_name, "trade_type": trade_type, "quantity": quantity}
        try:
            status, content = self._post(json.dumps(body), {"Idempotency-Key": str(key)})
            told = json.loads(content)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            status, told = 0, {"message": repr(error)}
        answer = Answer(
            key,
            stock_name,
            trade_type,
            quantity,
            sent_s,
            time.monotonic(),
            status,
            told.get("order_no", -1),
            told.get("message", ""),
        )
        self.answers.append(answer)
        return answer

    def _post(self, body: str, headers: dict[str, str]) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_S)
        headers = {"Content-Type": "application/json", **headers}
        self._connection.request("POST", "/orders", body, headers)
        response = self._connection.getresponse()
        return response.status, response.read()


class Market:
    """Many traders at once, for as long as a `with` block runs."""

    def __init__(self, port: int, stocks: Sequence[str], clients: int, seed: int = 1) -> None:
        """port: the front end's."""
        self.traders = [Trader(port, stocks, seed * 1000 + n) for n in range(clients)]
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=trader.trade, args=(self._stop,), daemon=True)
            for trader in self.traders
        ]

    def __enter__(self) -> "Market":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(TIMEOUT_S)
            assert not thread.is_alive(), "a trader hangs"

    @property
    def answers(self) -> list[Answer]:
        """Every answer so far, in the order they came."""
        found = [answer for trader in self.traders for answer in tuple(trader.answers)]
        return sorted(found, key=lambda answer: answer.done_s)

    @property
    def acknowledged(self) -> list[Answer]:
        """The orders that were placed."""
        return [answer for answer in self.answers if answer.status == 200]

    @property
    def errors(self) -> list[Answer]:
        """The answers that were neither an order nor an honest refusal."""
        return [answer for answer in self.answers if answer.status not in (200, 404)]

    def next_acknowledged_after(self, moment_s: float) -> float | None:
        """Return how long after a moment the next trade was acknowledged, in seconds."""
        later = [a.done_s for a in self.acknowledged if a.done_s > moment_s]
        return min(later) - moment_s if later else None
