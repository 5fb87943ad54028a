"""
Connections of a load process: requests out, answers in, with exact times.

Times are taken at the socket. In one turn of the event loop everything that has arrived is taken
down with its time first; only then are answers parsed, and what follows from them is sent in the
end. So the parsing of one answer does not lengthen the time of another.
"""

import asyncio
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol, cast
from urllib.parse import urlsplit

from bazaar import clock
from bazaar.client.client import ANSWER_BYTES_MAX, CONNECT_TIMEOUT_S
from bazaar.client.exchange import QUERIES_MAX, ApiRequest, AttemptFailed
from bazaar.protocol.http1 import Reply, ReplyParser
from bazaar.protocol.tls import make_public_context


class Owner(Protocol):
    """The client that waits for an answer."""

    def on_reply(self, reply: Reply, at_s: float) -> None:
        """Take the answer; at_s: when its last byte arrived."""

    def on_lost(self, lost: AttemptFailed) -> None:
        """Take in that no answer will come."""


class Turns:
    """The work of one turn of the event loop, in an order that keeps times exact."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._arrived: list[tuple[LoadConnection, bytes | None, float]] = []
        self._outgoing: list[tuple[LoadConnection, bytes]] = []
        self._is_working = False

    def arrive(self, connection: "LoadConnection", data: bytes | None) -> None:
        """Take down what has come; None: the end of the connection."""
        if not self._arrived:
            self._loop.call_soon(self._work)
        self._arrived.append((connection, data, clock.monotonic_s()))

    def send(self, connection: "LoadConnection", data: bytes) -> None:
        """Send at the end of this turn."""
        self._outgoing.append((connection, data))
        if not self._is_working:
            self._flush()

    def _work(self) -> None:
        arrived, self._arrived = self._arrived, []
        self._is_working = True
        try:
            for connection, data, at_s in arrived:
                connection.take(data, at_s)
        finally:
            self._is_working = False
        self._flush()

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        for connection, data in outgoing:
            connection.write(data)


class LoadConnection(asyncio.Protocol):
    """One kept connection to one front end, for one request at a time."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._transport: asyncio.Transport | None = None
        self._parser = ReplyParser(ANSWER_BYTES_MAX)
        self._owner: Owner | None = None
        self.sent_s = 0.0
        """When the last request was handed to the socket."""

    @property
    def is_open(self) -> bool:
        """Whether a request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def ask(self, data: bytes, owner: Owner) -> None:
        """Send a request; its owner is notified of the answer."""
        assert self._owner is None, "one request at a time"
        self._owner = owner
        self._turns.send(self, data)

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket, and note when."""
        self.sent_s = clock.monotonic_s()
        if self._transport is not None:
            self._transport.write(data)

    def abort(self) -> None:
        """End the connection at once, without a notice."""
        self._owner = None
        if self._transport is not None:
            self._transport.abort()

    # What the event loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are of no such class

    def data_received(self, data: bytes) -> None:
        """Take bytes down."""
        self._turns.arrive(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end down, after the bytes that came before it."""
        del exc
        self._turns.arrive(self, None)

    # In its turn

    def take(self, data: bytes | None, at_s: float) -> None:
        """Read what came at a time."""
        if self._owner is None:  # nobody waits: given up, or bytes that nobody asked for
            self.abort()
            return
        if data is None:
            self._fail("the connection was closed")
            return
        try:
            reply = self._parser.feed(data)
        except ValueError as error:
            self._fail(str(error))
            return
        if reply is not None:
            self._deliver(reply, at_s)

    def _deliver(self, reply: Reply, at_s: float) -> None:
        owner, self._owner = self._owner, None
        if not self._parser.is_kept:
            self.abort()
        assert owner is not None, "checked by take"
        owner.on_reply(reply, at_s)

    def _fail(self, why: str) -> None:
        owner = self._owner
        self.abort()
        assert owner is not None, "checked by take"
        owner.on_lost(AttemptFailed(f"The front end gave no answer: {why}.", was_sent=True))


class Address:
    """One front end, as connections and requests need it."""

    def __init__(self, url: str, ca_path: str | None = None) -> None:
        """url: checked before. ca_path: trusted besides the CAs of the system."""
        parts = urlsplit(url)
        is_https = parts.scheme == "https"
        self._context = make_public_context(ca_path) if is_https else None
        self.url, self.prefix = url, parts.path
        self.host, self.port = parts.hostname or "", parts.port or (443 if is_https else 80)
        self.authority = parts.netloc

    async def connect(self, turns: Turns, timeout_s: float) -> LoadConnection:
        """Return a new connection. Raises Lost: nothing was sent."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(min(timeout_s, CONNECT_TIMEOUT_S)):
                _, connection = await loop.create_connection(
                    lambda: LoadConnection(turns), self.host, self.port, ssl=self._context
                )
        except OSError as error:  # TimeoutError and SSLError are
            why = error.strerror or "no answer in time"
            raise AttemptFailed(f"{self.url} cannot be reached: {why}.", was_sent=False) from error
        return connection


def make_encode(
    addresses: list[Address], token: str | None = None
) -> Callable[[int, ApiRequest], bytes]:
    """Return what makes the bytes of a request to the front end of a number."""
    shared = "Accept: application/json\r\n"
    if token is not None:
        shared += f"Authorization: Bearer {token}\r\n"
    heads = [f" HTTP/1.1\r\nHost: {one.authority}\r\n{shared}" for one in addresses]

    def encode(url: int, request: ApiRequest) -> bytes:
        target = addresses[url].prefix + request.target
        lines = "".join(f"{name}: {value}\r\n" for name, value in request.headers)
        length = f"Content-Length: {len(request.body)}\r\n" if request.body else ""
        head = f"{request.method} {target}{heads[url]}{lines}{length}\r\n"
        return head.encode() + request.body

    remembered = lru_cache(QUERIES_MAX)(encode)
    return lambda url, request: (encode if request.body else remembered)(url, request)
