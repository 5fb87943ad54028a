"""Make what a cluster needs before its first process starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bazaar import topology
from bazaar.cluster.data_dir import DataDir, make_secret
from bazaar.cluster.exits import ClusterError
from bazaar.cluster.supervisor_config import cluster_environment
from bazaar.settings import env
from bazaar.topology import Topology

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


def choose_topology(options: InitOptions, environ: Mapping[str, str]) -> Topology:
    """
    Return the cluster to make: as BAZAAR_CLUSTER, options or the last run say.

    Raises ClusterError, SettingsError.
    """
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


def make_files(options: InitOptions, environ: Mapping[str, str]) -> Topology:
    """Make secret and description; return it. Raises ClusterError, SettingsError."""
    found = choose_topology(options, environ)
    variables = cluster_environment(options.data, environ)
    secret_path = env.secret_path(variables)
    try:
        make_secret(secret_path)
    except OSError as error:
        raise ClusterError(
            f"BAZAAR_SECRET_FILE: {secret_path} cannot be written ({error.strerror})."
        ) from error
    env.read_secret(variables)
    options.data.write_topology(found)
    env.read_topology(variables)  # the limits must fit it
    return found
