"""Names are resolved anew for each connection, and a silent resolver stops nothing."""

import socket
import threading
from collections.abc import Iterator

import pytest

from bazaar.clock import wait_until
from bazaar.core.failures import Unreachable
from bazaar.protocol.connection import ClientConnection
from bazaar.protocol.resolver import ResolvedAddress, Resolver, resolve
from bazaar.protocol.transport import HttpTransport
from tests.support.servers import ScriptedServer, answer, hang
from tests.support.waits import in_thread

FIRST: ResolvedAddress = (socket.AF_INET, "192.0.2.1", 0)
SECOND: ResolvedAddress = (socket.AF_INET, "192.0.2.2", 0)
TIMEOUT_S = 10.0
SHORT_S = 0.05


class Names:
    """A name service that a test fills, fails and silences."""

    def __init__(self) -> None:
        self.answer: list[ResolvedAddress] = [FIRST]
        self.error: OSError | None = None
        self.questions = 0
        self.may_answer = threading.Event()
        self.may_answer.set()

    def look_up(self, host: str) -> list[ResolvedAddress]:
        assert host == "order.test"
        self.questions += 1
        assert self.may_answer.wait(TIMEOUT_S)
        if self.error:
            raise self.error
        return self.answer


@pytest.fixture
def names() -> Iterator[Names]:
    made = Names()
    yield made
    made.may_answer.set()


def test_a_name_that_moves_is_followed(names: Names) -> None:
    resolver = Resolver(names.look_up)
    assert resolver.resolve("order.test", TIMEOUT_S) == [FIRST]
    names.answer = [SECOND]
    assert resolver.resolve("order.test", TIMEOUT_S) == [SECOND]


def test_a_resolver_that_fails_costs_no_name_that_was_known(names: Names) -> None:
    resolver = Resolver(names.look_up)
    names.error = socket.gaierror(socket.EAI_AGAIN, "try again")
    with pytest.raises(socket.gaierror, match="try again"):
        resolver.resolve("order.test", TIMEOUT_S)
    names.error = None
    assert resolver.resolve("order.test", TIMEOUT_S) == [FIRST]
    names.error = socket.gaierror(socket.EAI_AGAIN, "try again")
    assert resolver.resolve("order.test", TIMEOUT_S) == [FIRST]


def test_a_silent_resolver_is_asked_once_and_waited_for_no_longer_than_the_call(
    names: Names,
) -> None:
    resolver = Resolver(names.look_up)
    names.may_answer.clear()
    for _ in range(3):
        with pytest.raises(TimeoutError, match=r"order\.test was not resolved"):
            resolver.resolve("order.test", SHORT_S)
    assert names.questions == 1, "no thread for each call"
    names.may_answer.set()
    assert wait_until(lambda: bool(resolver.resolve("order.test", SHORT_S)), TIMEOUT_S)
    names.may_answer.clear()
    assert resolver.resolve("order.test", SHORT_S) == [FIRST]


def test_an_address_needs_no_name_service() -> None:
    assert resolve("192.0.2.1", 0.0) == [FIRST]
    assert resolve("::1", 0.0) == [(socket.AF_INET6, "::1", 0)]


def test_each_address_of_a_name_is_tried() -> None:
    """Localhost is ::1 first on many machines, and servers listen on 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = ClientConnection(("localhost", server.getsockname()[1]), TIMEOUT_S)
        connection.send(b"GET / HTTP/1.1\r\n\r\n")
        assert connection.sock is not None
        assert connection.sock.getpeername()[0] in ("127.0.0.1", "::ffff:127.0.0.1")
        connection.close()


def test_after_a_silence_the_next_call_connects_anew() -> None:
    """The name may lead elsewhere by then: no other kept connection is tried."""
    server = ScriptedServer([hang, answer(), hang, answer()])
    client = HttpTransport(server.address, "order-2", b"s" * 32, lambda: 1.0)
    slow = in_thread(lambda: client.call("GET", "/ping", timeout_s=TIMEOUT_S))
    assert server.seen.acquire(timeout=TIMEOUT_S)
    client.call("GET", "/ping", timeout_s=TIMEOUT_S)
    server.release.set()
    assert slow.result(TIMEOUT_S).status == 200
    server.release.clear()
    with pytest.raises(Unreachable):  # on one of two kept connections
        client.call("GET", "/ping", timeout_s=SHORT_S)
    client.call("GET", "/ping", timeout_s=TIMEOUT_S)
    assert server.connections == 3
    client.close()
    server.close()
