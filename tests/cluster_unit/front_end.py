"""A front end in a thread, with stocks and orders in memory and no cluster behind it."""

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class _Server(ThreadingHTTPServer):
    request_queue_size = 64  # of connections at once; a client would wait a second for the sixth


class FakeFrontEnd:
    """Answers as a front end does; what it has may be changed under the client's eyes."""

    def __init__(self, stocks: Mapping[str, int]) -> None:
        """stocks: quantities by name."""
        self.stocks = dict(stocks)
        self.orders: list[dict[str, Any]] = []
        self.keys: dict[str, int] = {}
        self.refused: dict[str, str] = {}
        """Failures of trades to come, by stock: 404 and definite."""
        self.authorizations: list[str | None] = []
        """Of the trades that came."""
        self.broken: set[int] = set()
        """Orders that nobody can tell about: 503."""
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def get(self, target: str) -> tuple[int, Any, str]:
        """Return status, body and failure."""
        url = urlsplit(target)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/stocks":
            name = asked.get("stock_name", "")
            if name not in self.stocks:
                return 404, {"error": {"message": "Stock not found"}}, "unknown_stock"
            shown = {"stock_name": name, "price": 1.50, "trade_volume": 0}
            return 200, {**shown, "quantity": self.stocks[name]}, ""
        if url.path == "/leader":
            return 200, {"leader": 20003, "id": 3, "term": 1}, ""
        number = int(asked["order_no"])
        if number in self.broken:
            return 503, {"error": {"message": "Nobody knows."}}, "unreachable"
        if number > len(self.orders):
            return 404, {"error": {"message": "order not found"}}, "unknown_order"
        return 200, {"data": {"order_no": number, **self.orders[number - 1]}}, ""

    def post(self, key: str, trade: dict[str, Any]) -> tuple[int, Any, str]:
        """Place a trade; return status, body and failure."""
        if failure := self.refused.get(trade["stock_name"]):
            return 404, {"order_no": -1, "message": "No."}, failure
        if key not in self.keys:
            self.orders.append(trade)
            self.keys[key] = len(self.orders)
        return 200, {"order_no": self.keys[key]}, ""

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                self.answer(*fake.get(self.path))

            def do_POST(self) -> None:
                fake.authorizations.append(self.headers["Authorization"])
                trade = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.answer(*fake.post(self.headers["Idempotency-Key"], trade))

            def answer(self, status: int, body: Any, failure: str) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                if failure:
                    self.send_header("Bazaar-Failure", failure)
                    self.send_header("Bazaar-Definite", str(status != 503).lower())
                self.send_header("ETag", '"3"')
                self.send_header("Cache-Status", "bazaar; hit")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                pass

        return Handler
