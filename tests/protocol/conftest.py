"""A server with a script, and a transport to it."""

from collections.abc import Callable, Iterator

import pytest

from bazaar.protocol.transport import HttpTransport
from tests.support.servers import Handler, ScriptedServer

RECEIVER = "order-2"
SECRET = b"0123456789abcdef0123456789abcdef"
NOW_S = 1_800_000_000.0

Serve = Callable[..., tuple[ScriptedServer, HttpTransport]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server with a script; return it with a transport to it."""
    started: list[tuple[ScriptedServer, HttpTransport]] = []

    def start(*script: Handler) -> tuple[ScriptedServer, HttpTransport]:
        server = ScriptedServer(list(script))
        started.append((server, HttpTransport(server.address, RECEIVER, SECRET, lambda: NOW_S)))
        return started[-1]

    yield start
    for server, client in started:
        server.close()
        for connection in client._idle:
            connection.close()
