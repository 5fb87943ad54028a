"""
TLS contexts, made of the three files of a host (docs/adr/0050).

A process presents one certificate as a server and as a client. The files are looked at once a
second at most; once they have changed, new connections are made with what they say then. Files that
do not fit together change nothing: somebody may be writing them.
"""

import logging
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bazaar import clock

log = logging.getLogger("bazaar.protocol.tls")
LOOK_S = 1.0
"""Between two looks at the files."""
_Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class TlsPaths:
    """The files of one host, in PEM."""

    certificate: Path
    """Of this host, with those between it and the CA."""
    key: Path
    ca: Path
    """Whose certificates members present."""

    @property
    def stamp(self) -> _Stamp:
        """Which files these are now. Raises OSError."""
        stats = []
        for path in (self.certificate, self.key, self.ca):
            with _naming(path):
                stats.append(path.stat())
        return tuple((one.st_ino, one.st_mtime_ns, one.st_size) for one in stats)


class ServerTlsSocket(ssl.SSLSocket):
    """The server's end of a connection, which would block where a plain socket does."""

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Return what has come; the handshake is a part of the first time."""
        try:
            return super().recv(buflen, flags)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            raise BlockingIOError(*error.args) from error

    def send(self, data: Any, flags: int = 0) -> int:
        """Send a part of it, and return how much."""
        try:
            return super().send(data, flags)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            raise BlockingIOError(*error.args) from error


@dataclass(frozen=True, slots=True)
class _Contexts:
    """The contexts of one state of the files."""

    client: ssl.SSLContext
    mutual: ssl.SSLContext
    public: ssl.SSLContext
    ca: str
    """The CA, in PEM."""


class TlsContexts:
    """The contexts of one process; safe for many threads."""

    def __init__(self, paths: TlsPaths, now_s: Callable[[], float] = clock.monotonic_s) -> None:
        """Read the files. Raises OSError: they cannot be read, or do not fit together."""
        self.paths, self._now_s = paths, now_s
        self._lock = threading.Lock()
        self._stamp, self._made = paths.stamp, _make(paths)
        self._looked_s = now_s()
        self.fault = ""
        """Why newer files are not used."""

    @property
    def client(self) -> ssl.SSLContext:
        """For calls to members: each side shows its certificate."""
        return self._current().client

    def server(self, *, is_for_members: bool) -> ssl.SSLContext:
        """Return the context of a port; is_for_members: callers show a certificate, too."""
        made = self._current()
        return made.mutual if is_for_members else made.public

    @property
    def ca(self) -> str:
        """The CA as its file says now, in PEM."""
        return self._current().ca

    def _current(self) -> _Contexts:
        with self._lock:
            if self._now_s() - self._looked_s >= LOOK_S:
                self._looked_s = self._now_s()
                self._look()
            return self._made

    def _look(self) -> None:
        try:
            stamp = self.paths.stamp
            if stamp != self._stamp:
                self._made = _make(self.paths)
                self._stamp = stamp
            self.fault = ""
        except OSError as error:
            if str(error) != self.fault:
                log.warning("new TLS files are not used: %s", error)
            self.fault = str(error)


def _make(paths: TlsPaths) -> _Contexts:
    with _naming(paths.ca):
        ca = _read_ca(paths.ca)
        client = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=paths.ca)
        mutual, public = (_make_server() for _ in range(2))
        mutual.load_verify_locations(cafile=paths.ca)
        mutual.verify_mode = ssl.CERT_REQUIRED
    with _naming(paths.certificate, paths.key):
        for made in (client, mutual, public):
            made.load_cert_chain(paths.certificate, paths.key, _refuse_to_ask)
    return _Contexts(client, mutual, public, ca)


def _read_ca(path: Path) -> str:
    """Return certificates in PEM, without what comments beside them have that is not ASCII."""
    return path.read_text(encoding="ascii", errors="ignore")


def _make_server() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.num_tickets = 0  # connections are kept: a ticket would only be bytes without a request
    made.sslsocket_class = ServerTlsSocket
    return made


def _refuse_to_ask() -> str:
    """Stand for the passphrase, which OpenSSL would ask for at the terminal, and wait."""
    raise OSError("the key is encrypted; give one without a passphrase")


@contextmanager
def _naming(*paths: Path) -> Iterator[None]:
    """Raise OSError with the files that an error is of."""
    try:
        yield
    except OSError as error:  # ssl.SSLError is one
        names = " with ".join(map(str, paths))
        raise OSError(f"{names}: {error.strerror or error}") from error


_used: list[TlsContexts] = []


def use_tls(paths: TlsPaths | None) -> None:
    """Have calls to members, and ports, of this process use TLS; None: none does."""
    if not (_used and paths and _used[0].paths == paths):
        _used[:] = [TlsContexts(paths)] if paths else []


def tls() -> TlsContexts | None:
    """Return what this process uses; None: plain TCP."""
    return _used[0] if _used else None


def find_ca() -> str | None:
    """Return the file of the CA that this process's cluster has, if it uses TLS."""
    return str(_used[0].paths.ca) if _used else None


def make_public_context(ca_path: str | None) -> ssl.SSLContext:
    """Return a context for public ports; ca_path: trusted besides the system's CAs."""
    return _trust("" if ca_path is None else _read_ca(Path(ca_path)))


def find_public_context() -> ssl.SSLContext:
    """
    Return a context for public ports.

    It is another one as soon as the file of the cluster's CA is.
    """
    return _trust(_used[0].ca if _used else "")


@lru_cache(maxsize=2)
def _trust(ca: str) -> ssl.SSLContext:
    made = ssl.create_default_context()
    if ca:
        made.load_verify_locations(cadata=ca)
    return made
