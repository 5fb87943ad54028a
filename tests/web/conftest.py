"""Servers that end with the test, and connections to them."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from wsgiref.validate import validator

import pytest

from bazaar.web.dispatch import Admission, Application, LaneLimits, PlainService
from bazaar.web.endpoint import Lane
from bazaar.web.listeners import open_port
from bazaar.web.server import HttpServer
from bazaar.web.server_limits import ServerLimits
from tests.support.callers import BODY_BYTES_MAX, HOST, Caller, Connect, Listen, echo
from tests.support.waits import WAIT_S, in_thread

LIMITS = ServerLimits(connections_max=50, idle_s=WAIT_S, grace_s=0.1)
LANES = {Lane.LOCAL: LaneLimits(30, 30)}


@pytest.fixture
def ending() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def prepare(ending: ExitStack) -> Listen:
    """Open a server that nobody runs yet: who calls it has to wait."""

    def open_(
        application: Application | None = None,
        host: str = HOST,
        *,
        body_bytes_max: int = BODY_BYTES_MAX,
        lanes: dict[Lane, LaneLimits] | None = None,
        service: Any = None,
        **limits: Any,
    ) -> HttpServer:
        admission = Admission(body_bytes_max=body_bytes_max)
        served = service or PlainService(application or validator(echo), admission)
        usual = dataclasses.replace(LIMITS, **limits)
        server = HttpServer(served, [open_port(host, 0)], usual, lanes or LANES)
        ending.callback(server.close)
        return server

    return open_


@pytest.fixture
def start(ending: ExitStack) -> Callable[[HttpServer], None]:
    """Run a server until the test is over."""

    def serve(server: HttpServer) -> None:
        ended = in_thread(server.run)
        ending.callback(ended.result, WAIT_S)
        ending.callback(server.stop)

    return serve


@pytest.fixture
def listen(prepare: Listen, start: Callable[[HttpServer], None]) -> Listen:
    """Open a server that runs until the test is over."""

    def open_(*told: Any, **limits: Any) -> HttpServer:
        server = prepare(*told, **limits)
        start(server)
        return server

    return open_


@pytest.fixture
def connect(ending: ExitStack) -> Connect:
    """Connect to a server until the test is over."""

    def open_(server: HttpServer) -> Caller:
        caller = Caller((str(server.environ["SERVER_NAME"]), server.port))
        ending.callback(caller.close)
        return caller

    return open_
