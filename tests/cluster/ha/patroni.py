"""PostgreSQL under Patroni on etcd, as Debian has them: one node takes writes, another waits."""

import json
import os
import signal
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from bazaar.clock import wait_until
from tests.cluster.ha.engine import DATABASE, USER, Engine, EngineServer, list_users_of
from tests.cluster.ha.network import Host
from tests.support.database_servers import DatabaseServer, PostgresqlServer, find_port

TTL_S = 20
"""The least that Patroni allows: a primary that is silent for so long is replaced."""
LOOP_WAIT_S = 1
RETRY_TIMEOUT_S = 8
"""
A primary that has not reached etcd for so long steps down.

With less, one steps down because the leader of etcd was lost.
"""
WAL_SENDER_TIMEOUT_S = 5
"""A primary that steps down waits for a standby on a lost host; by default for a minute."""
CONNECTIONS_MAX = 300
ADMITTED = ("local all all", "host all all all", "host replication all all")
ASK_TIMEOUT_S = 2.0


class EtcdNode(DatabaseServer):
    """A member of the store that says which PostgreSQL is the primary."""

    def __init__(self, host: Host, peers: Sequence[Host], ports: tuple[int, int]) -> None:
        """ports: of clients and of peers."""
        self.name, (served, self._peer) = f"etcd-{host.number}", ports
        self._members = ",".join(
            f"etcd-{one.number}=http://{one.address}:{ports[1]}" for one in peers
        )
        super().__init__(host=host.address, port=served, prefix=host.prefix)

    def _install(self) -> Sequence[str]:
        return ("mkdir", "-m", "700", f"{self.folder}/data")

    def _serve(self) -> Sequence[str]:
        served, peer = f"http://{self.host}:{self.port}", f"http://{self.host}:{self._peer}"
        return (
            *("etcd", "--name", self.name, "--data-dir", f"{self.folder}/data"),
            *("--listen-client-urls", served, "--advertise-client-urls", served),
            *("--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer),
            *("--initial-cluster", self._members, "--initial-cluster-state", "new"),
        )

    def is_healthy(self) -> bool:
        """Tell whether it has a quorum."""
        return bool(ask(f"http://{self.host}:{self.port}/health").get("health") == "true")


class PatroniNode(PostgresqlServer):
    """A Patroni with its PostgreSQL."""

    kill_signal = 9  # of Patroni alone; its PostgreSQL goes on

    def __init__(self, host: Host, etcd: Sequence[str], ports: tuple[int, int]) -> None:
        """etcd: addresses of its members. ports: of PostgreSQL and of Patroni."""
        served, self._rest = ports
        self._etcd, self.name = etcd, f"patroni-{host.number}"
        super().__init__(host=host.address, port=served, prefix=host.prefix)
        configuration = write_configuration(
            name=self.name,
            address=host.address,
            ports=ports,
            etcd=etcd,
            folder=str(self.folder),
        )
        (self.folder / "patroni.yml").write_text(json.dumps(configuration))

    def read_status(self) -> Mapping[str, Any]:
        """Return what Patroni says of its node."""
        return ask(f"http://{self.host}:{self._rest}/patroni")

    def read_postmaster(self) -> int:
        """Return the process id of PostgreSQL."""
        return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])

    def run(self, statement: str) -> str:
        """Run a statement."""
        return self._run(self._client(statement))

    def _install(self) -> Sequence[str]:
        return ("mkdir", "-p", f"{self.folder}/sockets")

    def _serve(self) -> Sequence[str]:
        return ("patroni", f"{self.folder}/patroni.yml")


def write_configuration(
    *, name: str, address: str, ports: tuple[int, int], etcd: Sequence[str], folder: str
) -> dict[str, Any]:
    """Return the configuration of a Patroni; JSON is YAML, too."""
    served, rest = ports
    user = {"username": USER, "password": USER}
    return {
        "scope": "bazaar",
        "name": name,
        "restapi": {"listen": f"{address}:{rest}", "connect_address": f"{address}:{rest}"},
        "etcd3": {"hosts": list(etcd)},
        "bootstrap": {
            "dcs": {
                "ttl": TTL_S,
                "loop_wait": LOOP_WAIT_S,
                "retry_timeout": RETRY_TIMEOUT_S,
                "synchronous_mode": True,
                "postgresql": {
                    "use_pg_rewind": True,
                    "parameters": {
                        "max_connections": CONNECTIONS_MAX,
                        "shared_buffers": "32MB",
                        "synchronous_commit": "on",
                        "wal_sender_timeout": f"{WAL_SENDER_TIMEOUT_S}s",
                    },
                },
            },
            "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}, "data-checksums"],
        },
        "postgresql": {
            "listen": f"{address}:{served}",
            "connect_address": f"{address}:{served}",
            "data_dir": f"{folder}/data",
            "pgpass": f"{folder}/pgpass",
            "authentication": {"superuser": user, "replication": user, "rewind": user},
            "parameters": {"unix_socket_directories": f"{folder}/sockets"},
            "pg_hba": [f"{who} trust" for who in ADMITTED],
        },
    }


def ask(url: str) -> dict[str, Any]:
    """Return what is answered, whatever its status; empty: nothing."""
    opener = urllib.request.build_opener(_AnyStatus)
    with suppress(OSError, ValueError):
        answer: dict[str, Any] = json.load(opener.open(url, timeout=ASK_TIMEOUT_S))
        return answer
    return {}


class _AnyStatus(urllib.request.HTTPErrorProcessor):
    """Takes every answer."""

    def http_response(self, request: Any, response: Any) -> Any:
        return response


class Patroni(Engine):
    """Three nodes: a primary, a standby that it waits for, and another one."""

    scheme = "postgresql"
    parts = ("postgres", "patroni", "etcd")

    def __init__(self, hosts: Sequence[Host]) -> None:
        super().__init__(hosts)
        self.port, rest, served, peer = (find_port() for _ in range(4))
        etcd = [f"{host.address}:{served}" for host in hosts]
        self._etcd = {host: EtcdNode(host, hosts, (served, peer)) for host in hosts}
        self._nodes = {host: PatroniNode(host, etcd, (self.port, rest)) for host in hosts}

    @property
    def servers(self) -> Sequence[EngineServer]:
        """All members of etcd and all nodes."""
        return (*self._etcd.values(), *self._nodes.values())

    def start(self) -> None:
        """Start all nodes with an empty database."""
        for member in self._etcd.values():
            member.launch()
        assert wait_until(self._has_etcd, 30.0), "etcd does not start"
        for node in self._nodes.values():
            node.launch()
        self.await_whole()
        primary = self._nodes[self.find_primary(self.hosts[0])]
        for name in (DATABASE, "bare"):
            primary.run(f"CREATE DATABASE {name}")

    def end(self) -> None:
        """End all nodes, and remove their files."""
        for host in self.hosts:
            self.kill(host)
            self._nodes[host].__exit__()
            self._etcd[host].__exit__()

    def is_whole(self) -> bool:
        """Tell whether there are a primary and two replicas, one of which it waits for."""
        found = [node.read_status() for node in self._nodes.values()]
        return self._has_etcd() and has_all_roles(found)

    def list_pids(self, host: Host) -> list[int]:
        """Return the processes of a host."""
        homes = (self._nodes[host].folder, self._etcd[host].folder)
        return [pid for home in homes for pid in list_users_of(str(home))]

    def kill_part(self, host: Host, part: str) -> None:
        """Kill PostgreSQL, Patroni or etcd."""
        if part == "postgres":
            os.kill(self._nodes[host].read_postmaster(), signal.SIGKILL)
        elif part == "patroni":
            self._nodes[host].kill()
        else:
            self._etcd[host].kill()

    def start_host(self, host: Host) -> None:
        """Start what a host lacks."""
        for server in (self._etcd[host], self._nodes[host]):
            if not server.is_running:
                server.launch()

    def find_primary(self, active: Host) -> Host:
        """Return the primary."""
        found: list[Host] = []

        def is_found() -> bool:
            found[:] = [one for one, node in self._nodes.items() if _is_primary(node)]
            return bool(found)

        assert wait_until(is_found, 60.0), "there is no primary"
        return found[0]

    def _has_etcd(self) -> bool:
        return all(member.is_healthy() for member in self._etcd.values())


def _is_primary(node: PatroniNode) -> bool:
    status = node.read_status()
    return (status.get("role"), status.get("state")) == ("master", "running")


def has_all_roles(found: Sequence[Mapping[str, Any]]) -> bool:
    """Tell whether answers of Patroni are of a primary and its replicas, one of them in sync."""
    roles = sorted(str(one.get("role")) for one in found)
    streams = [one for status in found for one in status.get("replication", ())]
    states = [one["sync_state"] for one in streams if one["state"] == "streaming"]
    return (
        roles == ["master", "replica", "replica"]
        and all(one.get("state") == "running" for one in found)
        and len(states) == len(found) - 1
        and "sync" in states
    )
