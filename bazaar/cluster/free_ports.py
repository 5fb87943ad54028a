"""Clusters on ports that nobody uses: for tests, and for whatever must not meet a real one."""

import random
import socket

from bazaar.cluster.errors import ClusterError
from bazaar.topology import Node, Topology

# Below the ports that the system hands to outgoing connections (32768 and up): one of those could
# otherwise sit on the port of a role that was killed and is about to start again. Between
# the default cluster's ports, so that it never meets one that somebody has running.
FIRST, LAST = 22_000, 29_900


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


def free_topology(replicas: int = 3, front_ends: int = 1) -> Topology:
    """Return a cluster on this machine on free ports."""
    ports = iter(free_ports(3 + 2 * (replicas + front_ends)))
    return Topology(
        catalog=Node(port=next(ports), control_port=next(ports)),
        dashboard=Node(port=next(ports)),
        front_ends=tuple(
            Node(id=i, port=next(ports), control_port=next(ports)) for i in range(1, front_ends + 1)
        ),
        replicas=tuple(
            Node(id=i, port=next(ports), control_port=next(ports)) for i in range(1, replicas + 1)
        ),
    )
