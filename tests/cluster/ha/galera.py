"""MariaDB with Galera, as Debian has them: every node takes writes."""

import re
from collections.abc import Sequence

from bazaar.clock import wait_until
from tests.cluster.ha.engine import DATABASE, USER, Engine, list_users_of
from tests.cluster.ha.network import Host
from tests.support.database_servers import START_TIMEOUT_S, MariadbServer, find_port

PROVIDER = "/usr/lib/galera/libgalera_smm.so"
EVICTION = {
    "evs.keepalive_period": "PT0.25S",
    "evs.inactive_check_period": "PT0.25S",
    "evs.join_retrans_period": "PT0.25S",
    "evs.suspect_timeout": "PT1S",
    "evs.inactive_timeout": "PT2S",
}
"""How soon the others go on without a node that is silent."""
CACHE = "64M"
"""Of writes that a node which was away is sent, instead of all tables."""
CONNECTIONS_MAX = 500
_POSITION = re.compile(r"Recovered position:? *([0-9a-f-]{36}:-?[0-9]+)")
_STATUS = (
    "SHOW STATUS WHERE Variable_name IN"
    " ('wsrep_cluster_size', 'wsrep_cluster_status', 'wsrep_local_state_comment')"
)


READY = {"wsrep_cluster_status": "Primary", "wsrep_local_state_comment": "Synced"}


def read_variables(text: str) -> dict[str, str]:
    """Read a table of names and values, as the client prints it."""
    return dict(line.split("\t") for line in text.splitlines()[1:])


class GaleraNode(MariadbServer):
    """One node; its folder and its ports are its host's."""

    def __init__(self, host: Host, peers: Sequence[Host], ports: Sequence[int]) -> None:
        """ports: of clients, of the group, and of the two ways in which a node is filled."""
        port, self._group, self._ist, self._sst = ports
        self._address = f"gcomm://{','.join(f'{one.address}:{self._group}' for one in peers)}"
        self.name = f"galera-{host.number}"
        self._position: Sequence[str] = ()
        super().__init__(host=host.address, port=port, prefix=host.prefix)

    def begin(self) -> None:
        """Start the first node of a new cluster."""
        self._position = ("--wsrep-new-cluster",)
        super().start()

    def start(self) -> None:
        """Start it, from where its files end; it takes what it has missed from the others."""
        log = self.folder / "recovery.log"
        self._run((*super()._serve(), *self._join(), f"--log-error={log}", "--wsrep-recover"))
        found = _POSITION.findall(log.read_text())
        self._position = (f"--wsrep-start-position={found[-1]}",) if found else ()
        super().start()

    def read_status(self) -> dict[str, str]:
        """Return how many nodes it sees, whether they have a quorum, and its state."""
        return read_variables(self._call(self._client(_STATUS)).stdout)

    def run(self, statement: str) -> str:
        """Run a statement as root."""
        return self._run(self._client(statement))

    def _answers(self) -> bool:
        return self.read_status().items() >= READY.items()

    def _serve(self) -> Sequence[str]:
        return (*super()._serve(), *self._join(), *self._position)

    def _join(self) -> Sequence[str]:
        provider = {
            **EVICTION,
            "gmcast.listen_addr": f"tcp://{self.host}:{self._group}",
            "ist.recv_addr": f"{self.host}:{self._ist}",
            "gcache.size": CACHE,
        }
        options = ";".join(f"{name}={value}" for name, value in provider.items())
        return (
            *("--wsrep-on=ON", f"--wsrep-provider={PROVIDER}", "--wsrep-cluster-name=bazaar"),
            *(f"--wsrep-cluster-address={self._address}", f"--wsrep-provider-options={options}"),
            *(f"--wsrep-node-name={self.name}", f"--wsrep-node-address={self.host}"),
            *("--wsrep-sst-method=rsync", "--binlog-format=ROW", "--innodb-autoinc-lock-mode=2"),
            f"--wsrep-sst-receive-address={self.host}:{self._sst}",
            f"--max-connections={CONNECTIONS_MAX}",
        )

    def _client(self, statement: str) -> Sequence[str]:
        socket = f"--socket={self.folder}/socket"
        return ("mariadb", "--no-defaults", socket, f"--user={self.user}", "-e", statement)


class Galera(Engine):
    """Three nodes; a host without a network or a process is left out after a second."""

    scheme = "mysql"
    parts = ("database",)

    def __init__(self, hosts: Sequence[Host]) -> None:
        super().__init__(hosts)
        ports = [find_port() for _ in range(4)]
        self.port = ports[0]
        self._nodes = {host: GaleraNode(host, hosts, ports) for host in hosts}

    @property
    def servers(self) -> Sequence[GaleraNode]:
        """All nodes."""
        return tuple(self._nodes.values())

    def start(self) -> None:
        """Start all nodes with an empty database."""
        first, *others = self._nodes.values()
        first.begin()
        for name in (DATABASE, "bare"):
            first.run(f"CREATE DATABASE {name}")
        first.run(f"CREATE USER {USER}@'%'; GRANT ALL ON *.* TO {USER}@'%'")
        for node in others:
            node.start()
        self.await_whole()

    def end(self) -> None:
        """End all nodes, and remove their files."""
        for node in self._nodes.values():
            node.__exit__()

    def is_whole(self) -> bool:
        """Tell whether every node sees all of them, and has all that was committed."""
        whole = {**READY, "wsrep_cluster_size": str(len(self.hosts))}
        return all(node.read_status() == whole for node in self._nodes.values())

    def list_pids(self, host: Host) -> list[int]:
        """Return the processes of a host."""
        return list_users_of(str(self._nodes[host].folder))

    def kill_part(self, host: Host, part: str) -> None:
        """Kill the server."""
        self._nodes[host].kill()

    def start_host(self, host: Host) -> None:
        """Start the server, unless it runs."""
        node = self._nodes[host]
        if not self.list_pids(host):
            node.kill()  # it is gone, but not yet waited for
            node.start()
        assert wait_until(node._answers, START_TIMEOUT_S), f"{host} does not come back"

    def find_primary(self, active: Host) -> Host:
        """Return the node where a client on a host is connected: all take writes."""
        query = (
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST"
            f" WHERE DB = '{DATABASE}' AND HOST LIKE '{active.address}:%'"
        )
        return max(self.hosts, key=lambda host: int(self._nodes[host].run(query).split()[-1]))
