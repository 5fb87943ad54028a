"""Listeners that end with the test, and connections to them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any
from wsgiref.validate import validator

import pytest

from bazaar.web.server import Application, Listener
from tests.support.callers import BODY_BYTES_MAX, HOST, Caller, Connect, Listen, echo
from tests.support.waits import WAIT_S, in_thread

POLL_S = 0.005
"""How soon a listener sees that its test is over."""


@pytest.fixture
def ending() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def prepare(ending: ExitStack) -> Listen:
    """Open a listener that nobody serves yet: who calls it has to wait."""

    def open_(application: Application | None = None, host: str = HOST, **limits: Any) -> Listener:
        usual = {"connections_max": 50, "body_bytes_max": BODY_BYTES_MAX, "idle_s": WAIT_S}
        server = Listener(application or validator(echo), (host, 0), **{**usual, **limits})
        ending.callback(server.server_close)
        return server

    return open_


@pytest.fixture
def start(ending: ExitStack) -> Callable[[Listener], None]:
    """Serve a listener until the test is over."""

    def serve(server: Listener) -> None:
        ended = in_thread(partial(server.serve_forever, POLL_S))
        ending.callback(ended.result, WAIT_S)
        ending.callback(server.shutdown)

    return serve


@pytest.fixture
def listen(prepare: Listen, start: Callable[[Listener], None]) -> Listen:
    """Open a listener that is served until the test is over."""

    def open_(*told: Any, **limits: Any) -> Listener:
        server = prepare(*told, **limits)
        start(server)
        return server

    return open_


@pytest.fixture
def connect(ending: ExitStack) -> Connect:
    """Connect to a listener until the test is over."""

    def open_(server: Listener) -> Caller:
        caller = Caller((str(server.server_address[0]), server.port))
        ending.callback(caller.close)
        return caller

    return open_
