"""
The cluster that this process belongs to (docs/adr/0031).

Each request between members carries it, and a process refuses that of another cluster. Left out:
secrecy. It finds mistakes, such as a copied secret; who has the secret may send any identity.
"""

HEADER = "Bazaar-Cluster"

_known = {"cluster": ""}


def note_cluster(cluster_id: str) -> None:
    """Send this identity from now on; empty: none is known."""
    _known["cluster"] = cluster_id


def cluster() -> str:
    """Return the identity of this process's cluster; empty when none is known."""
    return _known["cluster"]
