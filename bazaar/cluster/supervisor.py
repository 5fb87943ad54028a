"""
Client of the supervisor of one data folder: XML-RPC over its unix socket.

The program `supervisord` starts, watches, stops and reaps all processes; this module calls it.
"""

import http.client
import socket
import xmlrpc.client
from pathlib import Path
from typing import Any

import msgspec
import psutil

from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterDown, ClusterError, ClusterSilent, ClusterStopping
from bazaar.cluster.supervisor_config import GROUP, PROGRAM
from bazaar.settings.typed import manage

CALL_TIMEOUT_S = 5.0
_ALREADY_STARTED, _NOT_RUNNING, _SHUTTING_DOWN = 60, 70, 6
_RUNNING = 1
_SILENCE = (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError)
"""What a call ends with when nothing answers."""


class ProcessInfo(msgspec.Struct, frozen=True):
    """What the supervisor knows about one process."""

    name: str
    statename: str
    pid: int
    exitstatus: int
    """Of its last end; -1 when a signal ended it."""

    @property
    def is_up(self) -> bool:
        """Whether the supervisor believes that it runs."""
        return self.statename in ("STARTING", "RUNNING")


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = path

    def connect(self) -> None:
        """Connect to the socket instead of a port."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(CALL_TIMEOUT_S)
        try:
            self.sock.connect(str(self._path))
        except OSError:
            self.close()
            raise


class _UnixTransport(xmlrpc.client.Transport):
    """XML-RPC over a unix socket with a timeout, which supervisor's own lacks."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        """Return a new connection, which stays open until `close`."""
        self._connection = host, _UnixConnection(self._path)
        return self._connection[1]


class Supervisor:
    """Calls the supervisor; every method raises ClusterDown when it does not answer."""

    def __init__(self, data: DataDir) -> None:
        self._data = data

    def is_running(self) -> bool:
        """Return whether it answers and is not shutting down."""
        try:
            return bool(self._ask("getState")["statecode"] == _RUNNING)
        except (*_SILENCE, ClusterStopping):
            return False

    def is_alive(self) -> bool:
        """Return whether it answers at all, even while it shuts down."""
        try:
            self._ask("getState")
        except ClusterStopping:
            return True
        except _SILENCE:
            return False
        return True

    def is_ending(self) -> bool:
        """Return whether it is shutting down, or is about to: its `cluster up` has ended."""
        return self.is_alive() and not (self.is_running() and self._has_parent())

    def _has_parent(self) -> bool:
        """Return whether the `cluster up` that started it is there."""
        try:
            parent = psutil.Process(self.find_pid() or 0).parent()
            return parent is not None and {"cluster", "up"} <= set(parent.cmdline())
        except psutil.Error:
            return False

    def find_pid(self) -> int | None:
        """Return the pid of the supervisor that runs on this folder, though it be silent."""
        try:
            pid = int(self._data.pid_path.read_text())
        except (OSError, ValueError):
            pid = 0
        if self._is_ours(pid):
            return pid
        return next(filter(self._is_ours, psutil.pids()), None)

    def _is_ours(self, pid: int) -> bool:
        try:
            line = psutil.Process(pid).cmdline() if pid else []
        except psutil.Error:
            return False
        return PROGRAM in line and str(self._data.config_path) in line

    def pid(self) -> int:
        """Return its own pid."""
        return int(self._call("getPID"))

    def processes(self) -> dict[str, ProcessInfo]:
        """Return all processes by name."""
        found = msgspec.convert(self._call("getAllProcessInfo"), list[ProcessInfo])
        return {info.name: info for info in found}

    def start(self, name: str) -> bool:
        """Start a process and return at once; False when it runs already."""
        return self._try("startProcess", name, _ALREADY_STARTED)

    def stop(self, name: str) -> bool:
        """Ask a process to end and return at once; False when it does not run."""
        return self._try("stopProcess", name, _NOT_RUNNING)

    def stop_all(self) -> None:
        """Ask all processes to end, side by side, and return at once."""
        self._call("stopAllProcesses", False)  # noqa: FBT003 - XML-RPC has no keywords

    def shut_down(self) -> None:
        """Ask it to end once its processes have."""
        self._call("shutdown")

    def _try(self, method: str, name: str, expected: int) -> bool:
        try:
            self._call(method, f"{GROUP}:{name}", False)  # noqa: FBT003 - XML-RPC has no keywords
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == expected:
                return False
            raise ClusterError(f"{name}: the supervisor says {fault.faultString}.") from fault
        return True

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            return self._ask(method, *arguments)
        except _SILENCE as error:
            pid, root = self.find_pid(), self._data.root
            if pid is None:
                up = manage("cluster", "up", data=root)
                message = f"The cluster of {root} is not running; `{up}` starts it."
                raise ClusterDown(message) from error
            down = manage("cluster", "down", data=root)
            reason = error.strerror if isinstance(error, OSError) else type(error).__name__
            raise ClusterSilent(
                f"The cluster of {root} is running, cannot be asked: its supervisor (pid {pid}) "
                f"does not answer at {self._data.socket_path} ({reason or error}). `{down}` stops "
                "it."
            ) from error

    def _ask(self, method: str, *arguments: Any) -> Any:
        """Call it. Raises ClusterStopping, and what _SILENCE names when it does not answer."""
        transport = _UnixTransport(self._data.socket_path)
        try:
            with xmlrpc.client.ServerProxy("http://localhost", transport) as proxy:
                return getattr(proxy.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == _SHUTTING_DOWN:
                raise ClusterStopping("The cluster is being stopped.") from fault
            raise
