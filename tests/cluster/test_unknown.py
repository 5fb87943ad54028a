"""Floods of names and order numbers that do not exist cost the others nothing."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from threading import Event
from urllib.parse import quote

import pytest

from bazaar.clock import monotonic_s, wait_until
from bazaar.protocol.clients import CatalogClient, FrontEndClient, ReplicaClient
from bazaar.protocol.statuses import Status
from tests.cluster.conftest import LiveCluster
from tests.cluster.requests import buy

pytestmark = pytest.mark.cluster

WAIT_S = 20.0
FLOODERS = 8
FRESH_ROUNDS = 20
CLIENTS, LOOK_UPS = 32, 1000
FAR = 10**6
NO_HEADERS: Mapping[str, str] = {}
FRESH = {"Cache-Control": "no-cache"}


def count(status: Status, name: str) -> int:
    """Return how many requests of a kind a process has answered."""
    return sum(one.count for one in status.operations if one.name == name)


def flood(address: tuple[str, int], number: int, is_over: Event) -> set[int]:
    """Ask for names that do not exist until it is over; return the statuses."""
    statuses = set()
    with closing(HTTPConnection(*address, timeout=WAIT_S)) as connection:
        while not is_over.is_set():
            path = f"/stocks?stock_name=No{number}Co{monotonic_s()}"
            connection.request("GET", path, headers=FRESH if number % 2 else {})
            answer = connection.getresponse()
            answer.read()
            statuses.add(answer.status)
    return statuses


def read(address: tuple[str, int], name: str, headers: Mapping[str, str] = NO_HEADERS) -> int:
    """Query a stock; return the status."""
    with closing(HTTPConnection(*address, timeout=WAIT_S)) as connection:
        connection.request("GET", f"/stocks?stock_name={quote(name)}", headers=headers)
        return connection.getresponse().status


@pytest.fixture
def catalog(cluster: LiveCluster) -> Iterator[CatalogClient]:
    with closing(CatalogClient.at(cluster.topology.catalog, cluster.secret, WAIT_S)) as client:
        yield client


@pytest.fixture
def front_end(cluster: LiveCluster) -> Iterator[FrontEndClient]:
    node = cluster.topology.front_ends[0]
    with closing(FrontEndClient.at(node, cluster.secret, WAIT_S)) as client:
        yield client


@pytest.fixture
def replicas(cluster: LiveCluster) -> Iterator[list[ReplicaClient]]:
    with ExitStack() as stack:
        nodes = cluster.topology.replicas
        clients = (ReplicaClient.at(node, cluster.secret, WAIT_S) for node in nodes)
        yield [stack.enter_context(closing(client)) for client in clients]


def test_listed_stocks_are_read_while_unknown_names_flood(
    cluster: LiveCluster, catalog: CatalogClient, front_end: FrontEndClient
) -> None:
    """None of the unknown names reaches the catalog, and no listed one is refused."""
    node = cluster.topology.front_ends[0]
    names = [stock.name for stock in catalog.listing(0, 100).stocks]
    assert wait_until(lambda: front_end.status().listed_count == len(names), WAIT_S)
    for name in names:
        front_end.remove(name)
    before, is_over = catalog.status().stock_reads, Event()

    with ThreadPoolExecutor(FLOODERS) as pool:
        floods = [pool.submit(flood, node.address, number, is_over) for number in range(FLOODERS)]
        try:
            missed = [read(node.address, name) for name in names]
            fresh = [read(node.address, name, FRESH) for _ in range(FRESH_ROUNDS) for name in names]
        finally:
            is_over.set()
    assert set(missed) == set(fresh) == {200}
    assert [one.result() for one in floods] == [{404}] * FLOODERS
    assert catalog.status().stock_reads - before == len(missed) + len(fresh)


def test_numbers_beyond_the_newest_cost_few_questions(
    cluster: LiveCluster, catalog: CatalogClient, replicas: list[ReplicaClient]
) -> None:
    asked = [count(one.status(), "GET /order") for one in replicas]
    before = catalog.status()

    def look_up_many(client: int) -> list[int]:
        connection = HTTPConnection(*cluster.topology.front_ends[0].address, timeout=WAIT_S)
        statuses = []
        for number in range(client, LOOK_UPS, CLIENTS):
            connection.request("GET", f"/orders?order_no={FAR + number}")
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
        connection.close()
        return statuses

    with ThreadPoolExecutor(CLIENTS) as pool:
        statuses = [one for many in pool.map(look_up_many, range(CLIENTS)) for one in many]
    after = catalog.status()
    assert statuses == [404] * LOOK_UPS
    assert count(after, "GET /last") - count(before, "GET /last") < LOOK_UPS / 4
    assert count(after, "GET /ledger") == count(before, "GET /ledger")
    assert [count(one.status(), "GET /order") for one in replicas] == asked


def test_an_order_that_another_front_end_has_placed_is_found_at_once(cluster: LiveCluster) -> None:
    """I3: no front end calls an acknowledged order unknown, whatever it has heard of."""
    address = cluster.topology.front_ends[1].address
    connection = HTTPConnection(*address, timeout=WAIT_S)
    for _ in range(50):
        order_no = buy(cluster, "BoarCo").body["order_no"]
        connection.request("GET", f"/orders?order_no={order_no}")
        answer = connection.getresponse()
        assert (answer.status, bool(answer.read())) == (200, True)
    connection.close()
