"""The data folder of one cluster: its paths and its first files."""

import errno
import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bazaar import topology
from bazaar.cluster.exits import ClusterError
from bazaar.settings import data_folder, env, private
from bazaar.settings.env import SettingsError, StorageAwayError
from bazaar.settings.typed import manage
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
        """
        Return the folder that BAZAAR_DATA_DIR names, or the default one.

        Raises ClusterError: something else is there, or it may not be read.
        """
        data = cls(env.read_data_dir(environ))
        try:
            data.check()
        except PermissionError as error:  # a folder above it is closed
            raise ClusterError(
                f"{error.filename} may not be read by this user (uid {os.geteuid()})."
            ) from error
        return data

    @property
    def topology_path(self) -> Path:
        """The description of the cluster that was last brought up here."""
        return self.root / "cluster.toml"

    @property
    def identity_path(self) -> Path:
        """The identity of the cluster, the same on all its hosts."""
        return self.root / "cluster.id"

    @property
    def is_new(self) -> bool:
        """Whether nothing of a cluster is here yet, nor was taken from another host."""
        return not self.identity_path.exists()

    @property
    def host_path(self) -> Path:
        """The host of the description that this folder is of, if it was named."""
        return self.root / "cluster.host"

    @property
    def metrics_token_path(self) -> Path:
        """What Prometheus shows to be given metrics."""
        return self.root / "metrics.token"

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

    def check(self) -> None:
        """
        Check that what is in the folder is what belongs there, and may be read.

        A folder that is not there is well. Raises ClusterError.
        """
        if self.root.exists() and not self.root.is_dir():
            raise ClusterError(
                f"There is no cluster in {self.root}: it is no folder. Name another, or move it "
                "away."
            )
        _check_folder(self.root, "the data folder")
        _check_folder(self.logs, "the folder of the logs")
        for path in self._files():
            if path.is_dir():
                raise ClusterError(f"{path} is a folder, where a file belongs: move it away.")
            if path.exists() and not os.access(path, os.R_OK):
                raise ClusterError(f"{path} is not readable for this user (uid {os.geteuid()}).")
        if self.socket_path.exists() and not self.socket_path.is_socket():
            raise ClusterError(f"{self.socket_path} is no socket: move it away.")

    def _files(self) -> Iterator[Path]:
        """Yield what must be a file, if it is there."""
        yield from (
            self.topology_path,
            self.identity_path,
            self.host_path,
            self.metrics_token_path,
            self.config_path,
            self.pid_path,
            self.lock_path,
        )
        yield self.root / "dashboard.password"
        if self.logs.is_dir():
            yield from self.logs.iterdir()

    def make(self) -> None:
        """Make the folders, and close them and what is in them to others. Raises ClusterError."""
        self.check()
        try:
            for folder in (self.root, self.logs):
                folder.mkdir(mode=private.FOLDER_MODE, parents=True, exist_ok=True)
                data_folder.keep_private(folder)
            for path in (self.root, self.logs, *self._files()):
                if path.exists() and not os.access(path, os.W_OK):
                    data_folder.check_writable(path, "BAZAAR_DATA_DIR")
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
            self.config_path.touch(mode=private.FILE_MODE)
            self.socket_path.parent.mkdir(mode=private.FOLDER_MODE, exist_ok=True)
            owner = self.socket_path.parent.stat().st_uid
        except StorageAwayError:
            raise
        except SettingsError as error:
            raise ClusterError(str(error)) from error
        except OSError as error:
            raise ClusterError(
                f"BAZAAR_DATA_DIR: {error.filename} is not writable ({error.strerror}) for this "
                f"user (uid {os.geteuid()})."
            ) from error
        if owner != os.getuid():
            raise ClusterError(f"{self.socket_path.parent} belongs to another user (uid {owner}).")
        data_folder.keep_private(self.socket_path.parent)

    def read_topology(self) -> Topology:
        """Return the description of this folder's cluster. Raises ClusterError."""
        if not self.topology_path.exists():
            up = manage("cluster", "up", data=self.root)
            raise ClusterError(f"There is no cluster in {self.root}; `{up}` makes one.")
        try:
            return topology.load(self.topology_path)
        except TopologyError as error:
            raise ClusterError(
                f"{error}. Correct it; or move it away, and `cluster up` writes it anew."
            ) from error

    def write_topology(self, found: Topology) -> None:
        """Store a description, whole or not at all."""
        write_whole(self.topology_path, topology.dump(found), private.FILE_MODE)


def _check_folder(path: Path, what: str) -> None:
    """Raise ClusterError when something is there that is no folder, or may not be read."""
    if path.is_symlink() and not path.exists():
        raise ClusterError(
            f"{path} is {what}, but a link to {path.readlink()}, which is not there: make that "
            "folder, or remove the link."
        )
    if path.exists() and not path.is_dir():
        raise ClusterError(f"{path} is {what}, but a file is there: move it away.")
    if path.exists() and not os.access(path, os.R_OK | os.X_OK):
        raise ClusterError(f"{path} is {what}, but this user (uid {os.geteuid()}) may not read it.")


def write_whole(path: Path, content: str | bytes, mode: int = 0o666) -> None:
    """
    Write a file so that no reader ever sees half of it.

    mode: its rights, less those that the umask takes. Raises OSError, which names the file: it is
    as it was.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def make_secret(path: Path) -> bool:
    """Make the cluster secret unless there is one; return whether it was made."""
    return make_once(path, secrets.token_hex(SECRET_BYTES))


def make_once(path: Path, text: str) -> bool:
    """Make a file of one line unless it is there; return whether it was made."""
    part = path.with_name(f"{path.name}.{os.getpid()}")
    path.parent.mkdir(mode=private.FOLDER_MODE, parents=True, exist_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, private.FILE_MODE)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")
        path.hardlink_to(part)  # unlike a rename it never replaces a secret
    except FileExistsError:
        return False
    finally:
        part.unlink()
    return True
