"""A thousand readers that miss the same stock at once cause one catalog request."""

from contextlib import ExitStack
from http.client import HTTPConnection, HTTPResponse

import pytest

from bazaar.protocol.clients import CatalogClient
from tests.cluster.conftest import LiveCluster
from tests.cluster.requests import buy

pytestmark = pytest.mark.cluster

READERS = 1000
WAIT_S = 20.0
STOCK = "BoarCo"


def stock_reads(cluster: LiveCluster) -> int:
    """Return how many stock queries the catalog has answered."""
    node = cluster.topology.catalog
    client = CatalogClient.at(node, cluster.secret, WAIT_S)
    try:
        return client.status().stock_reads
    finally:
        client.control.close()  # type: ignore[attr-defined]


def test_a_thousand_readers_of_one_miss_cause_one_catalog_request(cluster: LiveCluster) -> None:
    address = cluster.topology.front_ends[0].address
    assert buy(cluster, STOCK).status == 200, "so that no memory has it"
    before = stock_reads(cluster)
    with ExitStack() as stack:
        readers = [HTTPConnection(*address, timeout=WAIT_S) for _ in range(READERS)]
        for reader in readers:
            stack.callback(reader.close)
            reader.connect()
        cluster.pause("catalog")  # the first of them waits, so the others come while it does
        stack.callback(cluster.resume, "catalog")
        for reader in readers:
            reader.request("GET", f"/stocks?stock_name={STOCK}")
        cluster.resume("catalog")
        replies = [reader.getresponse() for reader in readers]
        bodies = {reply.read() for reply in replies}
    assert stock_reads(cluster) - before == 1
    assert {reply.status for reply in replies} == {200}
    assert len(bodies) == 1
    sources = [source_of(reply) for reply in replies]
    assert sources.count("fwd=miss; stored") == 1
    assert sources.count("fwd=miss; collapsed") >= 1
    assert set(sources) <= {"fwd=miss; stored", "fwd=miss; collapsed", "hit"}


def source_of(reply: HTTPResponse) -> str:
    """Return where an answer came from."""
    return reply.headers["Cache-Status"].removeprefix("bazaar; ")
