"""Other people's programs across crashes: the course's dialect, and v1."""

import threading
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
import requests

from bazaar.clock import wait_until
from tests.cluster.conftest import LiveCluster
from tests.cluster.course_client import TIMEOUT_S, CourseClient
from tests.cluster.proof import assert_proof, ledger_keys

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]
PROGRESS_S = 30.0
ORDERS = "/api/v1/orders"


def test_a_client_of_the_course_runs_unchanged_across_a_killed_leader(cluster: LiveCluster) -> None:
    """I1, I2, I3: all its orders are there, as it placed them, and no answer is an error."""
    clients = [CourseClient(cluster.base_url, 0.8, seed) for seed in range(3)]
    threads = [threading.Thread(target=client.run) for client in clients]

    def await_orders(count: int) -> None:
        counts = [len(client.orders) + count for client in clients]
        assert wait_until(
            lambda: all(
                len(one.orders) >= least for one, least in zip(clients, counts, strict=True)
            ),
            PROGRESS_S,
        ), [client.errors for client in clients]

    with ExitStack() as stack:
        for thread in threads:
            thread.start()
            stack.callback(thread.join, TIMEOUT_S)
        for client in clients:
            stack.callback(client.stop)
        await_orders(5)
        cluster.kill(cluster.leader())
        await_orders(20)
    assert not any(thread.is_alive() for thread in threads)
    assert [client.errors for client in clients] == [[], [], []]
    numbers = [number for client in clients for number in client.orders]
    assert len(set(numbers)) == len(numbers), "no order is anybody else's"
    assert_proof(cluster)


def place(url: str, key: str) -> requests.Response:
    body = {"stock_name": "BoarCo", "trade_type": "buy", "quantity": 1}
    headers = {"Idempotency-Key": f'"{key}"'}
    return requests.post(url + ORDERS, json=body, headers=headers, timeout=TIMEOUT_S)


def test_a_trade_of_v1_is_repeated_at_another_front_end_after_its_leader_died(
    cluster: LiveCluster,
) -> None:
    """I2: the same order, and it says that it was there."""
    first_url, other_url = cluster.url("frontend-1"), cluster.url("frontend-2")
    key = str(uuid4())
    first = place(first_url, key)
    assert (first.status_code, first.headers.get("Idempotency-Replayed")) == (201, None)
    cluster.kill(cluster.leader())
    again = place(other_url, key)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["Location"] == first.headers["Location"]
    third = place(other_url, key)
    assert third.headers["Idempotency-Replayed"] == "true"
    shown: Any = requests.get(other_url + first.headers["Location"], timeout=TIMEOUT_S)
    assert shown.content == first.content
    listed = requests.get(f"{other_url}{ORDERS}?limit=1", timeout=TIMEOUT_S).json()
    assert listed["orders"] == [first.json()]
    assert str(shown.json()["idempotency_key"]) in {str(one) for one in ledger_keys(cluster)}


def test_the_list_and_the_cluster_follow_a_killed_leader(cluster: LiveCluster) -> None:
    """I3: an order that one front end acknowledged is in the list of another one."""
    url, other_url = cluster.url("frontend-1"), cluster.url("frontend-2")
    for _ in range(3):
        order = place(url, str(uuid4())).json()
        listed = requests.get(f"{other_url}{ORDERS}", timeout=TIMEOUT_S).json()["orders"]
        assert listed[0] == order
    victim = cluster.leader()
    cluster.kill(victim)
    order = place(url, str(uuid4())).json()
    assert requests.get(f"{other_url}{ORDERS}", timeout=TIMEOUT_S).json()["orders"][0] == order

    def is_known() -> bool:
        shown = requests.get(f"{url}/api/v1/cluster", timeout=TIMEOUT_S).json()
        dead = [one for one in shown["replicas"] if not one["is_alive"]]
        return f"order-{shown['leader']}" != victim and len(dead) == 1

    assert wait_until(is_known, PROGRESS_S)


def test_stocks_are_found_over_the_real_server(cluster: LiveCluster) -> None:
    url = cluster.base_url
    for dialect in ("/stocks/", "/api/v1/stocks/"):
        reply = requests.get(url + dialect + quote("No/Such Co. 50%", safe=""), timeout=TIMEOUT_S)
        assert reply.status_code == 404
        tag = requests.get(f"{url}{dialect}BoarCo", timeout=TIMEOUT_S).headers["ETag"]
        known = requests.get(
            f"{url}{dialect}BoarCo", headers={"If-None-Match": tag}, timeout=TIMEOUT_S
        )
        assert (known.status_code, known.content) == (304, b"")
