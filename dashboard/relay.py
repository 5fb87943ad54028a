"""
The way from the dashboard to the endpoints of the other processes, for staff (ADR 20).

A request is signed for a listener of the cluster description and for a path that this listener
lists itself (`GET /`), with no more than the fields that it lists; nothing else can be named. Each
goes out once, on a connection of its own, so that what may not happen twice does not.
"""

import contextlib
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bazaar import clock
from bazaar.core.failures import Failure, Unreachable
from bazaar.protocol.clients import decode
from bazaar.protocol.connection import ClientConnection
from bazaar.protocol.endpoints import Filled, IndexBody
from bazaar.protocol.http1 import Reply, pack_request
from bazaar.protocol.signing import sign
from bazaar.topology import Topology

LOOK_TIMEOUT_S = 2.0
CHANGE_TIMEOUT_S = 12.0
"""A front end itself tries a trade for 10 s."""
WAITS_MAX = 2
"""A whole call takes no longer than so many of its timeouts."""
BODY_BYTES_MAX = 256 * 1024
QUERY_BYTES_MAX = 4 * 1024
_ASKED_AT_ONCE_MAX = 32


@dataclass(frozen=True, slots=True)
class Place:
    """One listener of one process."""

    process: str
    listener: str
    """`served` or `control`."""
    address: tuple[str, int]

    @property
    def base(self) -> str:
        """Where its endpoints are at the dashboard."""
        return f"/api/{self.process}/{self.listener}"


@dataclass(frozen=True, slots=True)
class Told:
    """What a listener says that it serves, or why it says nothing."""

    place: Place
    index: IndexBody | None
    reason: str = ""


class TooLong(ValueError):  # noqa: N818 - as all of ours are named
    """More was entered than is sent."""


class Courier:
    """Carries requests to the listeners of one cluster; safe for many threads."""

    def __init__(
        self, topology: Topology, secret: bytes, wall_s: Callable[[], float] = clock.wall_s
    ) -> None:
        """wall_s: the clock for signatures, seconds since 1970."""
        self._secret, self._wall_s = secret, wall_s
        self.places = tuple(
            Place(name, listener, address)
            for name, node in topology.nodes()
            if node.control_port  # the dashboard has none, and asks itself for nothing
            for listener, address in (
                ("served", node.address),
                ("control", node.control_address),
            )
        )

    def place(self, process: str, listener: str) -> Place | None:
        """Return a listener by its names."""
        named = (process, listener)
        return next((one for one in self.places if (one.process, one.listener) == named), None)

    def list_all(self) -> list[Told]:
        """Ask all listeners side by side what they serve."""
        with ThreadPoolExecutor(min(len(self.places), _ASKED_AT_ONCE_MAX)) as pool:
            return list(pool.map(self._tell, self.places))

    def index(self, place: Place) -> IndexBody:
        """Ask a listener what it serves. Raises Failure."""
        return decode(self._send(place, "GET", "/", Filled(), LOOK_TIMEOUT_S), IndexBody)

    def send(
        self, place: Place, method: str, path: str, filled: Filled, *, timeout_s: float
    ) -> Reply:
        """
        Send what was entered, once, and return the answer, whatever its status.

        timeout_s: for each wait; a call that dribbles ends too. Raises TooLong; Unreachable
        (indefinite).
        """
        if len(filled.body) > BODY_BYTES_MAX or len(filled.query) > QUERY_BYTES_MAX:
            raise TooLong(
                f"At most {BODY_BYTES_MAX} bytes of body and {QUERY_BYTES_MAX} of query are sent."
            )
        return self._send(place, method, target_of(path, filled), filled, timeout_s)

    def _tell(self, place: Place) -> Told:
        try:
            return Told(place, self.index(place))
        except Failure as failure:
            return Told(place, None, failure.message)

    def _send(
        self, place: Place, method: str, target: str, filled: Filled, timeout_s: float
    ) -> Reply:
        signed = sign(self._secret, method, target, filled.body, self._wall_s())
        kind = {"Content-Type": "application/json"} if filled.body else {}
        headers = {**filled.headers, **kind, "Authorization": signed, "Connection": "close"}
        connection = ClientConnection(place.address, timeout_s)
        limit = threading.Timer(timeout_s * WAITS_MAX, _cut_off, (connection,))
        limit.daemon = True
        limit.start()
        try:
            request = pack_request(method, target, place.address, headers, filled.body)
            return connection.exchange(request)
        except (OSError, ValueError) as error:
            host, port = place.address
            reason = str(error) or type(error).__name__
            raise Unreachable(f"{host}:{port} did not answer: {reason}") from error
        finally:
            limit.cancel()
            connection.close()


def _cut_off(connection: ClientConnection) -> None:
    """End a call that takes too long in all, however often something comes."""
    connection.is_aborted = True
    sock = connection.sock
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def target_of(path: str, filled: Filled) -> str:
    """Return a path with what was entered for its query."""
    return f"{path}?{filled.query}" if filled.query else path
