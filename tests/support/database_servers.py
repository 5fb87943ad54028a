"""
Database servers of a test: PostgreSQL and MariaDB as Debian has them.

Each has a folder, a port of the system's, and no rights: run by root, it is the user `nobody`.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Self

from bazaar.clock import wait_until

START_TIMEOUT_S = 60.0
_HOST = "127.0.0.1"
_USER = "nobody"
_PATH = os.pathsep.join(
    (os.environ["PATH"], "/usr/sbin", *map(str, Path("/usr/lib/postgresql").glob("*/bin")))
)


class DatabaseServer:
    """A server; what it has committed survives its end as a process."""

    scheme = user = ""

    def __init__(
        self,
        *,
        is_durable: bool = True,
        host: str = _HOST,
        port: int | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        """
        Make its files.

        is_durable: as an operator runs it; else it is faster, and may lose data. prefix: what its
        command lines begin with, to run it in another network.
        """
        self.is_durable = is_durable
        self.host, self.port = host, port or find_port()
        self._prefix = prefix
        self.folder = Path(tempfile.mkdtemp(prefix="bazaar-database-"))
        if os.geteuid() == 0:
            shutil.chown(self.folder, _USER)
        self._process: subprocess.Popen[bytes] | None = None
        self._run(self._install())

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, name: str) -> str:
        """Return the URL of a database on it."""
        return f"{self.scheme}://{self.user}@{self.host}:{self.port}/{name}"

    def make_database(self, name: str) -> str:
        """Make an empty database; return its URL."""
        self._run(self._client(f"CREATE DATABASE {name}"))
        return self.url(name)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.launch()
        assert wait_until(self._answers, START_TIMEOUT_S), (self.folder / "log").read_text()

    @property
    def is_running(self) -> bool:
        """Whether its process has not ended."""
        return self._process is not None and self._process.poll() is None

    def launch(self) -> None:
        """Start it without waiting."""
        log = (self.folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [*self._prefix, *_as_nobody(self._serve(), "--pdeathsig=KILL")],
                stdout=log,
                stderr=log,
                env=self._environ,
                cwd="/",
            )

    def kill(self) -> None:
        """End it with all its processes, as a power cut would."""
        if self._process is None:
            return
        self._process.send_signal(self.kill_signal)
        self._process.wait(START_TIMEOUT_S)
        self._process = None

    kill_signal = 9

    @property
    def _environ(self) -> dict[str, str]:
        return {"PATH": _PATH, "HOME": str(self.folder), "LC_ALL": "C.UTF-8"}

    def _answers(self) -> bool:
        return self._call(self._client("SELECT 1")).returncode == 0

    def _run(self, line: Sequence[str]) -> str:
        done = self._call(_as_nobody(line))
        assert done.returncode == 0, f"{' '.join(line)}: {done.stdout}{done.stderr}"
        return done.stdout

    def _call(self, line: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._prefix, *line],
            capture_output=True,
            text=True,
            env=self._environ,
            cwd="/",
            check=False,
        )

    def _install(self) -> Sequence[str]:
        raise NotImplementedError

    def _serve(self) -> Sequence[str]:
        raise NotImplementedError

    def _client(self, statement: str) -> Sequence[str]:
        raise NotImplementedError


class PostgresqlServer(DatabaseServer):
    """A PostgreSQL."""

    scheme, user = "postgresql", "bazaar"
    kill_signal = 3  # immediate shutdown: killed, its children would hold the memory for a while

    def _install(self) -> Sequence[str]:
        names = ("-U", self.user, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        return ("initdb", "-D", str(self.folder / "data"), *names)

    def _serve(self) -> Sequence[str]:
        settings = {
            "port": str(self.port),
            "listen_addresses": self.host,
            "unix_socket_directories": "",
            "shared_buffers": "32MB",
            **({} if self.is_durable else {"fsync": "off", "synchronous_commit": "off"}),
        }
        options = (word for name, value in settings.items() for word in ("-c", f"{name}={value}"))
        return ("postgres", "-D", str(self.folder / "data"), *options)

    def _client(self, statement: str) -> Sequence[str]:
        return ("psql", "-q", "-d", self.url("postgres"), "-c", statement)


class MariadbServer(DatabaseServer):
    """A MariaDB."""

    scheme, user = "mysql", "root"

    def _install(self) -> Sequence[str]:
        (self.folder / "temporary").mkdir()
        if os.geteuid() == 0:
            shutil.chown(self.folder / "temporary", _USER)
        names = ("--auth-root-authentication-method=normal", "--skip-test-db")
        return ("mariadb-install-db", "--no-defaults", *self._folders(), *names)

    def _serve(self) -> Sequence[str]:
        fast = ("--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite")
        return (
            *("mariadbd", "--no-defaults", *self._folders(), f"--port={self.port}"),
            *(
                f"--bind-address={self.host}",
                f"--socket={self.folder}/socket",
                "--skip-name-resolve",
            ),
            *("--innodb-buffer-pool-size=32M", "--skip-log-bin"),
            *(() if self.is_durable else fast),
        )

    def _folders(self) -> Sequence[str]:
        return (f"--datadir={self.folder}/data", f"--tmpdir={self.folder / 'temporary'}")

    def _client(self, statement: str) -> Sequence[str]:
        address = ("--protocol=tcp", f"--host={self.host}", f"--port={self.port}")
        return ("mariadb", "--no-defaults", *address, f"--user={self.user}", "-e", statement)


SERVERS = {"postgresql": PostgresqlServer, "mariadb": MariadbServer}


def _as_nobody(line: Sequence[str], *options: str) -> list[str]:
    """Return a command line without rights; options: of setpriv."""
    rights = (f"--reuid={_USER}", "--regid=nogroup", "--clear-groups")
    return ["setpriv", *options, *(rights if os.geteuid() == 0 else ()), *line]


def find_port() -> int:
    with closing(socket.create_server((_HOST, 0))) as listener:
        port: int = listener.getsockname()[1]
        return port
