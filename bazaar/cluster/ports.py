"""Tell whether a role's listeners can be opened, before anything is started on them."""

import errno
import socket
from collections.abc import Iterator

from bazaar import clock
from bazaar.cluster.errors import ClusterError
from bazaar.topology import Node

FREE_WAIT_S = 2.0
"""How long a port may stay taken by what was just killed: a server's worker ends within 1 s."""
POLL_S = 0.05
_REASONS = {
    errno.EADDRINUSE: "it is taken by another process",
    errno.EADDRNOTAVAIL: "the address is not one of this machine",
    errno.EACCES: "that port needs more rights",
}


class PortTaken(ClusterError):  # noqa: N818 - it is a fact about the world
    """A listener cannot be opened; the message names port, role and BAZAAR_CLUSTER."""


def addresses(node: Node) -> Iterator[tuple[str, int]]:
    """Yield where a node listens."""
    yield node.address
    if node.control_port:
        yield node.control_address


def check_free(name: str, node: Node, wait_s: float = FREE_WAIT_S) -> None:
    """Wait until all ports of a process can be opened. Raises PortTaken."""
    until_s = clock.monotonic_s() + wait_s
    for host, port in addresses(node):
        while reason := why_not(host, port):
            if clock.monotonic_s() >= until_s:
                raise PortTaken(
                    f"{name} cannot listen on port {port} of {host}: {reason}. "
                    "Free it, or let BAZAAR_CLUSTER name a file with other ports."
                )
            clock.wait(POLL_S)


def why_not(host: str, port: int) -> str | None:
    """Return why nobody can listen there now, or None when it is free."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            # As the servers do: connections that linger after a restart are no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        return _REASONS.get(error.errno or 0, str(error))
    return None
