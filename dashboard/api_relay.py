"""
Reads the endpoints of other processes, for the pages under API.

Every request is a signed `GET` of one of READ_PATHS, at a listener of the cluster description. That
holds whatever a listener says in its index: a process that took over a dead one's port may describe
any endpoint, but gets no signature for a call that changes something. Each call has a connection of
its own.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import chain

from bazaar.core.failures import Failure
from bazaar.protocol.codec import decode
from bazaar.protocol.endpoints import EndpointBody, IndexBody, MethodBody, fill
from bazaar.protocol.http1 import Reply
from bazaar.protocol.transport import HttpTransport
from bazaar.topology import Node, Role, Topology, format_address, role_of

_HEALTH = {"/healthz", "/readyz"}
READ_PATHS = {
    "catalog": frozenset(
        {"/changes", "/find", "/last", "/leadership", "/ledger", "/names", "/query", "/rows"}
        | {"/search", "/status", "/stocks"}
        | _HEALTH
    ),
    "order": frozenset(
        {"/changes", "/find", "/head", "/leader", "/list", "/log", "/order", "/ping", "/query"}
        | {"/rows", "/status"}
        | _HEALTH
    ),
    "frontend": frozenset({"/leader", "/orders", "/status", "/stocks"} | _HEALTH),
}
"""By role, the paths whose `GET` changes nothing; no other path is ever signed, but the index."""
READ_TIMEOUT_S = 2.0
"""For each wait of a call."""
WAITS_MAX = 2
"""A call takes no longer than this many timeouts in all."""
TARGET_CHARS_MAX = 4 * 1024
_THREADS_MAX = 32
Connect = Callable[[tuple[str, int], str], HttpTransport]
"""Returns a new transport to an address, which signs for a receiver."""


@dataclass(frozen=True, slots=True)
class ApiListener:
    """One listener of one process."""

    process: str
    role: str
    port_name: str
    """`served` or `control`."""
    address: tuple[str, int]
    receiver: str
    """The name that requests are signed for."""

    @property
    def base(self) -> str:
        """The path of its endpoints at the dashboard."""
        return f"/api/{self.process}/{self.port_name}"

    @property
    def origin(self) -> str:
        """Where a browser finds it itself, for paths that are not relayed."""
        return f"http://{format_address(*self.address)}"


@dataclass(frozen=True, slots=True)
class ListenerIndex:
    """The endpoints that a listener names, or why it names none."""

    listener: ApiListener
    index: IndexBody | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class EndpointReading:
    """An endpoint of another process, and the reply to its `GET` where that was sent."""

    endpoint: EndpointBody | None = None
    """None when its process does not answer."""
    method: MethodBody | None = None
    """The `GET`, if it is one that may be read."""
    target: str = ""
    """The path and query that was sent."""
    reply: Reply | None = None
    fault: str = ""
    status: HTTPStatus = HTTPStatus.OK
    """What the dashboard answers itself, whatever the status of the reply."""


class ApiRelay:
    """Sends signed reads to the listeners of one cluster; safe for many threads."""

    def __init__(
        self,
        topology: Topology,
        connect: Connect,
        list_workers: Callable[[], Iterable[tuple[str, Node]]] = tuple,
    ) -> None:
        """list_workers: the further processes of front ends, whose served port all share."""
        self._connect, self._list_workers = connect, list_workers
        self._listeners = tuple(
            ApiListener(name, role_of(name), port_name, address, name)
            for name, node in topology.nodes()
            if node.control_port  # all but the dashboard itself
            for port_name, address in (
                ("served", node.address),
                ("control", node.control_address),
            )
        )

    @property
    def listeners(self) -> tuple[ApiListener, ...]:
        """Every port of every process, as far as they are known now."""
        return *self._listeners, *self._list_worker_ports()

    def find_listener(self, process: str, port_name: str) -> ApiListener | None:
        """Return the listener with these names."""
        listeners = chain(self._listeners, self._list_worker_ports())
        named = (process, port_name)
        return next((one for one in listeners if (one.process, one.port_name) == named), None)

    def _list_worker_ports(self) -> Iterator[ApiListener]:
        for name, node in self._list_workers():
            address = node.control_address
            receiver = format_address(*address)
            yield ApiListener(name, Role.FRONT_END, "control", address, receiver)

    def list_indexes(self) -> list[ListenerIndex]:
        """Return the index of every listener, fetched side by side."""
        listeners = self.listeners
        with ThreadPoolExecutor(min(len(listeners), _THREADS_MAX)) as pool:
            return list(pool.map(self._try_index, listeners))

    def read_endpoint(
        self, listener: ApiListener, path: str, texts: Mapping[str, str]
    ) -> EndpointReading | None:
        """
        Return an endpoint, with its reply if it may be read and is filled in.

        None: the listener names no such path.
        """
        try:
            endpoint = self._get_index(listener).endpoint(path)
        except Failure as failure:
            return EndpointReading(fault=failure.message, status=HTTPStatus.SERVICE_UNAVAILABLE)
        if endpoint is None:
            return None
        method = endpoint.method("GET")
        if method is None or method.changes or path not in READ_PATHS[listener.role]:
            return EndpointReading(endpoint)
        if method.fields and not any(one.name in texts for one in method.fields):
            return EndpointReading(endpoint, method)
        query = fill(method, texts).query
        target = f"{path}?{query}" if query else path
        return self._read(listener, EndpointReading(endpoint, method, target))

    def _read(self, listener: ApiListener, reading: EndpointReading) -> EndpointReading:
        if len(reading.target) > TARGET_CHARS_MAX:
            fault = f"The path with its query is longer than {TARGET_CHARS_MAX} characters."
            return replace(reading, fault=fault, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            return replace(reading, reply=self._get(listener, reading.target))
        except Failure as failure:
            fault, status = failure.message, HTTPStatus.SERVICE_UNAVAILABLE
            return replace(reading, fault=fault, status=status)

    def _try_index(self, listener: ApiListener) -> ListenerIndex:
        try:
            return ListenerIndex(listener, self._get_index(listener))
        except Failure as failure:
            return ListenerIndex(listener, None, failure.message)

    def _get_index(self, listener: ApiListener) -> IndexBody:
        return decode(self._get(listener, "/"), IndexBody)

    def _get(self, listener: ApiListener, target: str) -> Reply:
        """Send one request. Raises Unreachable."""
        transport = self._connect(listener.address, listener.receiver)
        limit = threading.Timer(READ_TIMEOUT_S * WAITS_MAX, transport.abort)
        limit.daemon = True
        limit.start()
        try:
            return transport.call("GET", target, timeout_s=READ_TIMEOUT_S)
        finally:
            limit.cancel()
            transport.close()
