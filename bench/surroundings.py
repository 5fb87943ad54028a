"""What a cluster may have in place of the embedded default: a database server, TLS."""

import contextlib
from collections.abc import Iterator

import msgspec

from bazaar import topology
from bazaar.cluster.ports import free_topology
from bazaar.cluster.temporary import TemporaryCluster
from bazaar.topology import Topology
from tests.cluster.three_hosts import TLS_FILES
from tests.support.database_servers import SERVERS

TLS = "tls"
NAMES = (*SERVERS, TLS)


@contextlib.contextmanager
def surrounded(name: str | None) -> Iterator[Topology | None]:
    """Give the description of a cluster in such surroundings, while they last; None: default."""
    found = free_topology()
    if name is None:
        yield None
    elif name == TLS:
        yield topology.parse(topology.dump(msgspec.structs.replace(found, tls=TLS_FILES)))
    else:
        with SERVERS[name]() as server:
            database = server.make_database("catalog")
            catalog = msgspec.structs.replace(found.catalog, database=database)
            yield msgspec.structs.replace(found, catalogs=(catalog,))


def certify(cluster: TemporaryCluster) -> str | None:
    """Give a cluster a certificate, if it uses TLS; return the path of its CA."""
    if cluster.topology.tls is None:
        return None
    made = cluster.folder / "ca"
    done = cluster.run("certificates", str(made))
    if done.returncode:
        raise SystemExit(done.stderr)
    cluster.data.root.mkdir(parents=True, exist_ok=True)
    (made / cluster.topology.catalog.host).rename(cluster.data.root / "tls")
    return str(cluster.data.root / TLS_FILES.ca)
