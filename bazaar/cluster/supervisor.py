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

from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.exits import ClusterDown, ClusterError, ClusterStopping
from bazaar.cluster.supervisor_config import GROUP

CALL_TIMEOUT_S = 5.0
_ALREADY_STARTED, _NOT_RUNNING, _SHUTTING_DOWN = 60, 70, 6
_RUNNING = 1


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
            return bool(self._call("getState")["statecode"] == _RUNNING)
        except ClusterDown:
            return False

    def is_alive(self) -> bool:
        """Return whether it answers at all, even while it shuts down."""
        try:
            self._call("getState")
        except ClusterStopping:
            return True
        except ClusterDown:
            return False
        return True

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
        transport = _UnixTransport(self._data.socket_path)
        try:
            with xmlrpc.client.ServerProxy("http://localhost", transport) as proxy:
                return getattr(proxy.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == _SHUTTING_DOWN:
                raise ClusterStopping("The cluster is being stopped.") from fault
            raise
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            message = f"The cluster of {self._data.root} is not running; "
            raise ClusterDown(f"{message}`manage.py cluster up` starts it.") from error
