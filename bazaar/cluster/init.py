"""Make what a cluster needs before its first process starts."""

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from bazaar import topology
from bazaar.cluster import hosts
from bazaar.cluster.data_dir import DataDir, make_once, make_secret
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.supervisor_config import cluster_environment
from bazaar.settings import env
from bazaar.settings.typed import manage
from bazaar.topology import Topology, role_of

REPLICAS_DEFAULT = 3


@dataclass(frozen=True)
class InitOptions:
    """The options of `init` and `up`, checked; None where one was not given."""

    data: DataDir
    replicas: int | None = None
    front_ends: int | None = None
    stocks: str | None = None
    server: str = "granian"
    is_restarting: bool = False
    host: str | None = None
    """Whose part of the description is meant."""


def choose_topology(options: InitOptions, environ: Mapping[str, str]) -> Topology:
    """
    Return the cluster to make: as BAZAAR_CLUSTER, options or the last run say.

    Raises ClusterError, SettingsError.
    """
    if environ.get("BAZAAR_DATABASE_URL"):
        raise ClusterError(
            "BAZAAR_DATABASE_URL is for one process that is started by hand; a cluster's databases "
            "are in its description, `database` of each process (docs/CONFIGURATION.md)."
        )
    path = environ.get("BAZAAR_CLUSTER")
    is_counted = options.replicas is not None or options.front_ends is not None
    if path and is_counted and Path(path).absolute() != options.data.topology_path:
        raise ClusterError(
            "Give BAZAAR_CLUSTER, or --replicas and --front-ends: both say what there is."
        )
    if is_counted:
        return topology.local(options.replicas or REPLICAS_DEFAULT, options.front_ends or 1)
    if path:
        return env.read_topology(environ)
    if options.data.topology_path.exists():
        return options.data.read_topology()
    return topology.local(REPLICAS_DEFAULT)


def make_identity(data: DataDir, *, is_first: bool = True) -> None:
    """
    Make the cluster's identity unless there is one.

    It is that of the databases, if they have one. is_first: a new one may be made here. Raises
    ClusterError.
    """
    found = {str(UUID(str(one))) for one in _read_identities(data)}
    if len(found) > 1:
        raise ClusterError(
            f"The databases in {data.root} are of different clusters: {', '.join(sorted(found))}. "
            "Move away those that do not belong here."
        )
    if not (found or is_first):
        return
    try:
        make_once(data.identity_path, found.pop() if found else str(uuid4()))
    except OSError as error:
        raise ClusterError(f"{data.identity_path} cannot be written ({error.strerror}).") from error


def _read_identities(data: DataDir) -> Iterator[object]:
    for path in sorted(data.root.glob("*.sqlite3")):
        try:
            query = f"SELECT cluster_id FROM {role_of(path.stem).app}_identity"  # noqa: S608
        except ValueError:  # no role has a database of that name
            continue
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as one:
            yield from (row[0] for row in one.execute(query) if row[0])


def make_files(options: InitOptions, environ: Mapping[str, str]) -> Topology:
    """
    Make secret and description; return it.

    Secret and identity are made on the first host only, that of the first process; other hosts
    import them. Raises ClusterError, SettingsError.
    """
    found = choose_topology(options, environ)
    part = hosts.choose_part(options.data, found, options.host)
    variables = cluster_environment(options.data, environ)
    secret_path, (first, node) = env.secret_path(variables), next(found.nodes())
    try:
        if first in part:
            make_secret(secret_path)
        if secret_path.exists():
            make_secret(options.data.metrics_token_path)
    except OSError as error:
        raise ClusterError(
            f"BAZAAR_SECRET_FILE: {secret_path} cannot be written ({error.strerror})."
        ) from error
    make_identity(options.data, is_first=first in part)
    if not (secret_path.exists() and options.data.identity_path.exists()):
        take = manage("cluster", "secret", "import", data=options.data.root)
        raise ClusterError(
            f"The secret of this cluster is made on its first host, {node.host}. There, `manage.py "
            f"cluster secret show` prints it after `cluster init`; here, `{take}` reads it."
        )
    env.read_secret(variables)
    env.read_cluster_id(variables)
    options.data.write_topology(found)
    env.read_topology(variables)  # the limits must fit it
    env.begin_tls(found, options.data.root)
    return found
