"""Certificates for tests: a private CA, and hosts of it, as `cluster certificates` makes them."""

import shutil
import ssl
from pathlib import Path

import msgspec

from bazaar.cluster.certificates import CA, CERTIFICATE, KEY, make_certificates
from bazaar.protocol.tls import TlsContexts, TlsPaths
from bazaar.topology import Topology, local

HOST, OTHER = "127.0.0.1", "127.0.0.2"
DAYS = 2


class Certificates:
    """The files of the host 127.0.0.1, and a certificate of 127.0.0.2 beside them."""

    def __init__(self, folder: Path) -> None:
        """Make the first ones."""
        self.folder, used = folder, folder / "used"
        self.paths = TlsPaths(used / CERTIFICATE, used / KEY, used / CA)
        used.mkdir()
        self.renew()

    @staticmethod
    def describe() -> Topology:
        """Return a cluster on both hosts."""
        found = local(1)
        return msgspec.structs.replace(
            found, dashboard=msgspec.structs.replace(found.dashboard, host=OTHER)
        )

    def renew(self, host: str = HOST) -> None:
        """Put new files of a host into the place of those that are used."""
        list(make_certificates(self.describe(), self.folder / "made", DAYS))
        for path in (self.folder / "made" / host).iterdir():
            shutil.copyfile(path, self.paths.certificate.with_name(path.name))

    def contexts(self) -> TlsContexts:
        """Return contexts that look at the files each time."""
        times = iter(range(10**6))
        return TlsContexts(self.paths, lambda: float(next(times)))

    def caller(self) -> ssl.SSLContext:
        """Return what a client has that trusts the CA and shows nothing of its own."""
        return ssl.create_default_context(cafile=self.paths.ca)
