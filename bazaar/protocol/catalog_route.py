"""
One process's way to whichever catalog is active (docs/adr/0048).

It asks the catalog that answered last. "Not active, it is X" leads to X, anything else to the next
one. An answer says its epoch in `Bazaar-Epoch`; one of an older epoch than this process has heard
of does not count. One of a newer epoch, and the first after another one was asked, ends what is
under way at the others: it may wait behind a cut link. A catalog on a file says none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar

from bazaar import clock
from bazaar.core.activity import LOOK_TIMEOUT_S, CatalogRoute
from bazaar.core.failures import NotActive, Unconfirmed, Unreachable
from bazaar.core.types import NO_EPOCH, CatalogId, Epoch
from bazaar.protocol.clients import CatalogClient
from bazaar.protocol.errors import EPOCH_HEADER, FAILURE_HEADER, kind_name
from bazaar.protocol.http1 import Reply
from bazaar.protocol.member_client import decode
from bazaar.protocol.transport import HttpTransport, KeptTransport, PendingCall
from bazaar.topology import Node, Role, Topology, process_name

T = TypeVar("T")
_EPOCH, _FAILURE = EPOCH_HEADER.lower(), FAILURE_HEADER.lower()
_NOT_ACTIVE = kind_name(NotActive)


@dataclass(frozen=True, slots=True)
class RoutedCall(PendingCall[T]):
    """A call to one of several catalogs; without an answer the next is asked."""

    turn: Callable[[Unreachable], None]

    def finish(self, until_s: float) -> T:
        """Wait for the answer; see `PendingCall.finish`."""
        try:
            return PendingCall.finish(self, until_s)
        except Unreachable as failure:
            self.turn(failure)
            raise

    def take(self) -> T | None:
        """Read once what has come; see `PendingCall.take`."""
        try:
            return PendingCall.take(self)
        except Unreachable as failure:
            self.turn(failure)
            raise

    def give_up(self) -> None:
        """Wait no more."""
        self.turn(Unreachable("The catalog did not answer in time."))
        PendingCall.give_up(self)


class RoutedTransport(KeptTransport):
    """One listener of whichever catalog is active; safe for many threads."""

    def __init__(
        self,
        route: CatalogRoute,
        transports: Mapping[CatalogId, HttpTransport],
        on_news: Callable[[CatalogId], None],
    ) -> None:
        """route: shared by all transports of this process. on_news: gets a new active catalog."""
        self._route, self._transports, self._on_news = route, transports, on_news

    def call(self, method: str, path: str, body: bytes = b"", *, timeout_s: float) -> Reply:
        """
        Send a request to the active catalog; see `Transport.call`.

        Raises Unreachable (indefinite), also when no catalog is active.
        """
        route = self._route
        for _ in range(len(self._transports) + 1):
            chosen, epoch = route.chosen, route.epoch
            try:
                reply = self._transports[chosen].call(method, path, body, timeout_s=timeout_s)
                return self._admit(chosen, reply)
            except Unreachable as failure:
                route.turn(chosen, failure)
                if failure.was_sent and route.epoch == epoch:
                    raise
        raise Unreachable("No catalog is active.", is_refused=True, was_sent=False)

    def begin(
        self, method: str, path: str, body: bytes, read: Callable[[Reply], T]
    ) -> RoutedCall[T] | None:
        """Send a request on a kept connection; see `HttpTransport.begin`."""
        chosen = self._route.chosen
        call = self._transports[chosen].begin(
            method, path, body, lambda reply: read(self._admit(chosen, reply))
        )
        if call is None:
            return None
        return RoutedCall(
            call.transport, call.connection, call.read, lambda one: self._route.turn(chosen, one)
        )

    def close(self) -> None:
        """End the kept connections."""
        for transport in self._transports.values():
            transport.close()

    def abort_others(self, catalog: CatalogId) -> None:
        """End every call that waits for another catalog than this one."""
        for other, transport in self._transports.items():
            if other != catalog:
                transport.abort()

    def _admit(self, catalog: CatalogId, reply: Reply) -> Reply:
        """Return an answer that counts. Raises NotActive (definite), Unreachable."""
        if reply.headers.get(_FAILURE) == _NOT_ACTIVE:
            decode(reply, object)
        text = reply.headers.get(_EPOCH)
        if text is not None:
            if self._route.admit(catalog, _read_epoch(text)):
                self._on_news(catalog)
        elif reply.status == HTTPStatus.OK:
            self._route.admit(catalog, NO_EPOCH)
        return reply


class CatalogLink:
    """All that a process needs to follow the active catalog; safe for many threads."""

    def __init__(self, topology: Topology, secret: bytes) -> None:
        """Begin with the first catalog of the description."""
        self._nodes = {CatalogId(node.id): node for node in topology.catalogs}
        self._secret = secret
        self._route = CatalogRoute(tuple(self._nodes))
        self._transports: list[RoutedTransport] = []

    def connect(self, timeout_s: float) -> CatalogClient:
        """Return a client of the active catalog. timeout_s: for each call."""
        served = self._make_transport(lambda node: node.address)
        control = self._make_transport(lambda node: node.control_address)
        return CatalogClient(served, control, timeout_s)

    def hear(self, epoch: Epoch, catalog: CatalogId) -> None:
        """
        Believe a notice that its catalog confirms, and wait for no other one any more.

        Raises NotActive (definite): it is of an older epoch. Raises Unconfirmed (definite): that
        catalog says something else. Raises Unreachable (indefinite): it does not answer.
        """
        if epoch < self._route.epoch:
            raise NotActive(self._route.epoch, self._route.chosen)
        if catalog not in self._nodes:
            raise Unconfirmed
        client = CatalogClient.at(self._nodes[catalog], self._secret, LOOK_TIMEOUT_S)
        try:
            ping = client.ping_active()
        finally:
            client.close()
        if ping.epoch != epoch or not ping.is_active:
            raise Unconfirmed
        self._route.admit(catalog, epoch)
        self._wait_for(catalog)

    def _wait_for(self, catalog: CatalogId) -> None:
        """Give up all calls that wait for another catalog."""
        for transport in self._transports:
            transport.abort_others(catalog)

    def _make_transport(self, find: Callable[[Node], tuple[str, int]]) -> RoutedTransport:
        transports = {
            one: HttpTransport(
                find(node), process_name(Role.CATALOG, node.id), self._secret, clock.wall_s
            )
            for one, node in self._nodes.items()
        }
        self._transports.append(RoutedTransport(self._route, transports, self._wait_for))
        return self._transports[-1]


def _read_epoch(text: str) -> Epoch:
    """Return the epoch of a header. Raises Unreachable: it is none."""
    try:
        return Epoch(int(text))
    except ValueError as error:
        raise Unreachable(f"The answer is of no epoch: {text!r}.") from error
