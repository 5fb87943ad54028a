"""One cluster on three hosts: three addresses of loopback, with a data folder each."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bazaar import topology
from bazaar.cluster.certificates import CA, CERTIFICATE, KEY
from bazaar.cluster.ports import free_topology
from bazaar.protocol.cluster_report import Health
from bazaar.protocol.tls import use_tls
from bazaar.topology import Node, TlsFiles, Topology
from tests.cluster.conftest import LiveCluster

TLS_FILES = TlsFiles(certificate=f"tls/{CERTIFICATE}", key=f"tls/{KEY}", ca=f"tls/{CA}")
ADDRESSES = ("127.0.0.1", "127.0.0.2", "127.0.0.3")


def spread(addresses: tuple[str, ...] = ADDRESSES) -> Topology:
    """Return a cluster with a replica and a front end a host, and the rest on the first."""
    found = free_topology(replicas=len(addresses), front_ends=len(addresses))

    def place(node: Node) -> Node:
        return msgspec.structs.replace(node, host=addresses[node.id - 1])

    return found.map_nodes(place)


class ThreeHosts:
    """The hosts of one cluster; each is a `cluster up --host` with a folder of its own."""

    def __init__(
        self,
        folder: Path,
        prepared: Path | None = None,
        *,
        has_tls: bool = False,
        nodes: Topology | None = None,
    ) -> None:
        """
        Start nothing yet.

        prepared: a folder with what `init` has made on one host, to be shared out. has_tls: each
        host has a certificate of one private CA. nodes: on loopback by default.
        """
        self.folder, self.prepared, self.has_tls = folder, prepared, has_tls
        self.topology = nodes or spread()
        addresses = self.topology.hosts()
        if has_tls:
            described = msgspec.structs.replace(self.topology, tls=TLS_FILES)
            self.topology = topology.parse(topology.dump(described))
        self.addresses = addresses
        self.hosts = [self._make_host(address) for address in addresses]
        self._pool = ThreadPoolExecutor(len(addresses))
        """Its threads stay: a process that one of them starts would end with it."""

    @property
    def first(self) -> LiveCluster:
        """The host that has the catalog and the dashboard."""
        return self.hosts[0]

    def certify(self) -> None:
        """Give each host a certificate, in place of the one that it has."""
        done = self.first.run("certificates", str(self.folder / "ca"))
        assert done.returncode == 0, done.stderr
        for address, host in zip(self.addresses, self.hosts, strict=True):
            made, used = self.folder / "ca" / address, host.data.root / "tls"
            used.mkdir(parents=True, exist_ok=True)
            for path in made.iterdir():
                path.replace(used / path.name)

    def init(self) -> None:
        """Make each host's part; the first host's secret is carried to the others."""
        if self.has_tls:
            self.certify()
        if self.prepared:
            return
        for address, host in zip(self.addresses, self.hosts, strict=True):
            if host is not self.first:
                shown = self.first.run("secret", "show").stdout
                taken = host.run("secret", "import", typed=shown)
                assert taken.returncode == 0, taken.stderr
            done = host.run("init", "--host", address, "--stocks", "asterix")
            assert done.returncode == 0, done.stderr

    def up(self) -> None:
        """Bring all hosts up side by side."""
        are_up = list(self._pool.map(LiveCluster.try_up, self.hosts))
        assert all(are_up), "\n".join(host.read_output() for host in self.hosts)

    def heal(self) -> None:
        """Bring back on each host what earlier tests have ended, until all is well."""
        for host in self.hosts:
            if host.process is None or host.process.poll() is not None:
                assert host.try_up(), host.read_output()
            if host.look().health is not Health.HEALTHY:
                host.cluster.mend([view.name for view in host.look().processes])
        for host in self.hosts:
            host.wait_for(lambda snapshot: snapshot.health is Health.HEALTHY)

    def end(self) -> None:
        """End all hosts."""
        list(self._pool.map(LiveCluster.end, self.hosts))
        self._pool.shutdown()

    def _make_host(self, address: str) -> LiveCluster:
        """Return what runs a host's part."""
        return LiveCluster(self._make(address), "--host", address, nodes=self.topology)

    def _make(self, address: str) -> Path:
        """Make the folder of a host, with its part of what is prepared."""
        folder = self.folder / address
        folder.mkdir(parents=True)
        if self.prepared:
            others = [name for name, node in self.topology.nodes() if node.host != address]
            ignored = shutil.ignore_patterns(*(f"{name}.*" for name in others))
            shutil.copytree(self.prepared / "data", folder / "data", ignore=ignored)
        return folder


@contextmanager
def run_hosts(
    folder: Path, prepared: Path | None = None, *, has_tls: bool = False
) -> Iterator[ThreeHosts]:
    """Run a cluster on three hosts for as long as a `with` block runs."""
    made = ThreeHosts(folder, prepared, has_tls=has_tls)
    try:
        made.init()
        made.up()
        yield made
    finally:
        made.end()
        use_tls(None)  # this process, too, has called as a member of that cluster
