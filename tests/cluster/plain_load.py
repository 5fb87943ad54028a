"""
Clients that repeat nothing: what is not answered with 200 at once has failed.

Each keeps its connection as long as the server does, queries a stock, trades, and looks its order
up.
"""

import http.client
import json
import random
import threading
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from bazaar import clock
from bazaar.clock import wait_until
from tests.cluster.load import STOCKS

TIMEOUT_S = 30.0
PROGRESS_TIMEOUT_S = 60.0


class PlainLoad:
    """Clients that send requests for as long as a `with` block runs."""

    def __init__(
        self, urls: Sequence[str], clients: int = 8, seed: int = 0, rest_s: float = 0.0
    ) -> None:
        """
        Ask nothing yet.

        urls: of front ends; the clients share them out in turn. rest_s: of a client after each
        request.
        """
        self._rest_s = rest_s
        self.answered = 0
        """Requests that were answered with 200."""
        self.failures: list[str] = []
        """What came of all others."""
        self.longest_s = 0.0
        """The longest that an answer took."""
        self._is_ending = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(
                target=self._run, args=(urls[at % len(urls)], random.Random(seed + at)), daemon=True
            )
            for at in range(clients)
        ]

    def __enter__(self) -> "PlainLoad":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_ending.set()
        for thread in self._threads:
            thread.join(2 * TIMEOUT_S)
        assert not any(thread.is_alive() for thread in self._threads), "the load does not end"

    def await_progress(self, requests: int = 200) -> None:
        """Wait until so many more requests are answered. Raises AssertionError: they are not."""
        goal = self.answered + requests
        in_time = wait_until(lambda: self.answered >= goal, PROGRESS_TIMEOUT_S)
        assert in_time, f"requests stand still: {self.failures[-3:]}"

    def _run(self, url: str, draw: random.Random) -> None:
        address = urlsplit(url)
        connection = http.client.HTTPConnection(
            str(address.hostname), address.port, timeout=TIMEOUT_S
        )
        while not self._is_ending.is_set():
            stock_name = draw.choice(STOCKS)
            query = urlencode({"stock_name": stock_name})
            self._ask(connection, "GET", f"/stocks?{query}")
            order_no = 0
            for trade_type in ("buy", "sell"):
                trade = {"stock_name": stock_name, "trade_type": trade_type, "quantity": 1}
                placed = self._ask(connection, "POST", "/orders", trade)
                order_no = (placed or {}).get("order_no", order_no)
            if order_no:
                self._ask(connection, "GET", f"/orders?order_no={order_no}")
        connection.close()

    def _ask(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: Any = None
    ) -> Any:
        """Send one request, once, and count it."""
        began_s = clock.monotonic_s()
        content = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        found, failure = None, ""
        try:
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status == http.HTTPStatus.OK:
                found = json.loads(text)
            else:
                failure = f"{answer.status} {text[:200]!r}"
        except (OSError, http.client.HTTPException) as error:
            failure = repr(error)
            connection.close()
        took_s = clock.monotonic_s() - began_s
        with self._lock:
            self.longest_s = max(self.longest_s, took_s)
            if failure:
                self.failures.append(f"{method} {path} after {took_s:.2f} s: {failure}")
            else:
                self.answered += 1
        self._is_ending.wait(self._rest_s)
        return found
