"""
A private CA and a certificate for each host, for trying TLS (docs/adr/0050).

The CA's key is a file like the others. An operator who has a CA uses that one, and needs nothing of
this.
"""

import datetime
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from bazaar import clock
from bazaar.cluster.data_dir import write_whole
from bazaar.cluster.exits import ClusterError
from bazaar.settings import private
from bazaar.topology import Topology

CERTIFICATE, KEY, CA = "certificate.pem", "key.pem", "ca.pem"
CA_KEY = "ca-key.pem"
DAYS_MAX = 3650


def make_certificates(topology: Topology, folder: Path, days: int) -> Iterator[str]:
    """
    Make a folder for each host, for `tls` in its data folder; yield what was done.

    The CA in `folder` is used again; certificates are made anew each time. days: how long they are
    good. Raises ClusterError.
    """
    if find_spec("trustme") is None:
        raise ClusterError("`cluster certificates` needs trustme: `pip install '.[tls]'`.")
    import trustme  # noqa: PLC0415 - an extra, for this only

    until_s = clock.wall_s() + days * 24 * 3600
    try:
        folder.mkdir(mode=private.FOLDER_MODE, parents=True, exist_ok=True)
        ca_path, key_path = folder / CA, folder / CA_KEY
        if key_path.exists():
            ca = trustme.CA.from_pem(ca_path.read_bytes(), key_path.read_bytes())
        else:
            ca = trustme.CA(organization_name="Bazaar")
            write_whole(ca_path, ca.cert_pem.bytes(), private.FILE_MODE)
            # Last: with its key a CA is made, and without it the next try makes another one.
            write_whole(key_path, ca.private_key_pem.bytes(), private.FILE_MODE)
            yield f"{ca_path} is the certificate of a new CA; its key is beside it: keep it there"
        for host in topology.hosts():
            made = ca.issue_cert(
                host, not_after=datetime.datetime.fromtimestamp(until_s, datetime.UTC)
            )
            here = folder / host
            here.mkdir(mode=private.FOLDER_MODE, exist_ok=True)
            chain = b"".join(blob.bytes() for blob in made.cert_chain_pems)
            write_whole(here / KEY, made.private_key_pem.bytes(), private.FILE_MODE)
            write_whole(here / CERTIFICATE, chain, private.FILE_MODE)
            write_whole(here / CA, ca_path.read_bytes(), private.FILE_MODE)
            yield f"{here} is for the host {host}: copy it to `tls` in its data folder"
    except (OSError, ValueError) as error:
        raise ClusterError(f"Certificates cannot be made in {folder} ({error}).") from error
