"""Single requests to a front end, as a client makes them."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from tests.cluster.conftest import LiveCluster

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: status, headers in lower case, decoded body."""

    status: int
    headers: dict[str, str]
    body: Any


def ask(
    cluster: LiveCluster, method: str, path: str, body: Any = None, key: str | None = None
) -> Answer:
    """Send one request to the first front end."""
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if key is not None:
        headers["Idempotency-Key"] = key
    content = None if body is None else json.dumps(body)
    return ask_at(cluster.topology.front_ends[0].address, method, path, content, headers)


def ask_at(
    address: tuple[str, int],
    method: str,
    path: str,
    content: str | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Answer:
    """Send one request as it is to an address."""
    connection = http.client.HTTPConnection(*address, timeout=TIMEOUT_S)
    try:
        connection.request(method, path, content, headers)
        response = connection.getresponse()
        answered = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, answered, json.loads(response.read()))
    finally:
        connection.close()


def buy(cluster: LiveCluster, stock_name: str, quantity: int = 1, key: str | None = None) -> Answer:
    """Buy shares."""
    body = {"stock_name": stock_name, "trade_type": "buy", "quantity": quantity}
    return ask(cluster, "POST", "/orders", body, key)


def look_up(cluster: LiveCluster, order_no: int) -> Answer:
    """Look an order up."""
    return ask(cluster, "GET", "/orders?" + urlencode({"order_no": order_no}))


def query(cluster: LiveCluster, stock_name: str) -> Answer:
    """Query a stock."""
    return ask(cluster, "GET", "/stocks?" + urlencode({"stock_name": stock_name}))
