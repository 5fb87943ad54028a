"""A front end on a network of its own, started without the supervisor."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import msgspec

from bazaar import topology
from bazaar.clock import wait_until
from bazaar.settings.env import ROOT
from bazaar.topology import Node, Topology
from tests.cluster.conftest import LiveCluster
from tests.cluster.netns import Namespace

UP_TIMEOUT_S = 30.0


def move_to(found: Topology, host: str) -> Topology:
    """Return a cluster that listens on another address."""
    return found.map_nodes(lambda node: msgspec.structs.replace(node, host=host))


class FrontEndApart:
    """
    One more front end of a cluster, inside a namespace, for as long as a `with` block runs.

    The cluster itself does not know of it: it registers with the catalog by itself.
    """

    def __init__(
        self, cluster: LiveCluster, namespace: Namespace, ports: tuple[int, int], workers: int
    ) -> None:
        """ports: the served one and the first worker's control port."""
        self.cluster, self.namespace, self.workers = cluster, namespace, workers
        front_ends = cluster.topology.front_ends
        served, control = ports
        self.node = Node(
            id=len(front_ends) + 1, host=namespace.inner, port=served, control_port=control
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """Its name."""
        return f"frontend-{self.node.id}"

    def __enter__(self) -> "FrontEndApart":
        known = self.cluster.topology
        whole = msgspec.structs.replace(known, front_ends=(*known.front_ends, self.node))
        described = self.cluster.folder / "apart.toml"
        described.write_text(topology.dump(whole))
        try:
            self._start(described)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        if self._process is not None:
            self.signal(signal.SIGKILL)
            self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and all it started."""
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def cut(self) -> None:
        """Cut it off from the catalog; clients and order replicas still reach it."""
        self.namespace.cut(self._spared_ports())

    def heal(self) -> None:
        """Mend the link."""
        self.namespace.heal()

    def read_output(self) -> str:
        """Return its log."""
        return self._log.read_text()

    @property
    def _log(self) -> Path:
        return self.cluster.folder / f"{self.name}.log"

    def _spared_ports(self) -> Iterable[int]:
        yield self.node.port
        for replica in self.cluster.topology.replicas:
            yield from (replica.port, replica.control_port)

    def _start(self, described: Path) -> None:
        command = [
            sys.executable,
            "-m",
            "bazaar.cluster.launch",
            "frontend",
            "--id",
            str(self.node.id),
        ]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self.namespace.command(*command),
                env={
                    **self.cluster.environ,
                    "BAZAAR_CLUSTER": str(described),
                    "BAZAAR_WORKERS": str(self.workers),
                },
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        assert wait_until(self._is_over, UP_TIMEOUT_S), (
            f"{self.name} does not serve: {self.read_output()}"
        )
        assert self._process.poll() is None, f"{self.name} has ended: {self.read_output()}"

    def _is_over(self) -> bool:
        """Tell whether it serves, or has ended."""
        assert self._process is not None
        if self._process.poll() is not None:
            return True
        connection = HTTPConnection(*self.node.address, timeout=1.0)
        try:
            connection.request("GET", "/leader")
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()
