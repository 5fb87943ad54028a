"""
The part of a cluster's description that a host runs (docs/adr/0049).

A process belongs to the host that its node names. A data folder is of one host: the one that
`--host` named last, else every host whose name leads to an address of this machine.
"""

import socket
from collections.abc import Mapping

from bazaar.cluster.data_dir import DataDir, write_whole
from bazaar.cluster.exits import ClusterError
from bazaar.settings import private
from bazaar.topology import Node, Topology


def find_part(topology: Topology, host: str | None) -> dict[str, Node]:
    """Return the processes of a host, or of this machine, by name; there may be none."""
    here = {one for one in topology.hosts() if (one == host if host else is_here(one))}
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


def is_here(host: str) -> bool:
    """Return whether a name or an address can be bound: then it is this machine's."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(address)
    except OSError:
        return False
    return True
