"""
What a hit costs, step by step: `python -m bench.hit_steps STOCK`, in a front end's environment.

This process becomes one more worker of that front end, at a port of its own. It takes the place of
the thread that reads: for a crowd of connections it calls by hand what that thread calls for each.
It prints the microseconds of each step as JSON.
"""

import os
import select
import socket
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from urllib.parse import urlencode

import msgspec

from bazaar import clock
from bazaar.clock import wait_until
from bazaar.core.failures import Failure
from bazaar.protocol.http1 import pack_reply
from bazaar.settings import env
from bazaar.topology import Role
from bazaar.web.listeners import open_port
from bazaar.web.request_span import id_lines
from bazaar.web.server import HttpServer
from bazaar.web.server_connection import READ_BYTES, ServerConnection
from bazaar.web.serving import make_server
from frontend_app.entries import Source

HOST = "127.0.0.1"
CROWD = 32
"""Connections; each time is that of all of them, divided."""
TURNS = 500
READY_TIMEOUT_S = 30.0
SHARED = {"DJANGO_SETTINGS_MODULE": Role.FRONT_END.settings_module, "BAZAAR_WORKERS": "2"}
"""What makes it a further worker of the front end, with a control port of its own."""


class Steps(msgspec.Struct, frozen=True):
    """Microseconds of processor time for a hit, kernel included."""

    wait: float
    """`epoll`, one call for the whole crowd."""
    receive: float
    find: float
    """The head is known by its bytes: it is not parsed."""
    environ: float
    answer: float
    """The query is read, lease and cache are asked, the answer is counted."""
    pack: float
    send: float
    whole: float
    """From the wait to the end of `send`, as the server does it."""


class Crowd:
    """Connections to a server, both ends of them."""

    def __init__(self, server: HttpServer, request: bytes) -> None:
        """Connect them; nobody else accepts at the port."""
        self._request, self._epoll = request, select.epoll()
        self._clients, self._served = list[socket.socket](), list[ServerConnection]()
        for _ in range(CROWD):
            self._clients.append(socket.create_connection((HOST, server.port)))
            sock, _ = server.listeners[0].accept()
            sock.settimeout(0)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._epoll.register(sock, select.EPOLLIN)
            self._served.append(ServerConnection(server, sock, HOST))

    @property
    def one(self) -> ServerConnection:
        """One of them."""
        return self._served[0]

    def ask(self) -> None:
        """Send a request on each connection."""
        for client in self._clients:
            client.sendall(self._request)

    def wait(self) -> None:
        """Be told of all requests."""
        assert len(self._epoll.poll(1, CROWD)) == CROWD, "everybody asks"

    def receive(self) -> None:
        """Take the requests, and do nothing about them."""
        for connection in self._served:
            connection.sock.recv(READ_BYTES)

    def send(self, answer: bytes) -> None:
        """Send each the same answer."""
        for connection in self._served:
            connection.sock.send(answer)

    def serve(self) -> None:
        """Do all that the server does."""
        self.wait()
        for connection in self._served:
            connection.on_event(select.EPOLLIN)

    def read(self) -> bytes:
        """Read all answers; return the last."""
        return [client.recv(READ_BYTES) for client in self._clients][-1]


def measure(server: HttpServer, path: str) -> Steps:
    """Measure all steps of a hit."""
    request = f"GET {path} HTTP/1.1\r\nHost: {HOST}:{server.port}\r\n\r\n".encode()
    crowd = Crowd(server, request)
    crowd.ask()
    crowd.serve()  # now the head is known
    answer, known = crowd.read(), server.find_request(request)
    assert known is not None, "it came before"
    head, admission = known.context
    environ = crowd.one.environ_of(head, known.body, clock.monotonic_s())
    found = admission.answer_now(environ)
    assert found is not None, "the stock is in memory"
    status, headers, body = found

    def pack() -> bytes:
        return pack_reply(known, status, headers, body, clock.wall_s(), id_lines(environ))

    def repeat(action: Callable[[], object]) -> None:
        for _ in range(CROWD):
            action()

    steps: Mapping[str, Callable[[], object]] = {
        "wait": crowd.wait,
        "receive": crowd.receive,
        "find": partial(repeat, partial(server.find_request, request)),
        "environ": partial(repeat, lambda: crowd.one.environ_of(head, known.body, 0.0)),
        "answer": partial(repeat, partial(admission.answer_now, environ)),
        "pack": partial(repeat, pack),
        "send": partial(crowd.send, answer),
        "whole": crowd.serve,
    }
    took: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(TURNS):
        crowd.ask()
        for name, step in steps.items():
            if name == "whole":
                crowd.read()
                crowd.ask()
            began_s = clock.thread_s()
            step()
            took[name].append((clock.thread_s() - began_s) / CROWD * 1e6)
        crowd.read()
    return Steps(**{name: statistics.median(each) for name, each in took.items()})


def run(environ: Mapping[str, str], stock: str) -> Steps:
    """Measure in a process of its own; environ: of the front end. Raises SystemExit."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.hit_steps", stock],
        env={**environ, **SHARED},
        cwd=env.ROOT,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"The steps of a hit could not be measured: {done.stderr.decode()}")
    return msgspec.json.decode(done.stdout, type=Steps)


def main(stock: str) -> None:
    """Become a worker, fill its memory, and print what a hit takes."""
    application = import_module("bazaar.wsgi").application
    services = import_module("frontend_app.services")

    def is_kept() -> bool:
        try:
            services.read_stock(stock_name=stock, is_fresh=False)
            return services.read_stock(stock_name=stock, is_fresh=False).source is Source.HIT
        except Failure:
            return False

    if not wait_until(is_kept, READY_TIMEOUT_S):
        raise SystemExit("No lease was granted.")
    server = make_server(application, [open_port(HOST, 0)])
    steps = measure(server, f"/stocks?{urlencode({'stock_name': stock})}")
    sys.stdout.buffer.write(msgspec.json.encode(steps))
    sys.stdout.flush()
    os._exit(0)  # the threads of the worker would go on


if __name__ == "__main__":
    main(sys.argv[1])
