"""Ports: checks that they are free, and free ones for throw-away clusters."""

import contextlib
import errno
import random
import socket

import msgspec

from bazaar import clock, topology
from bazaar.cluster.exits import ClusterError
from bazaar.topology import Node, Topology, format_address

CONNECT_TIMEOUT_S = 0.5
FREE_WAIT_S = 2.0
"""How long a killed process may still hold its port: a server's worker ends within 1 s."""
# Below the ports that the system gives to outgoing connections (32768 and up): one of those could
# otherwise take the port of a process that was killed and is about to start again. Between the
# default cluster's ports, so that a throw-away cluster never meets a default one.
FIRST, LAST = 22_000, 29_900
_REASONS = {
    errno.EADDRINUSE: "it is taken by another process",
    errno.EADDRNOTAVAIL: "the address is not one of this machine",
    errno.EACCES: "that port needs more rights",
}


class PortTaken(ClusterError):  # noqa: N818 - it is a fact about the world
    """A listener cannot be opened; the message names port and process."""


def check_free(name: str, node: Node, wait_s: float = FREE_WAIT_S) -> None:
    """Wait until all ports of a process can be opened. Raises PortTaken."""
    found: list[str] = []

    def is_free() -> bool:
        found[:] = [
            f"{name} cannot listen on port {port} of {node.listen_host}: {reason}. "
            "Free it, or let BAZAAR_CLUSTER name a file with other ports."
            for port in (node.port, node.control_port)
            if port and (reason := _refusal(node.listen_host, port))
        ]
        return not found

    if not clock.wait_until(is_free, wait_s):
        raise PortTaken(found[0])


def is_open(address: tuple[str, int]) -> bool:
    """Return whether something takes connections there, be it paused."""
    try:
        socket.create_connection(address, CONNECT_TIMEOUT_S).close()
    except OSError:
        return False
    return True


def check_silent(name: str, node: Node) -> None:
    """Refuse while a process answers, whoever started it. Raises ClusterError."""
    for host, port in (node.address, node.control_address):
        if port and is_open((host, port)):
            raise ClusterError(
                f"{name} answers at {format_address(host, port)}, so its database is in use: stop "
                "it first."
            )


def _refusal(host: str, port: int) -> str | None:
    """Return why no process can listen there now, or None when it is free."""
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


def free_ports(count: int) -> list[int]:
    """Return ports that can be opened now; all are held until the last is found."""
    chosen: list[socket.socket] = []
    candidates = random.SystemRandom().sample(range(FIRST, LAST), k=count * 20)
    try:
        for port in candidates:
            probe = socket.socket()
            chosen.append(probe)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                chosen.pop().close()
            if len(chosen) == count:
                return [one.getsockname()[1] for one in chosen]
        raise ClusterError(f"There are no {count} free ports between {FIRST} and {LAST}.")
    finally:
        for one in chosen:
            one.close()


def reserve(found: Topology) -> contextlib.ExitStack:
    """
    Keep others that look for free ports from a cluster's, until it is closed.

    Its own processes may open them, and open them again after an end. A port that is in use, or of
    another machine, is left out.
    """
    stack = contextlib.ExitStack()
    for _, node in found.nodes():
        for address in (node.address, node.control_address)[: 2 if node.control_port else 1]:
            held = stack.enter_context(socket.socket())
            # Bound, but not listening: who binds with this option, too, may listen there.
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                held.bind(address)
    return stack


def free_topology(replicas: int = 3, front_ends: int = 1) -> Topology:
    """Return a cluster on this machine on free ports."""
    return move_to_free_ports(topology.local(replicas, front_ends))


def move_to_free_ports(found: Topology) -> Topology:
    """Return the same cluster, of this machine, on ports that are free."""
    ports = iter(free_ports(sum(2 if node.control_port else 1 for _, node in found.nodes())))

    def move(node: Node) -> Node:
        served, control = next(ports), next(ports) if node.control_port else 0
        return msgspec.structs.replace(node, port=served, control_port=control)

    return found.map_nodes(move)
