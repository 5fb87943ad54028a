"""
A front end in a thread, with stocks and orders in memory and no cluster behind it.

It thinks in the seed's dialect, and translates what is asked and answered in the others.
"""

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

VERSION = 3
"""Of every stock, whatever happens."""
CONFLICTS = ("insufficient_quantity", "overstock")
"""Failures that are 404 but in v1."""
LISTS = ("/api/v1/stocks", "/api/v1/orders")


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
        """Failures of trades to come, by stock: 404 (401: for a token) and definite."""
        self.authorizations: list[str | None] = []
        """Of the trades that came."""
        self.dialects: set[str] = set()
        """That it was spoken to in."""
        self.pages: list[str] = []
        """Paths of the lists that were asked for a page."""
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

    def list_page(self, target: str) -> tuple[int, Any, str]:
        """Return a page of v1's lists, as `get` does; a cursor is how many were shown before."""
        url = urlsplit(target)
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        noun, begin = url.path.rpartition("/")[2], int(asked.get("cursor", 0))
        items: list[dict[str, Any]]
        if noun == "stocks":
            text = asked.get("q", "").lower()
            names = sorted(name for name in self.stocks if text in name.lower())
            items = [self.get(f"/stocks?{urlencode({'stock_name': one})}")[1] for one in names]
        else:
            chosen = {name: asked[name] for name in ("stock_name", "trade_type") if name in asked}
            items = [
                self.get(f"/orders?order_no={number}")[1]
                for number, order in reversed(list(enumerate(self.orders, start=1)))
                if chosen.items() <= order.items()
            ]
        end = begin + int(asked["limit"])
        shown = [_shape_v1(one, "", self.keys) for one in items[begin:end]]
        self.pages.append(url.path)
        return 200, {noun: shown, "next_cursor": str(end) if end < len(items) else None}, ""

    def post(self, key: str, trade: dict[str, Any]) -> tuple[int, Any, str]:
        """Place a trade; return status, body and failure."""
        if failure := self.refused.get(trade["stock_name"]):
            status = 401 if failure == "token_required" else 404
            return status, {"order_no": -1, "message": "No."}, failure
        if key not in self.keys:
            self.orders.append(trade)
            self.keys[key] = len(self.orders)
        return 200, {"order_no": self.keys[key]}, ""

    def complete(self, dialect: str, status: int, body: Any, failure: str) -> tuple[int, Any, str]:
        """Return the answer to a trade; in v1 it has the whole order."""
        if dialect == "v1" and status == 200:
            return 201, self.get(f"/orders?order_no={body['order_no']}")[1], failure
        return status, body, failure

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                dialect, target = translate_target(self.path)
                fake.dialects.add(dialect)
                look_up = fake.list_page if urlsplit(target).path in LISTS else fake.get
                self.answer(dialect, *look_up(target))

            def do_POST(self) -> None:
                fake.authorizations.append(self.headers["Authorization"])
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                dialect, trade = translate_trade(self.path, asked)
                fake.dialects.add(dialect)
                answered = fake.post(self.headers["Idempotency-Key"], trade)
                self.answer(dialect, *fake.complete(dialect, *answered))

            def answer(self, dialect: str, status: int, body: Any, failure: str) -> None:
                if dialect == "v1" and failure in CONFLICTS:
                    status = 409
                content = json.dumps(SHAPES[dialect](body, failure, fake.keys)).encode()
                self.send_response(status)
                if failure:
                    self.send_header("Bazaar-Failure", failure)
                    self.send_header("Bazaar-Definite", str(status != 503).lower())
                suffix = "" if dialect == "seed" else f"-{dialect}"
                self.send_header("ETag", f'"{VERSION}{suffix}"')
                self.send_header("Cache-Status", "bazaar; hit")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *args: object) -> None:
                pass

        return Handler


def translate_target(target: str) -> tuple[str, str]:
    """Return the dialect of a target, and what the seed's is for it."""
    if target == "/api/v1/cluster":
        return "v1", "/leader"
    if urlsplit(target).path in LISTS:
        return "v1", target
    for dialect, prefix in (("v1", "/api/v1/"), ("course", "/")):
        for noun, option in (("stocks", "stock_name"), ("orders", "order_no")):
            if target.startswith(f"{prefix}{noun}/"):
                return dialect, f"/{noun}?{option}={target.removeprefix(f'{prefix}{noun}/')}"
    return "seed", target


def translate_trade(path: str, asked: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the dialect of a trade, and its body in the seed's."""
    if path == "/api/v1/orders":
        return "v1", asked
    if "name" not in asked:
        return "seed", asked
    names = {"name": "stock_name", "type": "trade_type", "quantity": "quantity"}
    return "course", {names[name]: value for name, value in asked.items()}


def _shape_v1(body: dict[str, Any], failure: str, keys: Mapping[str, int]) -> Any:
    match body:
        case {"next_cursor": _}:
            return body
        case {"data": order}:
            (key,) = [key for key, number in keys.items() if number == order["order_no"]]
            return {**order, "idempotency_key": key, "placed_by": None}
        case {"stock_name": _}:
            return {**body, "price": str(body["price"]), "version": VERSION}
        case {"leader": port}:
            replica = {"replica_id": body["id"], "port": port, "is_alive": True}
            replicas = [{**replica, "is_leader": True, "in_sync": True}]
            return {"leader": body["id"], "term": body["term"], "replicas": replicas}
        case {"error": {"message": message}} | {"message": message}:
            return {"type": f"/problems/{failure}", "detail": message}
    raise AssertionError(body)


def _shape_course(body: dict[str, Any], failure: str, keys: Mapping[str, int]) -> Any:
    del failure, keys
    match body:
        case {"data": order}:
            number, name, trade_type = order["order_no"], order["stock_name"], order["trade_type"]
            return {
                "data": {
                    "number": number,
                    "name": name,
                    "type": trade_type,
                    "quantity": order["quantity"],
                }
            }
        case {"stock_name": name}:
            shown = {"price": body["price"], "quantity": body["quantity"]}
            return {"data": {"name": name, **shown}}
        case {"message": message}:
            return {"error": {"code": 404, "message": message}}
        case {"order_no": number}:
            return {"data": {"transaction_number": number}}
    return body


SHAPES: dict[str, Callable[[dict[str, Any], str, Mapping[str, int]], Any]] = {
    "seed": lambda body, failure, keys: body,
    "course": _shape_course,
    "v1": _shape_v1,
}
