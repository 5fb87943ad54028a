"""What all engines have in common: a node on each host, and what may happen to it."""

import os
import shutil
import signal
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import psutil

from bazaar.clock import wait_until
from tests.cluster.ha.network import Host

DATABASE = "catalog"
USER = "bazaar"
WHOLE_TIMEOUT_S = 90.0


class EngineServer(Protocol):
    """One process of a node."""

    folder: Path
    name: str


class Engine(ABC):
    """A database that is kept alive on three hosts."""

    scheme = ""
    parts: tuple[str, ...] = ()
    """What of a node may be killed alone."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        """Make the files of all nodes."""
        self.hosts = tuple(hosts)
        self.port = 0

    def url(self, first: Host, database: str = DATABASE) -> str:
        """Return the URL of a database for a client on a host, whose own node comes first."""
        others = (host for host in self.hosts if host != first)
        nodes = ",".join(f"{host.address}:{self.port}" for host in (first, *others))
        return f"{self.scheme}://{USER}@{nodes}/{database}"

    def await_whole(self) -> None:
        """Wait until every node is in. Raises AssertionError: it is not."""
        assert wait_until(self.is_whole, WHOLE_TIMEOUT_S), "a database node does not come back"

    def kill(self, host: Host) -> None:
        """Kill all that a host has of it."""
        self.signal(host, signal.SIGKILL)

    def signal(self, host: Host, number: signal.Signals) -> None:
        """Send a signal to all processes that a host has of it."""
        for pid in self.list_pids(host):
            with suppress(ProcessLookupError):  # it ended with its server
                os.kill(pid, number)

    def copy_logs(self, folder: Path) -> None:
        """Copy what its processes have logged to a folder."""
        for server in self.servers:
            shutil.copyfile(server.folder / "log", folder / f"{server.name}.log")

    @property
    @abstractmethod
    def servers(self) -> Sequence[EngineServer]:
        """All processes that were started."""

    @abstractmethod
    def start(self) -> None:
        """Start all nodes with an empty database."""

    @abstractmethod
    def end(self) -> None:
        """End all nodes, and remove their files."""

    @abstractmethod
    def is_whole(self) -> bool:
        """Tell whether every node is in."""

    @abstractmethod
    def list_pids(self, host: Host) -> list[int]:
        """Return the processes of a host."""

    @abstractmethod
    def kill_part(self, host: Host, part: str) -> None:
        """Kill one process of a node."""

    @abstractmethod
    def start_host(self, host: Host) -> None:
        """Start what a host lacks of it."""

    @abstractmethod
    def find_primary(self, active: Host) -> Host:
        """Return the node that takes the writes of a client on a host."""


def list_users_of(folder: str) -> list[int]:
    """Return the processes whose home is a folder, and all they started, a server's first."""
    found: dict[int, None] = {}
    for process in psutil.process_iter():
        try:
            if process.environ().get("HOME") == folder:
                found[process.pid] = None
                # Those of PostgreSQL write their titles where their environment was.
                found.update(dict.fromkeys(one.pid for one in process.children(recursive=True)))
        except psutil.Error:
            continue
    return list(found)
