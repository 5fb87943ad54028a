"""The front end of the baseline: a dict as cache, under a lock."""

import threading
import time
from typing import Any

import requests
from flask import Flask, request
from flask.typing import ResponseReturnValue

from bench.flask_baseline import places

PING_S = 0.1


def create_app() -> Flask:
    """Return the application; a leader is chosen when it first needs one."""
    app = Flask(__name__)
    lock = threading.Lock()
    cache: dict[str, Any] = {}
    chosen: list[int] = []

    def leader_url() -> str:
        with lock:
            if not chosen:
                chosen.append(choose_leader())
        return places.ORDERS[chosen[0]]

    @app.get("/stocks")
    def query() -> ResponseReturnValue:
        name = request.args["stock_name"]
        is_cached = request.headers.get("Cache-Control") != "no-cache"
        with lock:
            stock = cache.get(name) if is_cached else None
        if stock is None:
            answer = places.get(f"{places.CATALOG}/query", stock_name=name)
            if not answer.ok:
                return answer.json(), answer.status_code
            stock = answer.json()["data"]
            with lock:
                cache[name] = stock
        return dict(stock)

    @app.get("/rm")
    def forget() -> ResponseReturnValue:
        name = request.args["stock_name"]
        with lock:
            if cache.pop(name, None) is None:
                return {"message": "this stock isn't exist in cache"}
        return {"stock_name": name, "message": "removed successfully"}

    @app.post("/orders")
    def trade() -> ResponseReturnValue:
        answer = places.post(f"{leader_url()}/trade", request.get_json())
        return answer.json(), answer.status_code

    @app.get("/orders")
    def look_up() -> ResponseReturnValue:
        answer = places.get(f"{leader_url()}/query", order_no=request.args["order_no"])
        return answer.json(), answer.status_code

    return app


def choose_leader() -> int:
    """Return the live replica with the largest id, and tell all of them."""
    while not (live := [one for one in places.ORDERS if _is_alive(places.ORDERS[one])]):
        time.sleep(PING_S)
    for one in live:
        places.post(f"{places.ORDERS[one]}/leader", {"id": max(live)})
    return max(live)


def _is_alive(url: str) -> bool:
    try:
        return places.get(f"{url}/ping").ok
    except requests.ConnectionError:
        return False
