"""The cluster on the three hosts: a catalog, an order replica and a front end on each."""

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil

from bazaar import clock, topology
from bazaar.cluster.ports import move_to_free_ports
from bazaar.core.activity import PROTECTION_S
from bazaar.topology import Node, Topology
from tests.cluster.conftest import LiveCluster
from tests.cluster.ha.engine import Engine
from tests.cluster.ha.network import Host
from tests.cluster.three_hosts import ThreeHosts
from tests.cluster.two_catalogs import activities, find_active

SETTLE_TIMEOUT_S = 90.0


def describe(hosts: Sequence[Host], engine: Engine) -> Topology:
    """Return the cluster; each catalog asks its own host's node of the database first."""
    catalogs = tuple(
        Node(id=host.number, port=1, control_port=1, database=engine.url(host)) for host in hosts
    )
    count = len(hosts)
    found = msgspec.structs.replace(topology.local(count, count), catalogs=catalogs)

    def place(node: Node) -> Node:
        return msgspec.structs.replace(node, host=hosts[node.id - 1].address)

    return move_to_free_ports(found).map_nodes(place)


class HostCluster(LiveCluster):
    """The part of one host, run there."""

    def __init__(self, folder: Path, host: Host, nodes: Topology, more: Mapping[str, str]) -> None:
        """more: variables of its environment."""
        self._prefix = host.prefix
        environ = {**os.environ, **more}
        super().__init__(folder, "--host", host.address, nodes=nodes, environ=environ)

    def kill_all(self) -> None:
        """Kill all processes, `cluster up` first."""
        members = self.members()
        if self.process:
            self.process.kill()
        for member in members:
            with suppress(psutil.NoSuchProcess):
                member.kill()

    def _command(self, *arguments: str) -> list[str]:
        return [*self._prefix, *super()._command(*arguments)]


class HaCluster(ThreeHosts):
    """The whole cluster, and who does what in it."""

    def __init__(
        self, folder: Path, places: Sequence[Host], engine: Engine, more: Mapping[str, str]
    ) -> None:
        """more: variables of its environment."""
        self._places = {host.address: host for host in places}
        self._engine, self._more = engine, more
        super().__init__(folder, nodes=describe(places, engine))

    def find_host(self, name: str) -> Host:
        """Return the host of a process."""
        return self._places[dict(self.topology.nodes())[name].host]

    def part(self, host: Host) -> LiveCluster:
        """Return the part of a host."""
        return self.hosts[host.number - 1]

    def find_active(self) -> str:
        """Return the active catalog."""
        return find_active(self.first)

    def find_leader(self) -> str:
        """Return the leading replica."""
        return self.first.leader()

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process and all it started."""
        os.killpg(self.part(self.find_host(name)).view(name).pid, number)

    def settle(self) -> None:
        """Bring all back, until every process is well and has been so for a while."""
        self._engine.await_whole()
        self.heal()
        self.first.wait_for(
            lambda _: (
                sorted(activities(self.first).values())
                == ["active", *("standby" for _ in self.hosts[1:])]
            ),
            SETTLE_TIMEOUT_S,
        )
        clock.wait(PROTECTION_S)

    def _make_host(self, address: str) -> LiveCluster:
        host = self._places[address]
        return HostCluster(self._make(address), host, self.topology, self._more)
