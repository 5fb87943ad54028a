"""A member's way to the active one of several catalogs (I9, docs/adr/0048)."""

import json
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from bazaar.core.election import Leadership
from bazaar.core.failures import NotActive, Unconfirmed, Unreachable
from bazaar.core.types import CatalogId, Epoch, ReplicaId, Term
from bazaar.protocol.catalog_route import CatalogLink
from bazaar.protocol.clients import CatalogClient
from bazaar.topology import Node, Topology
from tests.support.servers import Handler, ScriptedServer, answer, hang, reset_and_die
from tests.support.waits import WAIT_S, in_thread, wait_until

SECRET = b"0123456789abcdef0123456789abcdef"
HOLDER = UUID(int=1)
LEADERSHIP = b'{"term": 1, "leader": 2}'
FOUND = b'{"stocks": [{"stock": null, "may_keep": false}], "epoch": 4}'
NODE = Node(port=1, control_port=2)
Serve = Callable[..., tuple[CatalogLink, list[ScriptedServer]]]


def active(epoch: int, body: bytes = LEADERSHIP) -> Handler:
    return answer(body, f"Bazaar-Epoch: {epoch}\r\n")


def standby(epoch: int, whose: int | None) -> Handler:
    told = f"Bazaar-Failure: not_active\r\nBazaar-Epoch: {epoch}\r\n"
    if whose is not None:
        told += f"Bazaar-Active: {whose}\r\n"
    return answer(b'{"error": {"message": "no"}}', told, "503 Service Unavailable")


def pong(epoch: int, *, is_active: bool) -> Handler:
    body = {"epoch": epoch, "is_active": is_active, "is_proven": True}
    return answer(json.dumps(body).encode())


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start catalogs with a script each; return a link to them."""
    servers: list[ScriptedServer] = []

    def start(*scripts: list[Handler]) -> tuple[CatalogLink, list[ScriptedServer]]:
        servers.extend(ScriptedServer(script) for script in scripts)
        nodes = tuple(
            Node(id=at, port=one.address[1], control_port=one.address[1])
            for at, one in enumerate(servers, 1)
        )
        topology = Topology(catalogs=nodes, dashboard=NODE, front_ends=(NODE,), replicas=(NODE,))
        links.append(CatalogLink(topology, SECRET))
        return links[-1], servers

    links: list[CatalogLink] = []
    yield start
    for link in links:
        for transport in link._transports:
            transport.close()
    for one in servers:
        one.close()


def read(client: CatalogClient) -> tuple[int, int]:
    """Read over a call that was begun; return the epoch, and how many stocks were found."""
    call = client.begin_read(HOLDER, {"3M": False})
    assert call is not None, "there is a kept connection"
    found = call.finish(1e9)
    return found.epoch, len(found.stocks)


def test_one_that_is_not_active_leads_to_the_one_that_is(serve: Serve) -> None:
    link, (_, second, third) = serve([standby(3, 3)], [], [active(3), active(3)])
    client = link.connect(WAIT_S)
    assert client.get_leadership() == Leadership(Term(1), ReplicaId(2))
    assert client.get_leadership().term == 1
    assert (second.requests, len(third.requests)) == ([], 2)


def test_all_clients_of_a_process_follow_the_same_one(serve: Serve) -> None:
    link, (first, second) = serve([standby(3, 2)], [active(3), active(3)])
    assert link.connect(WAIT_S).get_leadership().term == 1
    assert link.connect(WAIT_S).get_leadership().term == 1
    assert (len(first.requests), len(second.requests)) == (1, 2)


def test_one_that_refuses_connections_is_passed_over(serve: Serve) -> None:
    link, (first, _) = serve([], [active(2)])
    first.stop_listening()
    assert link.connect(WAIT_S).get_leadership().term == 1


def test_what_may_have_happened_is_not_asked_again_unasked(serve: Serve) -> None:
    """I9: whoever asked repeats it with its key; then the next one is asked."""
    link, (_, second) = serve([reset_and_die], [active(2)])
    client = link.connect(WAIT_S)
    with pytest.raises(Unreachable) as caught:
        client.get_leadership()
    assert caught.value.was_sent
    assert second.requests == []
    assert client.get_leadership().term == 1


def test_an_answer_of_an_older_epoch_does_not_count(serve: Serve) -> None:
    """I5, I9: it may be of a catalog that slept."""
    link, _ = serve([active(4), active(3), active(4)])
    client = link.connect(WAIT_S)
    client.get_leadership()
    with pytest.raises(Unreachable, match="epoch 3, which is over"):
        client.get_leadership()
    client.get_leadership()


def test_one_that_says_no_epoch_is_none_of_several(serve: Serve) -> None:
    link, _ = serve([active(1), answer(LEADERSHIP), active(1)])
    client = link.connect(WAIT_S)
    client.get_leadership()
    with pytest.raises(Unreachable, match="which is over"):
        client.get_leadership()


def test_a_single_catalog_needs_no_epoch(serve: Serve) -> None:
    link, _ = serve([answer(LEADERSHIP)])
    assert link.connect(WAIT_S).get_leadership().term == 1


def test_without_an_active_one_nobody_is_asked_twice_for_long(serve: Serve) -> None:
    """I10."""
    link, servers = serve([standby(1, None)] * 2, [standby(1, None)] * 2)
    with pytest.raises(Unreachable, match="No catalog is active") as caught:
        link.connect(WAIT_S).get_leadership()
    assert not caught.value.was_sent
    assert sum(len(one.requests) for one in servers) == 3


def test_a_read_that_was_begun_counts_its_epoch_and_turns_away(serve: Serve) -> None:
    link, _ = serve([active(4), active(4, FOUND), standby(5, 2)], [active(5), active(5, FOUND)])
    client = link.connect(WAIT_S)
    client.served = client.control  # where there is a kept connection
    client.get_leadership()
    assert read(client) == (4, 1)
    with pytest.raises(NotActive):
        read(client)
    assert client.get_leadership().term == 1
    assert read(client) == (4, 1)


def test_a_notice_is_believed_once_its_catalog_says_so(serve: Serve) -> None:
    link, (first, second) = serve([hang], [pong(2, is_active=True), active(2), active(2)])
    client = link.connect(WAIT_S)
    asking = in_thread(client.get_leadership)
    assert first.seen.acquire(timeout=WAIT_S)
    link.hear(Epoch(2), CatalogId(2))
    assert asking.result(WAIT_S).term == 1  # it waits for the older one no more
    assert client.get_leadership().term == 1
    assert len(second.requests) == 3
    with pytest.raises(NotActive):
        link.hear(Epoch(1), CatalogId(1))


def test_an_answer_of_a_newer_epoch_ends_the_calls_to_an_older_catalog(serve: Serve) -> None:
    """I10: a notice may be lost on the way, and an older active may be paused."""
    link, (first, second) = serve([active(1), hang, reset_and_die], [active(2), active(2)])
    client = link.connect(WAIT_S)
    client.get_leadership()
    asking = in_thread(client.get_leadership)
    wait_until(lambda: len(first.requests) == 2)
    with pytest.raises(Unreachable):
        link.connect(WAIT_S).get_leadership()  # a probe, which turns to the next one
    assert link.connect(WAIT_S).get_leadership().term == 1
    assert asking.result(WAIT_S).term == 1
    assert len(second.requests) == 2


@pytest.mark.parametrize("ping", [pong(2, is_active=False), pong(3, is_active=True)])
def test_a_notice_that_its_catalog_does_not_confirm_changes_nothing(
    serve: Serve, ping: Handler
) -> None:
    link, _ = serve([active(1)], [ping])
    with pytest.raises(Unconfirmed):
        link.hear(Epoch(2), CatalogId(2))
    assert link.connect(WAIT_S).get_leadership().term == 1


def test_a_notice_of_an_unknown_catalog_is_not_believed(serve: Serve) -> None:
    link, _ = serve([])
    with pytest.raises(Unconfirmed):
        link.hear(Epoch(1), CatalogId(9))
