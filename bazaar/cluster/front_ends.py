"""Where the front ends are, for programs that are their clients."""

from collections.abc import Mapping, Sequence

from bazaar.client.client import BadUrl, check_url
from bazaar.cluster.data_dir import DataDir
from bazaar.cluster.errors import Ended
from bazaar.settings import env
from bazaar.topology import Node


def list_urls(environ: Mapping[str, str], wished: Sequence[str] = ()) -> tuple[str, ...]:
    """
    Return the addresses wished for, or those of the cluster that the environment means.

    That is the cluster of the data folder, or else the one that BAZAAR_CLUSTER or the shipped
    description describes. Raises Ended (2), ClusterError, SettingsError.
    """
    if wished:
        try:
            return tuple(check_url(url) for url in wished)
        except BadUrl as error:
            raise Ended(f"--url: {error}") from error
    data = DataDir.of(environ)
    is_made = data.topology_path.exists()
    found = data.read_topology() if is_made else env.read_topology(environ)
    return tuple(_url(node) for node in found.front_ends)


def _url(node: Node) -> str:
    host = f"[{node.host}]" if ":" in node.host else node.host
    return f"http://{host}:{node.port}"
