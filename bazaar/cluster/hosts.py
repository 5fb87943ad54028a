"""
The part of a cluster's description that a host runs (docs/adr/0049).

A process belongs to the host that its node names. A data folder is of one host: the one that
`--host` named last, else every host whose name leads to an address of this machine.
"""

import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from bazaar.cluster.data_dir import DataDir, write_whole
from bazaar.cluster.exits import ClusterError
from bazaar.protocol import resolver
from bazaar.protocol.resolver import ResolvedAddress
from bazaar.settings import private
from bazaar.topology import Node, Topology

RESOLVE_TIMEOUT_S = 1.0
"""For the name of a host; one that is not resolved in time is another machine's."""
Resolve = Callable[[str, float], Sequence[ResolvedAddress]]


def find_part(
    topology: Topology, host: str | None, resolve: Resolve = resolver.resolve
) -> dict[str, Node]:
    """
    Return the processes of a host, or of this machine, by name; there may be none.

    resolve: asks a name server, which may be silent. So all names are asked for at once.
    """
    here = {host}
    if host is None:
        found = topology.hosts()
        with ThreadPoolExecutor(len(found)) as pool:
            are_here = pool.map(lambda one: is_here(one, resolve), found)
            here = {one for one, is_one in zip(found, are_here, strict=True) if is_one}
    return {name: node for name, node in topology.nodes() if node.host in here}


def choose_part(data: DataDir, topology: Topology, wanted: str | None) -> dict[str, Node]:
    """
    Return the processes of this folder's host by name; remember the host.

    wanted: the host that `--host` names. Raises ClusterError: it has none.
    """
    part = find_part(topology, wanted or read_host(data))
    if not part:
        hosts = ", ".join(topology.hosts())
        reason = f"{wanted or read_host(data) or 'this machine'} has no process of this cluster"
        raise ClusterError(f"--host: {reason}; its hosts are {hosts}. Name the one that this is.")
    if wanted:
        write_whole(data.host_path, f"{wanted}\n", private.FILE_MODE)
    return part


def read_host(data: DataDir) -> str | None:
    """Return the host that this folder is of, if `--host` named it. Raises ClusterError."""
    try:
        return data.host_path.read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ClusterError(f"{data.host_path} cannot be read ({error}).") from error


def read_part(data: DataDir, topology: Topology) -> Mapping[str, Node]:
    """Return the processes that this folder's host runs, by name; empty: none."""
    return find_part(topology, read_host(data))


def is_here(host: str, resolve: Resolve = resolver.resolve) -> bool:
    """Return whether a name or an address can be bound: then it is this machine's."""
    try:
        return any(map(_can_be_bound, resolve(host, RESOLVE_TIMEOUT_S)))
    except OSError:
        return False


def _can_be_bound(address: ResolvedAddress) -> bool:
    family, host, scope = address
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((host, 0, 0, scope) if scope else (host, 0))
    except OSError:
        return False
    return True
