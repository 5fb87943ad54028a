"""
A throw-away cluster: on free ports, gone when this process ends.

Evaluations, measurements and tests all start their clusters here, by `manage.py cluster up` in a
process of its own.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from bazaar import topology
from bazaar.clock import wait_until
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.operations import Cluster
from bazaar.cluster.parent_death import wrap_command
from bazaar.cluster.ports import free_topology, move_to_free_ports, reserve
from bazaar.cluster.stopping import stop_cluster
from bazaar.protocol.cluster_report import Health
from bazaar.settings import env
from bazaar.topology import Topology

UP_TIMEOUT_S = 90.0
END_TIMEOUT_S = 20.0
COMMAND_TIMEOUT_S = 60.0
OUTPUT_TIMEOUT_S = 10.0
TRIES = 3
"""To bring it up: another process may take a port between choosing and opening it."""
_UP = " up, "


class TemporaryCluster:
    """A cluster under `manage.py cluster up` in a process of its own."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        nodes: Topology | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """
        Start nothing yet.

        folder: for everything it writes; the data folder is `data` in it. options: of `up`.
        nodes: free ports on this machine by default.
        """
        self.folder, self.options = folder, options
        self.data = DataDir(folder / "data")
        self.topology = nodes or free_topology()
        self.process: subprocess.Popen[bytes] | None = None
        self._environ = {name: text for name, text in environ.items() if "DJANGO" not in name}
        self._cluster: Cluster | None = None
        self._reserved = contextlib.ExitStack()
        self._describe()

    @classmethod
    def from_prepared(
        cls, folder: Path, prepared: Path, *options: str, nodes: Topology | None = None
    ) -> Self:
        """Return one with a copy of the databases that `init` has made in another folder."""
        shutil.copytree(prepared / "data", folder / "data")
        return cls(folder, *options, nodes=nodes)

    @property
    def environ(self) -> dict[str, str]:
        """The environment of its commands."""
        return {
            **self._environ,
            "BAZAAR_DATA_DIR": str(self.data.root),
            "BAZAAR_CLUSTER": str(self._description),
        }

    @property
    def cluster(self) -> Cluster:
        """Its operations in this process, which are quicker than the command."""
        assert self._cluster is not None, "the cluster is not up"
        return self._cluster

    def run(
        self, *arguments: str, timeout_s: float = COMMAND_TIMEOUT_S, typed: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `manage.py cluster ...` to its end; typed: its standard input."""
        return subprocess.run(
            self._command(*arguments),
            input=typed,
            env=self.environ,
            cwd=env.ROOT,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def up(self) -> None:
        """Bring it up, on other ports when one was taken meanwhile. Raises ClusterError."""
        for _ in range(TRIES):
            if self.try_up():
                return
            if "cannot listen" not in self.read_output():
                break
            self.topology = move_to_free_ports(self.topology)
        raise ClusterError(f"The cluster in {self.folder} did not come up:\n{self.read_output()}")

    def try_up(self) -> bool:
        """Bring it up; return whether it serves. Otherwise nothing is left running."""
        self.close()
        self._describe()
        self._reserved = reserve(self.topology)
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                wrap_command(self._command("up", *self.options)),
                env=self.environ,
                cwd=env.ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for this process, which ends the cluster
            )
        if not self.wait_for_output(_UP, UP_TIMEOUT_S):
            self.end()
            return False
        self.attach()
        return True

    def attach(self) -> None:
        """Begin to operate a cluster that serves."""
        self._cluster = Cluster(self.data, self.environ)

    def read_output(self) -> str:
        """Return all that `cluster up` has printed."""
        return self._output.read_text(errors="replace") if self._output.exists() else ""

    def wait_for_output(self, text: str, timeout_s: float = OUTPUT_TIMEOUT_S) -> bool:
        """Wait until `cluster up` has printed a text, or ended; return whether it has."""
        wait_until(lambda: text in self.read_output() or not self._is_alive(), timeout_s)
        return text in self.read_output()

    def end(self) -> None:
        """Stop everything and wait until it is gone."""
        self.close()
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        if not wait_until(lambda: not self._is_alive(), END_TIMEOUT_S):
            stop_cluster(self.data)
            self.process.kill()
        self.process.wait()

    def close(self) -> None:
        """Close the connections that operations have opened, and give its ports back."""
        if self._cluster:
            self._cluster.close()
        self._cluster = None
        self._reserved.close()

    @property
    def _description(self) -> Path:
        return self.folder / "nodes.toml"

    @property
    def _output(self) -> Path:
        return self.folder / "up.out"

    def _describe(self) -> None:
        self._description.write_text(topology.dump(self.topology), encoding="utf-8")

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(env.ROOT / "manage.py"), "cluster", *arguments]

    def _is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


@contextlib.contextmanager
def run_healthy(environ: Mapping[str, str], *options: str) -> Iterator[Cluster]:
    """
    Run a healthy cluster of three replicas, then end and delete it.

    options: of `up`. Raises ClusterError: it is not healthy in time; its folder stays, with logs.
    """
    folder = Path(tempfile.mkdtemp(prefix="bazaar-"))
    live, is_kept = TemporaryCluster(folder, *options, environ=environ), True
    try:
        live.up()
        if not wait_until(lambda: _is_healthy(live.cluster), UP_TIMEOUT_S):
            raise ClusterError(f"The cluster in {folder} is not healthy; see its logs.")
        is_kept = False
        yield live.cluster
    finally:
        live.end()
        if not is_kept:
            shutil.rmtree(folder)


def _is_healthy(cluster: Cluster) -> bool:
    return cluster.take_snapshot().health is Health.HEALTHY
