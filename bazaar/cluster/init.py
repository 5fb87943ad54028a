"""Make what a cluster needs before its first process starts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bazaar import topology
from bazaar.cluster import databases
from bazaar.cluster.data_dir import DataDir, make_secret
from bazaar.cluster.errors import ClusterError
from bazaar.cluster.supervisor_config import cluster_environment
from bazaar.settings import env
from bazaar.topology import REPLICAS_MAX, Topology, TopologyError

REPLICAS_DEFAULT = 3


@dataclass(frozen=True)
class Wish:
    """What the operator asked for; None where nothing was said."""

    data: DataDir
    replicas: int | None = None
    front_ends: int | None = None
    stocks: str = "sp500"
    server: str = "granian"
    is_restarting: bool = False


def check_wish(wish: Wish) -> None:
    """Raise ClusterError unless the wish makes sense."""
    if wish.replicas is not None and not 1 <= wish.replicas <= REPLICAS_MAX:
        raise ClusterError(f"--replicas must be from 1 to {REPLICAS_MAX}, not {wish.replicas}.")
    if wish.front_ends is not None and not 1 <= wish.front_ends <= REPLICAS_MAX:
        raise ClusterError(f"--front-ends must be from 1 to {REPLICAS_MAX}, not {wish.front_ends}.")
    if wish.stocks not in databases.STOCKS:
        raise ClusterError(
            f"--stocks must be {' or '.join(databases.STOCKS)}, not {wish.stocks!r}."
        )


def describe_cluster(wish: Wish, environ: Mapping[str, str]) -> Topology:
    """
    Return the wished cluster: what BAZAAR_CLUSTER names, or so many of each, or as last time.

    Raises ClusterError, SettingsError.
    """
    path = environ.get("BAZAAR_CLUSTER")
    is_counted = wish.replicas is not None or wish.front_ends is not None
    if path and is_counted and Path(path).absolute() != wish.data.topology_path:
        raise ClusterError(
            "Give BAZAAR_CLUSTER, or --replicas and --front-ends: both say what there is."
        )
    if is_counted:
        return topology.local(wish.replicas or REPLICAS_DEFAULT, wish.front_ends or 1)
    if path:
        return env.read_topology(environ)
    if wish.data.topology_path.exists():
        try:
            return topology.load(wish.data.topology_path)
        except TopologyError as error:
            raise ClusterError(f"{error}.") from error
    return topology.local(REPLICAS_DEFAULT)


def describe(wish: Wish, environ: Mapping[str, str]) -> Topology:
    """Make secret and description, return the latter. Raises ClusterError, SettingsError."""
    found = describe_cluster(wish, environ)
    variables = cluster_environment(wish.data, environ)
    secret_path = env.secret_path(variables)
    try:
        make_secret(secret_path)
    except OSError as error:
        raise ClusterError(
            f"BAZAAR_SECRET_FILE: {secret_path} cannot be written ({error.strerror})."
        ) from error
    env.read_secret(variables)
    wish.data.write_topology(found)
    env.read_topology(variables)  # the limits must fit it
    return found


def fill(wish: Wish, found: Topology, environ: Mapping[str, str]) -> Iterator[str]:
    """Make the databases ready and yield what was done. Raises ClusterError."""
    variables = cluster_environment(wish.data, environ)
    yield from databases.prepare(wish.data, found, wish.stocks, variables)
