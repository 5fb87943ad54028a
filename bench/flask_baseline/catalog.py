"""The catalog of the baseline: stocks in a dict and in a CSV file."""

import csv
import json
import threading
from typing import Any

from flask import Flask, request
from flask.typing import ResponseReturnValue

from bench.flask_baseline import places

COLUMNS = ("stock_name", "price", "trade_volume", "quantity")


def create_app() -> Flask:
    """Return the application with the stocks of its file."""
    app = Flask(__name__)
    path = places.FOLDER / "stocks.csv"
    lock = threading.Lock()
    with path.open(newline="") as file:
        rows = map(_read, csv.DictReader(file))
        stocks: dict[str, dict[str, Any]] = {row["stock_name"]: row for row in rows}

    @app.get("/query")
    def query() -> ResponseReturnValue:
        with lock:
            stock = stocks.get(request.args["stock_name"])
            if stock is None:
                return {"error": {"code": 404, "message": "Stock not found"}}, 404
            return {"data": dict(stock)}

    @app.post("/trade")
    def trade() -> ResponseReturnValue:
        wish = request.get_json()
        change = wish["quantity"] if wish["type"] == "sell" else -wish["quantity"]
        with lock:
            stock = stocks.get(wish["stock_name"])
            if stock is None:
                return {"message": "Stock not found!"}, 404
            if stock["quantity"] + change < 0:
                return {"message": "Trade failed!"}, 404
            stock["quantity"] += change
            stock["trade_volume"] += wish["quantity"]
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(stocks.values())
        places.get(f"{places.FRONT_END}/rm", stock_name=wish["stock_name"])
        return {"message": "order had been trade successfully!"}

    return app


def _read(row: dict[str, str]) -> dict[str, Any]:
    numbers = {name: json.loads(row[name]) for name in COLUMNS[1:]}
    return {"stock_name": row["stock_name"], **numbers}
