"""The data folder of one cluster: its paths and its first files."""

import hashlib
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bazaar import topology
from bazaar.cluster.exits import ClusterError
from bazaar.settings import env, private
from bazaar.settings.env import SettingsError
from bazaar.topology import Topology, TopologyError, role_of

SECRET_BYTES = 32
SOCKET_PATH_BYTES_MAX = 96
"""Unix sockets allow 107 bytes, and supervisor adds its pid while it binds."""


@dataclass(frozen=True)
class DataDir:
    """Paths in the data folder; `root` is absolute."""

    root: Path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "DataDir":
        """Return the folder that BAZAAR_DATA_DIR names, or the default one."""
        return cls(env.read_data_dir(environ))

    @property
    def topology_path(self) -> Path:
        """The description of the cluster that was last brought up here."""
        return self.root / "cluster.toml"

    @property
    def config_path(self) -> Path:
        """The supervisor's configuration."""
        return self.root / "supervisord.conf"

    @property
    def pid_path(self) -> Path:
        """The supervisor's pid."""
        return self.root / "supervisord.pid"

    @property
    def lock_path(self) -> Path:
        """Locked by `cluster up` and by its supervisor while either lives."""
        return self.root / "cluster.lock"

    @property
    def logs(self) -> Path:
        """The folder of logs, one file for each process."""
        return self.root / "logs"

    @property
    def socket_path(self) -> Path:
        """The supervisor's socket; in a private folder when this path is too long."""
        path = self.root / "supervisor.sock"
        if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
            return path
        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"bazaar-{os.getuid()}-{name}"
        if len(os.fsencode(folder)) > SOCKET_PATH_BYTES_MAX - len("/supervisor.sock"):
            folder = Path("/tmp") / folder.name  # noqa: S108 - private, see `make`
        return folder / "supervisor.sock"

    def log_path(self, name: str) -> Path:
        """Return the log of one process."""
        return self.logs / f"{name}.log"

    def database(self, name: str) -> Path | None:
        """Return the database of one process; front ends have none."""
        return self.root / f"{name}.sqlite3" if role_of(name).has_database else None

    def make(self) -> None:
        """Make the folders, and close them and what is in them to others. Raises ClusterError."""
        try:
            for folder in (self.root, self.logs):
                folder.mkdir(mode=private.FOLDER_MODE, parents=True, exist_ok=True)
                env.keep_private(folder)
            self.config_path.touch(mode=private.FILE_MODE)
            self.socket_path.parent.mkdir(mode=private.FOLDER_MODE, exist_ok=True)
            owner = self.socket_path.parent.stat().st_uid
        except SettingsError as error:
            raise ClusterError(str(error)) from error
        except OSError as error:
            raise ClusterError(
                f"BAZAAR_DATA_DIR: {self.root} is not writable ({error.strerror})."
            ) from error
        if owner != os.getuid():
            raise ClusterError(f"{self.socket_path.parent} belongs to another user (uid {owner}).")
        env.keep_private(self.socket_path.parent)

    def read_topology(self) -> Topology:
        """Return the description of this folder's cluster. Raises ClusterError."""
        if not self.topology_path.exists():
            raise ClusterError(f"There is no cluster in {self.root}; `cluster up` makes one.")
        try:
            return topology.load(self.topology_path)
        except TopologyError as error:
            raise ClusterError(f"{error}.") from error

    def write_topology(self, found: Topology) -> None:
        """Store a description, whole or not at all."""
        write_whole(self.topology_path, topology.dump(found), private.FILE_MODE)


def write_whole(path: Path, text: str, mode: int = 0o666) -> None:
    """
    Write a file so that no reader ever sees half of it.

    mode: its rights, less those that the umask takes.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    part.replace(path)


def make_secret(path: Path) -> bool:
    """Make the cluster secret unless there is one; return whether it was made."""
    part = path.with_name(f"{path.name}.{os.getpid()}")
    path.parent.mkdir(mode=private.FOLDER_MODE, parents=True, exist_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, private.FILE_MODE)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(SECRET_BYTES) + "\n")
        path.hardlink_to(part)  # unlike a rename it never replaces a secret
    except FileExistsError:
        return False
    finally:
        part.unlink()
    return True
