"""An order replica of the baseline: a list under a lock, and a text file."""

import csv
import threading
from typing import Any

from flask import Flask, request
from flask.typing import ResponseReturnValue

from bench.flask_baseline import places

FIELDS = ("order_no", "stock_name", "trade_type", "quantity")


class Log:
    """The orders of one replica."""

    def __init__(self, replica_id: int) -> None:
        self.leader = 0
        self._path = places.FOLDER / f"orders-{replica_id}.csv"
        self._lock = threading.Lock()
        self._orders: list[dict[str, Any]] = []

    def number(self, wish: dict[str, Any]) -> dict[str, Any]:
        """Keep a trade under the next number and return the order."""
        with self._lock:
            order = {**wish, "order_no": len(self._orders) + 1}
            self._append(order)
        return order

    def keep(self, order: dict[str, Any]) -> None:
        """Keep an order of the leader."""
        with self._lock:
            self._append(order)

    def find(self, number: int) -> dict[str, Any] | None:
        """Return one order."""
        with self._lock:
            return self._orders[number - 1] if 1 <= number <= len(self._orders) else None

    def _append(self, order: dict[str, Any]) -> None:
        self._orders.append(order)
        with self._path.open("a", newline="") as file:
            csv.writer(file).writerow([order[name] for name in FIELDS])


def trade(log: Log, wish: dict[str, Any]) -> ResponseReturnValue:
    """Trade at the catalog, keep the order, and hand it to each follower."""
    told = {"stock_name": wish["stock_name"], "type": wish["trade_type"]}
    answer = places.post(f"{places.CATALOG}/trade", {**told, "quantity": wish["quantity"]})
    if not answer.ok:
        return {"order_no": -1, **answer.json()}, 404
    order = log.number(wish)
    for other, url in places.ORDERS.items():
        if other != log.leader:
            places.post(f"{url}/sync", order)
    return {"order_no": order["order_no"]}


def create_app(replica_id: int) -> Flask:
    """Return the application, with an empty log."""
    app = Flask(__name__)
    log = Log(replica_id)

    @app.get("/ping")
    def ping() -> ResponseReturnValue:
        return {"alive order server": replica_id}

    @app.post("/leader")
    def hear_of_leader() -> ResponseReturnValue:
        log.leader = request.get_json()["id"]
        return {"message": "leader noted"}

    @app.post("/trade")
    def take_trade() -> ResponseReturnValue:
        return trade(log, request.get_json())

    @app.post("/sync")
    def sync() -> ResponseReturnValue:
        log.keep(request.get_json())
        return {"message": "order noted"}

    @app.get("/query")
    def query() -> ResponseReturnValue:
        order = log.find(int(request.args["order_no"]))
        if order is None:
            return {"error": {"code": 404, "message": "order not found"}}, 404
        return {"data": order}

    return app
